"""Corpora that train for each other: who can be told by whom, beside chance and what a corpus gives within itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from emospeech.config import Protocol
from emospeech.experiments.protocols.outcomes import Outcome
from emospeech.runtime.columns import aligned

TABLE = "cross_corpus.csv"
OTHERS = "the others"  # what trains where one corpus is left out


@dataclass(frozen=True)
class Pair:
    """One corpus tested by what was trained on another, on the others, or in folds on itself."""

    outcome: Outcome
    trained_on: str
    ceiling: float | None  # macro-F1 of the same system within the tested corpus; None where no protocol tells it

    @property
    def within(self) -> bool:
        return self.trained_on == self.outcome.tested_on

    @property
    def classes(self) -> int:
        """Those that occur in the test."""
        return sum(count > 0 for count in self.outcome.pooled[0].support)


def pairs(found: Sequence[Outcome], protocols: Mapping[str, Protocol]) -> list[Pair]:
    """Of cross-corpus protocols, and of those that leave a corpus out."""
    own = {(one.row, one.task, one.tested_on): one.mean() for one in found if one.trained_on == one.tested_on != ""}
    left_out = [title for title, protocol in protocols.items() if protocol.kind == "leave-one-corpus-out"]
    return [
        Pair(one, one.trained_on or OTHERS, own.get((one.row, one.task, one.tested_on)))
        for one in found
        if one.trained_on or (one.protocol in left_out and one.tested_on)
    ]


def table(found: Sequence[Pair]) -> pd.DataFrame:
    """One line a pair: what `cross_corpus.csv` holds."""
    return pd.DataFrame(
        [
            {
                "protocol": one.outcome.protocol,
                "system": one.outcome.row,
                "task": one.outcome.task,
                "trained_on": one.trained_on,
                "tested_on": one.outcome.tested_on,
                "rows": one.outcome.pooled[0].count,
                "classes": one.classes,
                "macro_f1": one.outcome.mean(),
                "macro_f1_low": one.outcome.interval.low,
                "macro_f1_high": one.outcome.interval.high,
                "weighted_f1": one.outcome.mean("weighted_f1"),
                "uar": one.outcome.mean("uar"),
                "accuracy": one.outcome.mean("accuracy"),
                "chance_macro_f1": one.outcome.chance,
                "ceiling_macro_f1": one.ceiling,
            }
            for one in found
        ]
    )


def corpora_of(found: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """Those that train and those that are tested, in one order."""
    trained, tested = {one.trained_on: None for one in found}, {one.tested_on: None for one in found}
    every = [*trained, *(name for name in tested if name not in trained)]
    return [name for name in every if name in trained], [name for name in every if name in tested]


def lines(found: Sequence[Outcome]) -> Iterator[str]:
    """Macro-F1 of one system on one task: a line a corpus that trains, a column one that is tested; chance last."""
    at = {(one.trained_on, one.tested_on): one for one in found}
    trained, tested = corpora_of(found)
    yield f"{found[0].row}: macro-F1; a line trains, a column is tested; in brackets: folds within the corpus"

    def cell(a: str, b: str) -> str:
        one = at.get((a, b))
        return "-" if one is None else f"[{one.mean():.3f}]" if a == b else f"{one.mean():.3f} "

    chance = {b: next(one.chance for (_, to), one in at.items() if to == b) for b in tested}
    body = [[a, *(cell(a, b) for b in tested)] for a in trained]
    yield from aligned([["", *tested], *body, ["chance", *(f"{chance[b]:.3f} " for b in tested)]], left=1)
