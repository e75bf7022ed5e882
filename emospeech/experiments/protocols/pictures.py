"""The figures of a benchmark: its outcomes as arrays, drawn and kept."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.config import Protocol
from emospeech.experiments.protocols import cross
from emospeech.experiments.protocols.outcomes import Outcome
from emospeech.experiments.scoring import calibrated
from emospeech.metrics.scores import Scores
from emospeech.systems.base import MAIN_TASK

# figures/<protocol>_<task>_<what>.png


def draw(found: Sequence[Outcome], protocols: Mapping[str, Protocol], folder: Path) -> None:
    """Of each protocol and task: systems, the confusion and reliability of each, speakers, pairs of corpora."""
    from emospeech import figures

    for protocol, task in dict.fromkeys((one.protocol, one.task) for one in found):
        part = [one for one in found if (one.protocol, one.task) == (protocol, task)]
        for what, make in _figures(part, protocols[protocol].kind == "loso").items():
            figures.save(make(), folder / f"{protocol}_{task}_{what}.png")


def _figures(found: Sequence[Outcome], by_speaker: bool) -> dict[str, Callable[[], Any]]:
    """What there is to draw of one protocol and task, by the end of its file's name."""
    over_all = [one for one in found if one.overall]
    pairs = [one for one in found if one.trained_on]
    drawn: dict[str, Callable[[], Any]] = {}
    if over_all:
        drawn["systems"] = lambda: _systems(over_all)
        if by_speaker:
            drawn["speakers"] = lambda: _speakers(over_all)
        drawn |= {f"confusion_{one.row}": (lambda one=one: _confusion(one)) for one in over_all}  # type: ignore[misc]
        sure = [one for one in over_all if one.calibration is not None]
        drawn |= {f"reliability_{one.row}": (lambda one=one: _reliability(one)) for one in sure}  # type: ignore[misc]
    for row in dict.fromkeys(one.row for one in pairs):
        own = [one for one in pairs if one.row == row]
        drawn[f"corpora_{row}"] = lambda own=own: _corpora(own)  # type: ignore[misc]
    return drawn


def _systems(found: Sequence[Outcome]) -> Any:
    from emospeech.figures import benchmarks

    bars = [
        benchmarks.Bar(one.row, one.mean(), one.interval.low, one.interval.high, list(one.by_fold().values()), reported)
        for one in found
        for reported in [{name: value for name, value in one.published.items() if _is_macro_f1(name)}]
    ]
    first = found[0]
    return benchmarks.systems(bars, first.chance, f"{_title(first)}: pooled macro-F1, {first.pooled[0].count} rows")


def _is_macro_f1(heading: str) -> bool:
    """A published value is one, unless its heading names another score."""
    return not any(other in heading.lower() for other in ("accuracy", "uar", "recall", "weighted", "precision"))


def _speakers(found: Sequence[Outcome]) -> Any:
    from emospeech.figures import benchmarks

    by_row = {one.row: one.by_fold() for one in found}
    folds = list(dict.fromkeys(fold for own in by_row.values() for fold in own))
    values = np.array([[own.get(fold, np.nan) for fold in folds] for own in by_row.values()])
    return benchmarks.by_fold(list(by_row), folds, values, f"{_title(found[0])}: macro-F1 on each speaker")


def _confusion(one: Outcome) -> Any:
    from emospeech import figures

    seeds = f", {len(one.pooled)} seeds" if len(one.pooled) > 1 else ""
    title = f"{one.row}: macro-F1 {one.mean():.3f}, {one.pooled[0].count} clips{seeds}"
    return figures.confusion(_summed(one.pooled), title)


def _reliability(one: Outcome) -> Any:
    assert one.calibration is not None
    seeds = f", {len(one.pooled)} seeds" if len(one.pooled) > 1 else ""
    return calibrated.drawn(one.calibration, f"{one.row}, {_title(one)}: {one.pooled[0].count} clips{seeds}")


def _summed(scores: Sequence[Scores]) -> Scores:
    """With the confusions of all seeds in one."""
    counts = np.sum([one.confusion for one in scores], axis=0)
    return replace(scores[0], confusion=tuple(tuple(row) for row in counts.tolist()))


def _corpora(found: Sequence[Outcome]) -> Any:
    from emospeech.figures import benchmarks

    trained, tested = cross.corpora_of(found)
    values = np.full((len(trained), len(tested)), np.nan)
    chance = [0.0] * len(tested)
    for one in found:
        values[trained.index(one.trained_on), tested.index(one.tested_on)] = one.mean()
        chance[tested.index(one.tested_on)] = one.chance
    return benchmarks.across(trained, tested, values, chance, f"{found[0].row}, {_title(found[0])}: macro-F1")


def _title(one: Outcome) -> str:
    return one.protocol if one.task == MAIN_TASK else f"{one.protocol}, {one.task}"
