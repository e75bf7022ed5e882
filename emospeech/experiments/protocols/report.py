"""What a benchmark is read as: a table for the terminal, CSV files, JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from emospeech.experiments.protocols.outcomes import Outcome
from emospeech.runtime.columns import aligned

DIGITS = 3


def lines(found: Sequence[Outcome], notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A table for each protocol and task, systems down; what is odd about its folds below.

    Args:
        notes: protocol -> sentences.
    """
    for protocol in dict.fromkeys(one.protocol for one in found):
        of_protocol = [one for one in found if one.protocol == protocol]
        for task in dict.fromkeys(one.task for one in of_protocol):
            part = [one for one in of_protocol if one.task == task]
            yield from _table(protocol, task, part)
            yield ""
        yield from (f"note: {note}" for note in notes.get(protocol, ()))


def _table(protocol: str, task: str, found: Sequence[Outcome]) -> Iterator[str]:
    folds = len({one.fold for outcome in found for one in outcome.folds})
    what = "" if task == "label" else f", {task}"
    yield f"{protocol}{what}: {found[0].pooled[0].count} rows tested, {folds} fold{'s' if folds > 1 else ''}"
    headings = list(dict.fromkeys(name for one in found for name in one.published))
    several = any(one.tested_on for one in found)
    head = ["system", *(["trained on", "tested on"] if several else []), "macro-F1", "95 % interval", "over folds"]
    body = [[*_cells(one, several), *(_number(one.published.get(name)) for name in headings)] for one in found]
    yield from aligned(
        [[*head, "weighted F1", "UAR", "accuracy", "chance", *headings], *body], left=3 if several else 1
    )
    if len({one.labels for one in found}) > 1:
        yield "note: these systems tell different classes apart, so their scores are not comparable"


def _cells(one: Outcome, several: bool) -> list[str]:
    mean, deviation = one.over_folds()
    seeds = one.over_seeds()
    return [
        one.row,
        *([one.trained_on or "all", one.tested_on or "all"] if several else []),
        _number(one.mean()) + (f" ± {_number(seeds)}" if seeds is not None else ""),
        f"{_number(one.interval.low)}-{_number(one.interval.high)}",
        f"{_number(mean)} ± {_number(deviation)}" if len({fold.fold for fold in one.folds}) > 1 else "",
        *(_number(value) for value in (one.mean("weighted_f1"), one.mean("uar"), one.mean("accuracy"), one.chance)),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def table(found: Sequence[Outcome]) -> pd.DataFrame:
    """One line an outcome: what `table.csv` holds."""
    return pd.DataFrame(
        [
            {
                "protocol": one.protocol,
                "system": one.row,
                "task": one.task,
                "trained_on": one.trained_on,
                "tested_on": one.tested_on,
                "rows": one.pooled[0].count,
                "classes": len(one.labels),
                "seeds": len(one.pooled),
                "macro_f1": one.mean(),
                "macro_f1_low": one.interval.low,
                "macro_f1_high": one.interval.high,
                "macro_f1_seeds_std": one.over_seeds(),
                "macro_f1_folds_mean": one.over_folds()[0],
                "macro_f1_folds_std": one.over_folds()[1],
                "weighted_f1": one.mean("weighted_f1"),
                "uar": one.mean("uar"),
                "accuracy": one.mean("accuracy"),
                "chance": one.chance,
                "seconds": one.seconds,
                **{f"published: {name}": value for name, value in one.published.items()},
            }
            for one in found
        ]
    )


def by_fold(found: Sequence[Outcome]) -> pd.DataFrame:
    """One line a fold and seed of each outcome: what `folds.csv` holds."""
    return pd.DataFrame(
        [
            {
                "protocol": one.protocol,
                "system": one.row,
                "task": one.task,
                "trained_on": one.trained_on,
                "tested_on": one.tested_on,
                "fold": fold.fold,
                "seed": fold.seed,
                "rows": fold.scores.count,
                "macro_f1": fold.scores.macro_f1,
                "weighted_f1": fold.scores.weighted_f1,
                "uar": fold.scores.uar,
                "accuracy": fold.scores.accuracy,
            }
            for one in found
            for fold in one.folds
        ]
    )


def as_json(found: Sequence[Outcome]) -> list[dict[str, Any]]:
    """All of it, for machines."""
    return [asdict(one) for one in found]
