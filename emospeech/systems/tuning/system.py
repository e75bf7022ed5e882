"""A system some of whose keys are chosen on inner folds of its training rows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.runtime.console import hushed, progress, say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.files import write_json
from emospeech.systems.base import System
from emospeech.systems.tuning.points import heard
from emospeech.systems.tuning.study import Make, Study, Trial


class TunedSystem:
    """Scores points of a grid or space by the pooled macro-F1 of inner folds, and fits the best on all training rows.

    Inner folds are of the training rows alone, so nothing that is tested later has a say.
    """

    def __init__(self, recipe: Recipe, tasks: Mapping[str, Sequence[str]], make: Make) -> None:
        self.recipe, self.tasks, self._make = recipe, tasks, make
        self.chosen: System = make(heard(recipe)[0], tasks)  # before a fit, to ask what it needs
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
            best = self._best(Study(self.recipe, train, self.tasks, self._make, folder / "tuning")).point
            self.changes, self.chosen = best.changes, self._make(best.recipe, self.tasks)
        self.chosen.fit(train, dev, folder)

    def _best(self, study: Study) -> Trial:
        study.begin()
        with progress("tuning", study.size * len(study.numbers)) as bar:
            for parts in study.rounds():
                for part in parts:
                    if not on_main(lambda part=part: part.done):  # type: ignore[misc]
                        with hushed():
                            part.run()
                    bar()
        self.scores = {trial.point.name: trial.macro_f1 for trial in study.trials}
        told(study)
        return study.best

    def extract(
        self,
        augmented: Sequence[pd.DataFrame],
        others: Sequence[pd.DataFrame],
        folder: Path | None = None,
        like: Path | None = None,
    ) -> bool:
        """See `System.extract`: of each point, as they may hear with different encoders."""
        found = [self._make(one, self.tasks).extract(augmented, others, None, like) for one in heard(self.recipe)]
        return any(found)

    def predict(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """See `System.predict`."""
        if not self.scores:
            raise RuntimeError("this system has not been fitted")
        return self.chosen.predict(manifest)

    def forget(self) -> None:
        """See `System.forget`."""
        self.chosen.forget()

    def save(self, folder: Path) -> None:
        """See `System.save`: the chosen point, which loads as a system of its own."""
        self.chosen.save(folder)

    def hardware(self) -> dict[str, Any]:
        """See `System.hardware`."""
        return self.chosen.hardware()


def told(study: Study) -> None:
    """What a study has chosen, in a line and in `tuning.json`."""
    best, tune = study.best, study.tune
    say(f"tuned on {len(study.numbers)} inner folds: {best.point.name or 'nothing'} ({best.macro_f1:.4f})")
    scores = {trial.point.name: trial.macro_f1 for trial in study.trials}
    settings = tune.model_dump(
        exclude={"grid", "space"} if tune.space is not None else {"grid", "space", "trials", "round"}
    )
    record = {"chosen": dict(best.point.changes), "inner_macro_f1": scores, **settings}
    on_main(lambda: write_json(study.folder / "tuning.json", record))
