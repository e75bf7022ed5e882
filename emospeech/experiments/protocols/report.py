"""What a benchmark is read as: a table for the terminal, CSV files, JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from emospeech.config import Benchmark
from emospeech.experiments.protocols import confounds, cross
from emospeech.experiments.protocols.outcomes import Answers, Contrast, Outcome
from emospeech.metrics.statistics import FEWEST, Interval
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
    systems = list(dict.fromkeys(one.row for one in found))
    if any(one.trained_on for one in found):
        yield f"{_what(found)}: {_folds(found)} folds"
        for row in systems:
            yield from cross.lines([one for one in found if one.row == row])
    else:
        yield title(found)
        yield from aligned(columns(found, base), left=2 if several(found) else 1)
    if len({one.labels for one in found}) > 1:
        yield "note: these systems tell different classes apart, so their scores are not comparable"
    sizes = {(one.trained_on, one.tested_on, one.pooled[0].support, one.answers.rows) for one in found}
    if len(sizes) > len({size[:2] for size in sizes}) and len({one.labels for one in found}) == 1:
        yield "note: these systems are tested on different rows, so their scores are not comparable"


def title(found: Sequence[Outcome]) -> str:
    """What stands above the table of one protocol and task."""
    folds = _folds(found)
    return f"{_what(found)}: {found[0].pooled[0].count} rows tested, {folds} fold{'s' if folds > 1 else ''}"


def _what(found: Sequence[Outcome]) -> str:
    first = found[0]
    return first.protocol if first.task == MAIN_TASK else f"{first.protocol}, {first.task}"


def _folds(found: Sequence[Outcome]) -> int:
    return len({one.fold for outcome in found for one in outcome.folds})


def several(found: Sequence[Outcome]) -> bool:
    """Whether corpora are told apart."""
    return len({one.tested_on for one in found}) > 1


def columns(found: Sequence[Outcome], base: str | None) -> list[list[str]]:
    """The table of one protocol and task as cells, headings first; further columns where a base is compared with."""
    headings = list(dict.fromkeys(name for one in found for name in one.published))
    head = ["system", *(["tested on"] if several(found) else []), "macro-F1", "95 % interval", "over folds"]
    head += ["weighted F1", "UAR", "accuracy", "chance"]
    if drawn_by := {one.clustered.by: None for one in found if one.clustered is not None}:
        head.insert(head.index("over folds"), f"by {' / '.join(drawn_by)}")
    if mixed := {one.new.what: None for one in found if one.new is not None and _is_mixed(one)}:
        head += [" / ".join(mixed)]
    if base is not None:
        head += ["to base", "p", "trained", "s a fit"]
    body = [
        [
            *_cells(one, several(found), bool(drawn_by)),
            *([_new(one)] if mixed else []),
            *([] if base is None else _beside_base(one, base)),
            *(_number(one.published.get(name)) for name in headings),
        ]
        for corpus in dict.fromkeys(one.tested_on for one in found)
        for one in found
        if one.tested_on == corpus
    ]
    return [[*head, *headings], *body]


def _cells(one: Outcome, apart: bool, clustered: bool) -> list[str]:
    mean, deviation = one.over_folds()
    seeds = one.over_seeds()
    return [
        one.row,
        *([one.tested_on or "all"] if apart else []),
        _number(one.mean()) + (f" ± {_number(seeds)}" if seeds is not None else ""),
        _ends(one.interval),
        *([_clustered(one)] if clustered else []),
        f"{_number(mean)} ± {_number(deviation)}" if len({fold.fold for fold in one.folds}) > 1 else "",
        *(_number(value) for value in (one.mean("weighted_f1"), one.mean("uar"), one.mean("accuracy"), one.chance)),
    ]


def _clustered(one: Outcome) -> str:
    """The interval over speakers or recordings; of few of them how many there are, as their interval is too narrow."""
    if one.clustered is None:
        return ""
    return _ends(one.clustered.interval) if one.clustered.count >= FEWEST else f"of {one.clustered.count}: too few"


def _ends(interval: Interval) -> str:
    return f"{_number(interval.low)}-{_number(interval.high)}"


def _is_mixed(one: Outcome) -> bool:
    """Whether training has heard the speakers or recordings of some of the rows, and not of the others."""
    return one.new is not None and 0 < one.new.count < one.pooled[0].count


def _new(one: Outcome) -> str:
    """Macro-F1 where nobody has been heard before, and of how many rows."""
    return "" if one.new is None or one.new.macro_f1 is None else f"{_number(one.new.macro_f1)} ({one.new.count})"


def _beside_base(one: Outcome, base: str) -> list[str]:
    """How far above the base, what that is worth, and what it costs."""
    apart = "0" if one.row == base else "" if one.contrast is None else f"{one.contrast.value:+.{DIGITS}f}"
    p = None if one.contrast is None else one.contrast.p_holm
    told = "" if p is None else "<0.001" if p < 0.001 else _number(p)
    trained = "" if one.parameters is None else f"{one.parameters:,}"
    return [apart, told, trained, f"{one.seconds / one.fits:.1f}"]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def table(found: Sequence[Outcome], base: str | None = None) -> pd.DataFrame:
    """One line an outcome: what `table.csv` holds.

    Args:
        base: the system that the others are compared with, in further columns.
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
                **_by_origin(one),
                "macro_f1_seeds_std": one.over_seeds(),
                "macro_f1_folds_mean": one.over_folds()[0],
                "macro_f1_folds_std": one.over_folds()[1],
                "weighted_f1": one.mean("weighted_f1"),
                "uar": one.mean("uar"),
                "accuracy": one.mean("accuracy"),
                "chance": one.chance,
                "ece": one.calibration and one.calibration.plain.ece,
                "ece_tempered": one.calibration and one.calibration.tempered and one.calibration.tempered.ece,
                **_of_new(one),
                **({} if base is None else _contrast(one, base)),
                "parameters": one.parameters,
                "fits": one.fits,
                "seconds": one.seconds,
                **{f"published: {name}": value for name, value in one.published.items()},
            }
            for one in found
        ]
    ).astype({"parameters": "Int64", "new_rows": "Int64", "clusters": "Int64"})


def _by_origin(one: Outcome) -> dict[str, str | float | int | None]:
    """Columns of `table.csv`: the interval over speakers or recordings, where they are told."""
    names = ("clustered_by", "clusters", "macro_f1_clustered_low", "macro_f1_clustered_high")
    if one.clustered is None:
        return dict.fromkeys(names)
    found = one.clustered
    return dict(zip(names, (found.by, found.count, found.interval.low, found.interval.high), strict=True))


def _of_new(one: Outcome) -> dict[str, float | int | None]:
    """Columns of `table.csv`: the rows whose origin is new, where that is told."""
    if one.new is None:
        return {"new_rows": None, "new_macro_f1": None, "new_macro_f1_low": None, "new_macro_f1_high": None}
    ends = (None, None) if one.new.interval is None else (one.new.interval.low, one.new.interval.high)
    values = (one.new.count, one.new.macro_f1, *ends)
    return dict(zip(("new_rows", "new_macro_f1", "new_macro_f1_low", "new_macro_f1_high"), values, strict=True))


def _contrast(one: Outcome, base: str) -> dict[str, float | None]:
    """Columns of `table.csv`; of the base itself the difference is 0."""
    apart = one.contrast or (Contrast(0.0) if one.row == base else None)
    values: dict[str, Any] = dict.fromkeys(vars(Contrast(0.0))) if apart is None else vars(apart)
    return {f"macro_f1_to_base{'' if name == 'value' else f'_{name}'}": value for name, value in values.items()}


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
    """All of it, for machines; answers stand in the files of predictions."""
    plain = [asdict(replace(one, answers=Answers())) for one in found]
    return [{name: value for name, value in one.items() if name != "answers"} for one in plain]
