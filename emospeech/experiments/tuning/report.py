"""What a search has found: its trials, the best of them, and what choosing is worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Comparison, Range, as_yaml
from emospeech.config.tuning import AS_IT_IS
from emospeech.data import table
from emospeech.metrics.differences import Difference, difference
from emospeech.metrics.scores import score
from emospeech.metrics.statistics import Interval, interval
from emospeech.runtime.columns import aligned
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems.tuning import Study, Trial
from emospeech.systems.tuning.drawing import importances
from emospeech.systems.tuning.study import chosen_elsewhere

TRIALS, BEST, RECORD = "trials.csv", "best.yaml", "search.json"
ANSWERS = "{}_predictions.csv"  # out of fold: of the best trial, and of the recipe as it is
SHOWN = 5  # trials


def written(study: Study, asked: Comparison, folder: RunFolder, json: Path | None) -> list[str]:
    """Keep it in the folder; the lines to print."""
    intervals = {trial.number: interval(study.truth, [trial.answers], study.labels) for trial in study.trials}
    decides = importances(study.tune, _known(study))
    worth = _worth(study)
    write_text(folder.path / TRIALS, table.as_csv(_table(study, intervals)))
    best = study.best.point.recipe.model_copy(update={"name": f"{asked.name}-best"})
    write_text(folder.path / BEST, as_yaml(best))
    for path in (folder.path / RECORD, json):
        if path is not None:
            write_json(path, _record(study, intervals, decides, worth))
    for name, trial in (("best", study.best), ("as_it_is", _as_it_is(study))):
        if trial is not None:
            write_text(folder.path / ANSWERS.format(name), table.as_csv(study.predictions(trial)))
    _draw(study, folder)
    every = "" if len(study.trials) == study.size else ", all that the space has,"
    return [
        f"{len(study.trials)} trials{every} on {len(study.numbers)} inner folds of {len(study.truth)} training rows",
        *_ranking(study, intervals),
        *([f"decides: {', '.join(f'{_short(key)} {value:.2f}' for key, value in decides.items())}"] if decides else []),
        *worth.lines(),
        f"best: {folder.path / BEST}; train it: emospeech train {folder.path / BEST}",
    ]


def _known(study: Study) -> list[tuple[Any, float]]:
    """Drawn points and their scores."""
    return [(trial.point.changes, trial.macro_f1) for trial in study.trials if trial.point.changes]


def _as_it_is(study: Study) -> Trial | None:
    return next((trial for trial in study.trials if not trial.point.changes), None)


def _short(key: str) -> str:
    return key.removeprefix("classical.")


# -- what choosing is worth --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Worth:
    """The best trial's score is too good, as it was chosen by that score; what is chosen on other folds is not."""

    macro_f1: float
    interval: Interval
    gained: Difference | None  # over the recipe as it is; None where that was not tried

    def lines(self) -> list[str]:
        told = f"each fold by the trial that is best on the others: {self.macro_f1:.4f} ({_span(self.interval)})"
        if self.gained is None:
            return [told]
        gain = self.gained
        return [f"{told}, {gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f}) to {AS_IT_IS}, p {gain.p:.3f}"]

    def as_json(self) -> dict[str, Any]:
        gain = self.gained
        return {
            "macro_f1": self.macro_f1,
            "low": self.interval.low,
            "high": self.interval.high,
            "gain": gain and {"value": gain.value, "low": gain.low, "high": gain.high, "p": gain.p},
        }


def _worth(study: Study) -> Worth:
    answers = chosen_elsewhere(study.trials, study.truth, study.folds, study.labels)
    base = _as_it_is(study)
    gained = None if base is None else difference(study.truth, [base.answers], [answers], study.labels)
    value = score(study.truth, answers, study.labels).macro_f1
    return Worth(value, interval(study.truth, [answers], study.labels), gained)


def _span(one: Interval) -> str:
    return f"{one.low:.4f}-{one.high:.4f}"


# -- tables ------------------------------------------------------------------------------------------------------------


def _ranking(study: Study, intervals: dict[int, Interval]) -> list[str]:
    """The first few, and the recipe as it is."""
    ranked = sorted(study.trials, key=lambda one: -one.macro_f1)
    base = _as_it_is(study)
    shown = ranked[:SHOWN] + [one for one in ranked[SHOWN:] if one is base]
    rows = [["trial", "macro-F1", "95 % interval", "s", "changes"]]
    for one in shown:
        name = one.point.name or AS_IT_IS
        rows.append([str(one.number), f"{one.macro_f1:.4f}", _span(intervals[one.number]), f"{one.seconds:.1f}", name])
    head = aligned([row[:4] for row in rows])
    return [f"{line}  {row[4]}" for line, row in zip(head, rows, strict=True)]


def _table(study: Study, intervals: dict[int, Interval]) -> pd.DataFrame:
    best = study.best.number
    return pd.DataFrame(
        [
            {
                "trial": one.number,
                "best": one.number == best,
                "macro_f1": one.macro_f1,
                "macro_f1_low": intervals[one.number].low,
                "macro_f1_high": intervals[one.number].high,
                "seconds": round(one.seconds, 1),
                **{key: _cell(one.point.changes, key) for key in study.tune.keys},
            }
            for one in study.trials
        ]
    )


def _cell(changes: Any, key: str) -> str:
    """A value as a recipe would have it; none where the trial does not change it."""
    if key not in changes:
        return ""
    value = changes[key]
    return "null" if value is None else str(value)


def _record(study: Study, intervals: dict[int, Interval], decides: dict[str, float], worth: Worth) -> dict[str, Any]:
    def of(one: Trial) -> dict[str, Any]:
        bounds = intervals[one.number]
        scores = {"macro_f1": one.macro_f1, "low": bounds.low, "high": bounds.high, "seconds": one.seconds}
        return {"trial": one.number, "changes": dict(one.point.changes), **scores}

    return {
        "rows": len(study.truth),
        "folds": len(study.numbers),
        "best": of(study.best),
        "chosen_on_other_folds": worth.as_json(),
        "decides": decides,
        "trials": [of(one) for one in study.trials],
    }


def _draw(study: Study, folder: RunFolder) -> None:
    from emospeech import figures
    from emospeech.figures import tuning

    base = _as_it_is(study)
    known = _known(study)
    space = study.tune.space or {}
    keys: Sequence[str] = study.tune.keys
    slices = [
        tuning.Slice(
            _short(key),
            [values.get(key) for values, _ in known],
            numbers=isinstance(space.get(key), Range),
            log=bool(getattr(space.get(key), "log", False)),
        )
        for key in keys
    ]
    scores = [value for _, value in known]
    figure = tuning.search(scores, None if base is None else base.macro_f1, slices)
    figures.save(figure, folder.figures / "tuning.png")
