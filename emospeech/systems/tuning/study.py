"""A study: points of a grid or space, each tried on the inner folds of some rows, round after round.

    <folder>/study.json                 what it is of
    <folder>/round_001.json             what is tried, from the first trial of a round on
    <folder>/trial_001/fold_1.csv       predictions of an inner fold, by what has seen the others: this part is done
    <folder>/trial_001/fold_1.json      the trial's changes, and seconds

A round's points depend on the scores of the rounds before it alone, and all is in files: any number of processes may
work off the parts of a round, in any order, killed and begun again, and the study is the same.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Recipe
from emospeech.data import table
from emospeech.encoders.store.keys import digest
from emospeech.metrics.scores import score
from emospeech.runtime.console import say, say_once
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, WorkError
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.locks import locked
from emospeech.systems.base import MAIN_TASK, System
from emospeech.systems.checks import CHECKS
from emospeech.systems.crossfit import inner_folds, predicted
from emospeech.systems.tuning.drawing import drawn
from emospeech.systems.tuning.points import Point, point, points

Make = Callable[[Recipe, Mapping[str, Sequence[str]]], System]
RECORD, BEGIN = "study.json", ".begin"


@dataclass(frozen=True)
class Trial:
    """A point that has been tried."""

    number: int  # from 1
    point: Point
    macro_f1: float  # of the answers of all inner folds together
    answers: tuple[str, ...]  # in the order of the study's rows
    seconds: float


class Study:
    """See above."""

    def __init__(
        self, recipe: Recipe, train: pd.DataFrame, tasks: Mapping[str, Sequence[str]], make: Make, folder: Path
    ) -> None:
        """
        Args:
            train: the rows that train; those without a main label choose nothing.
            make: builds the system of a recipe.

        Raises:
            UserError: if they are all of one group.
        """
        assert recipe.tune is not None
        self.recipe, self.tune, self.labels = recipe, recipe.tune, tuple(tasks[MAIN_TASK])
        self.make, self.folder = make, folder
        self.rows = train[train[MAIN_TASK].notna()].reset_index(drop=True)
        # further tasks are learned beside the main one, which alone is scored
        told = {task for task in tasks if len(set(self.rows[task].dropna())) > 1}
        self.tasks = {task: names for task, names in tasks.items() if task in told or task == MAIN_TASK}
        self.folds = inner_folds(self.rows, self.tune.folds, self.tune.by, self.tune.seed)
        self.trials: list[Trial] = []

    @property
    def truth(self) -> list[str]:
        truth: list[str] = self.rows[MAIN_TASK].tolist()
        return truth

    @property
    def numbers(self) -> list[int]:
        """Of the inner folds."""
        return sorted(set(self.folds.tolist()))

    @property
    def size(self) -> int:
        """How many trials there are to be; a space may have fewer points."""
        return len(points(self.recipe)) if self.tune.space is None else 1 + self.tune.trials

    @property
    def best(self) -> Trial:
        """The first of equals."""
        return max(self.trials, key=lambda one: one.macro_f1)

    def begin(self) -> None:
        """What another study, of other rows or another recipe, has left in the folder goes."""
        record = {"of": digest([self.recipe.model_dump_json(), self.rows["id"].tolist(), self.truth, *self.numbers])}
        on_main(lambda: self._begin(record))

    def _begin(self, record: Mapping[str, Any]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / RECORD
        with locked(self.folder / BEGIN, wait=True):
            if path.exists() and json.loads(path.read_text(encoding="utf-8")) == record:
                return
            for former in self.folder.glob("trial_*"):
                shutil.rmtree(former)
            for former in self.folder.glob("round_*.json"):
                former.unlink()
            write_json(path, record)

    def rounds(self) -> Iterator[list["Part"]]:
        """The parts of a round at a time; who takes them does those that are not done, and comes back once all are.

        It ends with `trials`, or, where parts have been left undone, without the rest.
        """
        self.trials = []
        while fresh := on_main(self._next):
            numbered = list(enumerate(fresh, len(self.trials) + 1))
            parts = [Part(self, number, one, fold) for number, one in numbered for fold in self.numbers]
            yield parts
            if not on_main(lambda parts=parts: all(part.done for part in parts)):  # type: ignore[misc]
                return
            self.trials += on_main(lambda numbered=numbered: [self._read(*one) for one in numbered])  # type: ignore[misc]

    def _next(self) -> list[Point]:
        """What is tried next: all of a grid at once; of a space first the recipe as it is, among others.

        A round is written down as it is drawn, once the study has begun: another version of Optuna might draw others.
        """
        if self.tune.space is None:
            return [] if self.trials else points(self.recipe)
        path = self.folder / f"round_{len(self.trials) + 1:03d}.json"
        with locked(self.folder / BEGIN, wait=True) if self.begun else nullcontext():
            if path.exists():
                changes = json.loads(path.read_text(encoding="utf-8"))
            else:
                changes = self._drawn()
                if self.begun:
                    write_json(path, changes)
        return [point(self.recipe, one, CHECKS) for one in changes]

    @property
    def begun(self) -> bool:
        return (self.folder / RECORD).exists()

    def _drawn(self) -> list[dict[str, Any]]:
        known = [(dict(trial.point.changes), trial.macro_f1) for trial in self.trials[1:]]
        count = min(self.tune.round, self.tune.trials - len(known))
        first: list[dict[str, Any]] = [] if self.trials else [{}]
        return first + (drawn(self.tune, known, count, self._is_recipe) if count > 0 else [])

    def _is_recipe(self, changes: Mapping[str, Any]) -> bool:
        """Whether values that are right one by one are so together."""
        try:
            point(self.recipe, changes, CHECKS)
        except UserError as error:
            say_once(f"note: some of what is drawn is no recipe, and is left out: {error}")
            return False
        return True

    def predictions(self, trial: Trial) -> pd.DataFrame:
        """Of all rows, in their order, with their `fold`."""
        parts = [Part(self, trial.number, trial.point, fold) for fold in self.numbers]
        found = pd.concat([part.predictions().assign(fold=part.fold) for part in parts]).set_index("id")
        return found.loc[self.rows["id"].tolist()].reset_index()

    def _read(self, number: int, tried: Point) -> Trial:
        parts = [Part(self, number, tried, fold) for fold in self.numbers]
        found = pd.concat([part.predictions() for part in parts]).set_index("id")[MAIN_TASK]
        answers = tuple(found.loc[self.rows["id"].tolist()])
        seconds = sum(float(json.loads(part.record.read_text(encoding="utf-8"))["seconds"]) for part in parts)
        return Trial(number, tried, score(self.truth, answers, self.labels).macro_f1, answers, seconds)


@dataclass(frozen=True)
class Part:
    """What one process does at a time: a trial on one inner fold."""

    study: Study
    number: int  # of the trial
    point: Point
    fold: int

    @property
    def name(self) -> str:
        return f"trial {self.number} ({self.point.name or 'as it is'}), inner fold {self.fold}"

    @property
    def path(self) -> Path:
        return self.study.folder / f"trial_{self.number:03d}" / f"fold_{self.fold}.csv"

    @property
    def record(self) -> Path:
        return self.path.with_suffix(".json")

    @property
    def done(self) -> bool:
        return self.path.exists()

    def run(self) -> None:
        """
        Raises:
            UserError, WorkError: that name the part.
        """
        say(f"-- {self.name}")
        study, began = self.study, time.monotonic()
        working = self.path.with_suffix("")
        try:
            found = predicted(self._made, study.rows, study.folds == self.fold, study.tune.by, working)
        except (UserError, WorkError) as error:
            raise type(error)(f"{self.name}: {error}") from None
        record = {"changes": dict(self.point.changes), "seconds": round(time.monotonic() - began, 2)}
        on_main(lambda: self._write(found, record))
        on_main(lambda: shutil.rmtree(working, ignore_errors=True))

    def _made(self) -> System:
        return self.study.make(self.point.recipe, self.study.tasks)

    def _write(self, found: pd.DataFrame, record: Mapping[str, Any]) -> None:
        """The predictions last: they tell that the part is done."""
        write_json(self.record, record)
        write_text(self.path, table.as_csv(found))

    def predictions(self) -> pd.DataFrame:
        """
        Raises:
            WorkError: if they are not of the fold's rows.
        """
        ids = self.study.rows["id"][self.study.folds == self.fold].tolist()
        try:
            found = pd.read_csv(self.path, dtype={"id": str, MAIN_TASK: str}, keep_default_na=False)
        except ValueError as error:  # pandas' own are of its family
            raise WorkError(f"{self.path} is damaged: {error}; remove it to have it made anew") from None
        if "id" not in found or found["id"].tolist() != ids:
            raise WorkError(f"{self.path} is not of the rows of this fold; remove it to have it made anew")
        return found


def chosen_elsewhere(
    trials: Sequence[Trial], truth: Sequence[str], folds: np.ndarray, labels: Sequence[str]
) -> list[str]:
    """The answers of each fold by the trial that is best on the others: what choosing is worth on rows that had no say.

    Cross-validated choice among given trials (Varma and Simon 2006). What was drawn by scores on all folds is still
    known to all of them: nested folds alone are free of that.
    """
    labelled = np.asarray(truth, dtype=object)
    answers = [np.asarray(trial.answers, dtype=object) for trial in trials]
    found = np.empty(len(labelled), dtype=object)
    for number in set(folds.tolist()):
        others, here = folds != number, folds == number
        scores = [score(labelled[others].tolist(), one[others].tolist(), labels).macro_f1 for one in answers]
        found[here] = answers[int(np.argmax(scores))][here]
    return [str(one) for one in found]
