"""Predictions of the same clips side by side: scores with intervals, and each against the first by paired tests."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.metrics.differences import Difference, McNemar, difference, holm, mcnemar
from emospeech.metrics.scores import METRICS, score
from emospeech.metrics.statistics import FEWEST, Interval, interval
from emospeech.outputs import submission
from emospeech.runtime.columns import aligned
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError

FEW = 30  # clips, of which fewer say little
NAMES: Mapping[str, str] = {
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "uar": "UAR",
    "accuracy": "accuracy",
}


@dataclass(frozen=True)
class Against:
    """A file against the first one."""

    difference: Difference
    p_holm: float  # of `difference.p`, corrected over all files
    mcnemar: McNemar | None  # of single clips, by themselves; None where clips are drawn together


@dataclass(frozen=True)
class Compared:
    """One file."""

    name: str
    value: float
    interval: Interval
    against: Against | None  # None: it is the first


@dataclass(frozen=True)
class Comparison:
    """All of them, on the clips of one gold table."""

    metric: str
    clips: int
    by: str | None  # the column whose clips are drawn together
    clusters: int | None
    files: tuple[Compared, ...]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(gold: Path, files: Sequence[Path], metric: str = "macro_f1", by: str | None = None) -> Comparison:
    """
    Args:
        gold: a CSV with id and label.
        files: submissions or predictions, the one to compare with first; their ids in any order.
        metric: a key of `METRICS`.
        by: a column of the gold table, as speaker or group.

    Raises:
        UserError: if a file does not fit the gold table, or there is nothing to compare.
    """
    if metric not in METRICS:
        raise UserError(f"unknown --metric {metric!r}; known: {', '.join(METRICS)}")
    if len(files) < 2:
        raise UserError("name two files of predictions or more, the one to compare with first")
    submission.require_different([*files, gold])
    known = submission.read_gold(gold)
    sides = [
        submission.aligned(submission.read(path, what="a file of predictions"), known, str(path)) for path in files
    ]
    truth, chosen = sides[0][0], [side[1] for side in sides]
    if len(set(truth)) == 1:
        raise UserError(f"{gold}: all {len(truth)} clips are {truth[0]}; a comparison needs two classes")
    note_if_few(truth)
    clusters = None if by is None else _clusters(known, by, gold)
    labels = submission.label_order(truth, [label for one in chosen for label in one])
    tests = [difference(truth, chosen[:1], [one], labels, metric, clusters) for one in chosen[1:]]
    corrected = holm([test.p for test in tests])
    beside: list[Against | None] = [None]
    beside += [
        Against(test, p, mcnemar(truth, chosen[0], one, labels) if clusters is None else None)
        for test, p, one in zip(tests, corrected, chosen[1:], strict=True)
    ]
    return Comparison(
        metric,
        len(truth),
        by,
        None if clusters is None else len(set(clusters)),
        tuple(
            Compared(
                str(path),
                float(getattr(score(truth, one, labels), metric)),
                interval(truth, [one], labels, metric, clusters),
                against,
            )
            for path, one, against in zip(files, chosen, beside, strict=True)
        ),
    )


def note_if_few(truth: Sequence[str]) -> None:
    if len(truth) < FEW:
        say(f"note: intervals and tests of {len(truth)} clip{'s' if len(truth) > 1 else ''} say little")


def _clusters(known: pd.DataFrame, by: str, gold: Path) -> Sequence[str]:
    values = submission.together(known, by, gold)
    if len(set(values)) == 1:
        raise UserError(f"{gold}: all clips have the same {by}, {values[0]}; leave --by out")
    return values


def lines(found: Comparison) -> Iterator[str]:
    """To print."""
    drawn = "" if found.by is None else f", drawn by {found.by} ({found.clusters})"
    few = found.clusters is not None and found.clusters < FEWEST
    ends = "too few for 95 % intervals: these are too narrow" if few else "95 % intervals of the bootstrap"
    yield f"{found.clips} clips{drawn}; {ends}, p of approximate randomisation"
    head = ["predictions", NAMES[found.metric], "interval", "to the first", "interval", "p", "p (Holm)", "McNemar p"]
    yield from aligned([head, *map(_cells, found.files)], left=1)


def _cells(one: Compared) -> list[str]:
    cells = [one.name, f"{one.value:.4f}", f"{one.interval.low:.4f}-{one.interval.high:.4f}"]
    if one.against is None:
        return [*cells, *[""] * 5]
    apart, beside = one.against.difference, one.against.mcnemar
    tests = [f"{p:.4f}" for p in (apart.p, one.against.p_holm, *([beside.p] if beside else []))]
    return [*cells, f"{apart.value:+.4f}", f"{apart.low:+.4f} to {apart.high:+.4f}", *tests, *([] if beside else [""])]
