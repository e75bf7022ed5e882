"""What a benchmark is read as: a table for the terminal, CSV files, JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from emospeech.config import Benchmark
from emospeech.experiments.protocols import confounds, cross
from emospeech.experiments.protocols.outcomes import Outcome
from emospeech.runtime.columns import aligned
from emospeech.systems.base import MAIN_TASK

DIGITS = 3


def lines(found: Sequence[Outcome], notes: Mapping[str, Sequence[str]], asked: Benchmark) -> Iterator[str]:
    """A table for each protocol and task, systems down; what is odd about its folds below.

    Args:
        notes: protocol -> sentences.
    """
    for protocol in dict.fromkeys(one.protocol for one in found):
        of_protocol = [one for one in found if one.protocol == protocol]
        for task in dict.fromkeys(one.task for one in of_protocol):
            yield from _table([one for one in of_protocol if one.task == task], asked.base)
            yield ""
        yield from (f"note: {note}" for note in notes.get(protocol, ()))
        if notes.get(protocol):
            yield ""
    if answers := list(confounds.lines(found, asked.protocols)):
        yield from [*answers, ""]


def _table(found: Sequence[Outcome], base: str | None) -> Iterator[str]:
    """Of one protocol and task: all systems over all corpora, then on each; or of pairs of corpora."""
    first, folds = found[0], len({one.fold for outcome in found for one in outcome.folds})
    what = "" if first.task == MAIN_TASK else f", {first.task}"
    systems = list(dict.fromkeys(one.row for one in found))
    if any(one.trained_on for one in found):
        yield f"{first.protocol}{what}: {folds} folds"
        for row in systems:
            yield from cross.lines([one for one in found if one.row == row])
    else:
        yield f"{first.protocol}{what}: {first.pooled[0].count} rows tested, {folds} fold{'s' if folds > 1 else ''}"
        yield from _columns(found, base)
    if len({one.labels for one in found}) > 1:
        yield "note: these systems tell different classes apart, so their scores are not comparable"
    sizes = {(one.trained_on, one.tested_on, one.pooled[0].support) for one in found}
    if len(sizes) > len({size[:2] for size in sizes}) and len({one.labels for one in found}) == 1:
        yield "note: these systems are tested on different rows, so their scores are not comparable"


def _columns(found: Sequence[Outcome], base: str | None) -> list[str]:
    apart, based = to_base(found, base), base is not None
    headings = list(dict.fromkeys(name for one in found for name in one.published))
    corpora = list(dict.fromkeys(one.tested_on for one in found))
    several = len(corpora) > 1
    head = ["system", *(["tested on"] if several else []), "macro-F1", "95 % interval", "over folds"]
    head += ["weighted F1", "UAR", "accuracy", "chance", *(["to base"] if based else []), *headings]
    body = [
        [*_cells(one, several), *_signed(own, based), *(_number(one.published.get(name)) for name in headings)]
        for corpus in corpora
        for one, own in zip(found, apart, strict=True)
        if one.tested_on == corpus
    ]
    return aligned([head, *body], left=2 if several else 1)


def _cells(one: Outcome, several: bool) -> list[str]:
    mean, deviation = one.over_folds()
    seeds = one.over_seeds()
    return [
        one.row,
        *([one.tested_on or "all"] if several else []),
        _number(one.mean()) + (f" ± {_number(seeds)}" if seeds is not None else ""),
        f"{_number(one.interval.low)}-{_number(one.interval.high)}",
        f"{_number(mean)} ± {_number(deviation)}" if len({fold.fold for fold in one.folds}) > 1 else "",
        *(_number(value) for value in (one.mean("weighted_f1"), one.mean("uar"), one.mean("accuracy"), one.chance)),
    ]


def to_base(found: Sequence[Outcome], base: str | None) -> list[float | None]:
    """Of each outcome, how far its macro-F1 (the mean over seeds) lies above that of the base, in the same test.

    None where the base has no such test, as it is not done yet; and of all where there is no base.
    """
    at = {(one.protocol, one.task, one.trained_on, one.tested_on): one.mean() for one in found if one.row == base}
    tests = [(one.protocol, one.task, one.trained_on, one.tested_on) for one in found]
    return [one.mean() - at[test] if test in at else None for one, test in zip(found, tests, strict=True)]


def _signed(difference: float | None, asked: bool) -> list[str]:
    """A cell, where there is such a column; of the base itself it is 0."""
    if not asked:
        return []
    return ["" if difference is None else f"{difference:+.{DIGITS}f}" if difference else "0"]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def table(found: Sequence[Outcome], base: str | None = None) -> pd.DataFrame:
    """One line an outcome: what `table.csv` holds.

    Args:
        base: the system whose macro-F1 is subtracted from each one's, in a further column.
    """
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
                **({} if base is None else {"macro_f1_to_base": apart}),
                "seconds": one.seconds,
                **{f"published: {name}": value for name, value in one.published.items()},
            }
            for one, apart in zip(found, to_base(found, base), strict=True)
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
