"""One fold of one system: fitted from scratch, predicted, and written down whole or not at all."""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.data import table
from emospeech.experiments.protocols.folds import Fold
from emospeech.experiments.protocols.material import Material
from emospeech.experiments.protocols.teaching import tasks_of
from emospeech.runtime.console import say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, WorkError, some
from emospeech.runtime.files import write_json, write_text
from emospeech.systems import build
from emospeech.systems.base import System
from emospeech.systems.crossfit import with_dev
from emospeech.systems.tuning import TunedSystem

PREDICTIONS, RECORD = "predictions.csv", "fold.json"
WORKING = ("checkpoints", "tuning", "tensorboard", "wandb", "metrics.jsonl")  # of no use once a fold is done


@dataclass(frozen=True)
class Unit:
    """What one process does at a time; done once its predictions are there."""

    protocol: str
    row: str
    seed: int
    fold: Fold
    recipe: Recipe  # of the row, with this seed
    material: Material
    folder: Path
    by: str = "auto"  # what a dev set is kept apart by
    keep_model: bool = False

    @property
    def name(self) -> str:
        return f"{self.protocol}, {self.row}, {self.fold.name}, seed {self.seed}"

    @property
    def tasks(self) -> dict[str, Sequence[str]]:
        """What its system is to tell: what the fold teaches."""
        return tasks_of(self.fold, self.material.manifest, self.material.tasks)

    @property
    def done(self) -> bool:
        return (self.folder / PREDICTIONS).exists()

    def run(self) -> None:
        """
        Raises:
            UserError, WorkError: that name the unit.
        """
        say(f"-- {self.name}")
        began = time.monotonic()
        manifest = self.material.manifest
        train, test = (manifest[mask].reset_index(drop=True) for mask in (self.fold.train, self.fold.test))
        try:
            system = build.build(self.recipe, self.tasks)
            dev = None if self.fold.dev is None else manifest[self.fold.dev].reset_index(drop=True)
            rest, dev = self._steered(system, train, dev)
            system.fit(rest, dev, self.folder)
            predictions = system.predict(test)
        except (UserError, WorkError) as error:
            raise type(error)(f"{self.name}: {error}") from None
        if self.keep_model:
            on_main(lambda: system.save(self.folder / "model"))
        on_main(lambda: self._write(system, predictions, (rest, dev, test), time.monotonic() - began))

    def _steered(
        self, system: System, train: pd.DataFrame, dev: pd.DataFrame | None
    ) -> tuple[pd.DataFrame, pd.DataFrame | None]:
        """Training rows and dev rows: those of the protocol, or out of the training rows; none where none is needed."""
        if not system.needs_dev:
            spare = self.material.manifest[self.fold.spare]
            return (pd.concat([train, spare], ignore_index=True) if len(spare) else train), None
        if dev is not None:
            return train, dev
        rule = self.recipe.data.split
        return with_dev(train, rule.dev_fraction, self.by, rule.seed)

    def _write(self, system: System, predictions: pd.DataFrame, parts: Sequence[Any], seconds: float) -> None:
        """The predictions last: they tell that the unit is done."""
        rest, dev, test = parts
        record = {
            "train": len(rest),
            "dev": 0 if dev is None else len(dev),
            "test": len(test),
            "seconds": round(seconds, 1),
            "parameters": system.parameters,
            "chosen": dict(system.changes) if isinstance(system, TunedSystem) else {},
            "inner_macro_f1": system.scores if isinstance(system, TunedSystem) else {},
        }
        write_json(self.folder / RECORD, record)
        write_text(self.folder / PREDICTIONS, table.as_csv(predictions.assign(fold=self.fold.name)))
        for name in WORKING:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def predictions(self) -> pd.DataFrame:
        """What the unit wrote: `id`, `label`, `p_<class>` …, `<task>`, `p_<task>_<class>` … of further tasks, `fold`.

        Raises:
            WorkError: if it is not what the unit writes.
        """
        path, tasks = self.folder / PREDICTIONS, self.tasks
        words = {"id": str, "fold": str, **dict.fromkeys(tasks, str)}
        try:
            frame = pd.read_csv(path, dtype=words, keep_default_na=False, encoding_errors="surrogateescape")
        except ValueError as error:  # pandas' own are of its family
            raise damaged(path, str(error)) from None
        if lacking := [name for name in words if name not in frame]:
            raise damaged(path, f"it has no column {', '.join(lacking)}")
        ids = self.material.manifest["id"][self.fold.test].tolist()
        if frame["id"].tolist() != ids:
            raise damaged(path, f"it does not hold the {len(ids)} rows of this fold")
        for task, labels in tasks.items():
            if strange := sorted(set(frame[task]) - set(labels)):
                raise damaged(path, f"{task}: unknown {some(strange)}")
        return frame

    def record(self) -> dict[str, Any]:
        """What is kept beside them: sizes, seconds, what was tuned.

        Raises:
            WorkError: if it is not there.
        """
        return record_in(self.folder)


def record_in(folder: Path) -> dict[str, Any]:
    """What a unit kept beside its predictions.

    Raises:
        WorkError: if it is not there.
    """
    path = folder / RECORD
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise damaged(path, str(error)) from None
    return found


def damaged(path: Path, why: str) -> WorkError:
    """Of a file in a unit's folder."""
    return WorkError(f"{path} is damaged: {why}; remove the folder {path.parent} and go on with --resume")
