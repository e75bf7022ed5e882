"""A system some of whose keys are chosen on inner folds of its training rows."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Checks, Recipe, varied
from emospeech.metrics.scores import score
from emospeech.runtime.console import hushed, progress, say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, gather
from emospeech.runtime.files import write_json
from emospeech.systems.base import MAIN_TASK, System
from emospeech.systems.crossfit import inner_folds, out_of_fold

FIXED = ("data", "name", "runs_dir", "tune", "cache")  # the same for every point
Make = Callable[[Recipe, Mapping[str, Sequence[str]]], System]


@dataclass(frozen=True)
class Point:
    """One combination of a grid."""

    changes: Mapping[str, Any]  # dotted key -> value
    recipe: Recipe  # with them, and nothing left to tune

    @property
    def name(self) -> str:
        return ", ".join(f"{key.removeprefix('classical.')}={value}" for key, value in self.changes.items())


def points(recipe: Recipe, checks: Checks | None = None) -> list[Point]:
    """All combinations of the recipe's grid, in its order, the last key fastest.

    Raises:
        UserError: with the faults of all of them.
    """
    if recipe.tune is None:
        return [Point({}, recipe)]
    plain = {**recipe.model_dump(), "tune": None}
    grids = recipe.tune.grid if isinstance(recipe.tune.grid, list) else [recipe.tune.grid]
    grid = [dict(zip(one, values, strict=True)) for one in grids for values in itertools.product(*one.values())]

    def point(changes: Mapping[str, Any]) -> Point:
        return Point(changes, varied(plain, changes, f"tune.grid: {dict(changes)}", checks))

    return gather("tune.grid: not all of its combinations are recipes", [lambda c=c: point(c) for c in grid])  # type: ignore[misc]


def _keys(recipe: Recipe) -> list[str]:
    """Of the grid, in the order in which they are written."""
    grid = recipe.tune.grid if recipe.tune is not None else {}
    return list(dict.fromkeys(key for one in (grid if isinstance(grid, list) else [grid]) for key in one))


class TunedSystem:
    """Scores each point of a grid by the pooled macro-F1 of inner folds, and fits the best one on all training rows.

    Inner folds are of the training rows alone, so nothing that is tested later has a say.
    """

    def __init__(self, recipe: Recipe, tasks: Mapping[str, Sequence[str]], make: Make) -> None:
        self.recipe, self.tasks, self._make = recipe, tasks, make
        self.points = points(recipe)
        self.chosen: System = make(self.points[0].recipe, tasks)  # before a fit, to ask what it needs
        self.changes: Mapping[str, Any] = {}  # those of the chosen point, after a fit
        self.scores: dict[str, float] = {}  # point -> inner macro-F1

    @property
    def needs_audio(self) -> bool:
        return self.chosen.needs_audio

    @property
    def needs_text(self) -> bool:
        return self.chosen.needs_text

    @property
    def needs_dev(self) -> bool:
        return self.chosen.needs_dev

    @property
    def may_lack(self) -> bool:
        return self.chosen.may_lack

    @property
    def parameters(self) -> int | None:
        return self.chosen.parameters

    def fit(self, train: pd.DataFrame, dev: pd.DataFrame | None, folder: Path) -> None:
        """See `System.fit`. Without dev, a second time, the point that the first fit chose stays."""
        if dev is not None or not self.scores:
            self.scores = {}
            best = self._best(train, folder / "tuning")
            self.changes, self.chosen = best.changes, self._make(best.recipe, self.tasks)
        self.chosen.fit(train, dev, folder)

    def _best(self, train: pd.DataFrame, folder: Path) -> Point:
        tune = self.recipe.tune
        assert tune is not None
        rows = train[train[MAIN_TASK].notna()].reset_index(drop=True)
        parts = inner_folds(rows, tune.folds, tune.by, tune.seed)
        labels = self.tasks[MAIN_TASK]
        with progress("tuning", len(self.points)) as bar:
            for number, point in enumerate(self.points):

                def make(recipe: Recipe = point.recipe) -> System:
                    return self._make(recipe, {MAIN_TASK: labels})

                with hushed():
                    found = out_of_fold(make, rows, parts, tune.by, folder / f"point_{number + 1}")
                self.scores[point.name] = score(rows[MAIN_TASK].tolist(), found["label"].tolist(), labels).macro_f1
                bar()
        best = max(self.points, key=lambda point: self.scores[point.name])  # the first of equals
        say(f"tuned on {parts.max()} inner folds: {best.name or 'nothing'} ({self.scores[best.name]:.4f})")
        record = {"chosen": dict(best.changes), "inner_macro_f1": self.scores, **tune.model_dump(exclude={"grid"})}
        on_main(lambda: write_json(folder / "tuning.json", record))
        return best

    def extract(
        self,
        augmented: Sequence[pd.DataFrame],
        others: Sequence[pd.DataFrame],
        folder: Path | None = None,
        like: Path | None = None,
    ) -> bool:
        """See `System.extract`: of each point, as they may hear with different encoders."""
        found = {}
        for point in self.points:
            heard = point.recipe.model_dump_json(include={"speech", "text", "classical", "cache"})
            if heard not in found:
                found[heard] = self._make(point.recipe, self.tasks).extract(augmented, others, None, like)
        return any(found.values())

    def predict(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """See `System.predict`."""
        if not self.scores:
            raise RuntimeError("this system has not been fitted")
        return self.chosen.predict(manifest)

    def save(self, folder: Path) -> None:
        """See `System.save`: the chosen point, which loads as a system of its own."""
        self.chosen.save(folder)

    def hardware(self) -> dict[str, Any]:
        """See `System.hardware`."""
        return self.chosen.hardware()


def check(recipe: Recipe, checks: Checks) -> None:
    """
    Raises:
        UserError: if the grid is empty, changes what a fold cannot (the rows), or holds what is no recipe.
    """
    keys = _keys(recipe)
    if wrong := [key for key in keys if key.split(".")[0] in FIXED]:
        raise UserError(f"tune.grid: {', '.join(wrong)} cannot be tuned; inner folds are of the same rows")
    if recipe.tune is not None and not (keys and points(recipe, checks)):
        raise UserError("tune.grid: it is empty; give keys and their values, as {classical.model.c: [1, 10]}")
