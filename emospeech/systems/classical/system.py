"""The classical system: features of each clip, standardised; for each task a model or a vote of several."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Classical, Recipe
from emospeech.data import splits
from emospeech.metrics.decisions import best
from emospeech.metrics.scores import encode
from emospeech.runtime.console import say, say_once
from emospeech.runtime.errors import UserError
from emospeech.systems.base import MAIN_TASK, as_predictions
from emospeech.systems.classical import features, member, saved
from emospeech.systems.classical.adapting import by_speaker
from emospeech.systems.classical.features import Part, Prepared, is_fitted
from emospeech.systems.classical.member import Copy, Vote
from emospeech.systems.classical.scaling import speakers_of, told
from emospeech.systems.crossfit import inner_folds
from emospeech.systems.fitting.idle import unheard, unused_training


class ClassicalSystem:
    """See `System`. It learns from the training rows alone; what a dev set would choose, inner folds choose.

    Under `classical.normalise: speaker` both fitting and predicting standardise each speaker's clips by all of the
    speaker's clips in the same call: unlabelled test clips are used, and predictions depend on what comes together.
    """

    needs_dev = False
    may_lack = False
    parameters = None

    def __init__(
        self,
        recipe: Recipe,
        tasks: Mapping[str, Sequence[str]],
        revisions: Mapping[str, str | None] | None = None,
    ) -> None:
        """
        Raises:
            UserError: naming an encoder that cannot be loaded.
        """
        self.recipe, self.tasks = recipe, tasks
        self.parts: list[Part] = features.build(recipe, revisions or {})
        self.copies = features.copies(recipe, revisions or {})
        self.prepared: Prepared | None = None
        self.votes: Mapping[str, Vote] = {}  # by task

    @property
    def section(self) -> Classical:
        return features.section_of(self.recipe)

    @property
    def needs_audio(self) -> bool:
        return self.section.hears

    @property
    def needs_text(self) -> bool:
        return self.section.reads

    def hardware(self) -> dict[str, Any]:
        """See `System.hardware`."""
        return {
            "device": "cpu",
            "processes": 1,
            "threads": int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1),
        }

    # ---------------------------------------------------------------- fitting

    def fit(self, train: pd.DataFrame, dev: pd.DataFrame | None, folder: Path) -> None:
        """See `System.fit`; `dev` and `folder` are not used: interrupted, it begins again.

        Raises:
            UserError: if the rows of a task are of one class, or of no speaker where speakers are normalised.
            WorkError: if a feature is no number.
        """
        self._tell()
        for note in (*unused_training(self.recipe), *unheard(self.recipe)):
            say_once(f"note: {note}")
        offsets = {} if self.section.offsets is None else {task: self._offsets(task, train) for task in self.tasks}
        self.prepared, blocks = features.prepared(self.parts, self.copies, train, self.section)
        say(self._described(train, blocks[member.ORIGINAL]))
        votes = {task: self._fitted(task, train, blocks) for task in self.tasks}
        self.votes = {task: replace(vote, offsets=offsets.get(task)) for task, vote in votes.items()}

    def _offsets(self, task: str, train: pd.DataFrame) -> np.ndarray:
        """What inner folds of the training rows say, all fitted afresh in each; to be asked before the fit itself."""
        rows = train[train[task].notna()].reset_index(drop=True)
        folds = inner_folds(rows.assign(label=rows[task]), self.section.offsets or 0, "auto", self.recipe.train.seed)
        chances = np.empty((len(rows), len(self.tasks[task])))
        for number in sorted(set(folds.tolist())):
            rest, left_out = (rows[mask].reset_index(drop=True) for mask in (folds != number, folds == number))
            ready, blocks = features.prepared(self.parts, self.copies, rest, self.section)
            chances[folds == number] = self._fitted(task, rest, blocks).chances(ready.of(left_out))
        return best(chances, encode(rows[task].tolist(), self.tasks[task]))

    def _fitted(self, task: str, train: pd.DataFrame, blocks: Mapping[Copy, Sequence[Any]]) -> Vote:
        """A task's vote, of the rows that have its label."""
        told = np.flatnonzero(train[task].notna())
        rows = train.iloc[told]
        groups = splits.group_column(rows, "auto")
        if groups is None and self.copies:
            groups = rows["id"]  # a clip and its copies stay together
        try:
            return member.fit(
                self.section,
                {copy: [block[told] for block in of] for copy, of in blocks.items()},
                rows[task].tolist(),
                self.tasks[task],
                None if groups is None else groups.tolist(),
                self.recipe.train.seed,
            )
        except UserError as error:
            raise UserError(f"{task}: {error}") from None

    def _described(self, train: pd.DataFrame, blocks: Sequence[Any]) -> str:
        """A line on what is fitted to what."""
        named = zip(self.section.features, blocks, strict=True)
        widths = ", ".join(f"{one.name} {block.shape[1]}" for one, block in named)
        models = ", ".join(plan.model.name for plan in member.plans(self.section))
        altered = ", ".join(map(str, self.copies))
        copies = f" and copies ({altered})" if altered else ""
        return f"{len(train)} training rows{copies}; features: {widths}; {models}"

    def _tell(self) -> None:
        for note in told(self.section).values():
            say_once(f"note: {note}")

    def extract(
        self,
        augmented: Sequence[pd.DataFrame],
        others: Sequence[pd.DataFrame],
        folder: Path | None = None,
        like: Path | None = None,
    ) -> bool:
        """See `System.extract`."""
        clipwise = [part for part in self.parts if not is_fitted(part)]
        for part in clipwise:
            part.of(pd.concat([*augmented, *others], ignore_index=True))
        for part in (part for altered in self.copies.values() for part in altered.values()):
            part.of(pd.concat(augmented, ignore_index=True))
        return bool(clipwise)

    # ------------------------------------------------------------- predicting

    def predict(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """See `System.predict`; further tasks as `<task>` and `p_<task>_<class>`."""
        if self.prepared is None:
            raise RuntimeError("this system has been neither fitted nor loaded")
        self._tell()
        blocks = self.prepared.of(manifest)
        chances = {task: vote.chances(blocks) for task, vote in self.votes.items()}
        if self.section.adapt:
            speakers = speakers_of(manifest, "adapt=true", "adapt=false")
            chances = {task: by_speaker(found, speakers) for task, found in chances.items()}
        table = as_predictions(manifest["id"].tolist(), chances.pop(MAIN_TASK).tolist(), self.tasks[MAIN_TASK])
        return pd.concat([table, *(further(task, of, self.tasks[task]) for task, of in chances.items())], axis=1)

    def forget(self) -> None:
        """See `System.forget`."""
        for part in self.parts:
            if not is_fitted(part):
                part.forget()

    def save(self, folder: Path) -> None:
        """See `System.save`."""
        if self.prepared is None:
            raise RuntimeError("this system has been neither fitted nor loaded")
        saved.save(folder, self.recipe, self.tasks, self.prepared, self.votes)


def further(task: str, chances: np.ndarray, labels: Sequence[str]) -> pd.DataFrame:
    """`<task>` and `p_<task>_<class>` of a task beside the main one; ties go to the first label."""
    columns = pd.DataFrame(chances, columns=[f"p_{task}_{label}" for label in labels])
    columns.insert(0, task, [labels[k] for k in chances.argmax(axis=1)])
    return columns


def load(folder: Path, stored: Any) -> ClassicalSystem:
    """The inverse of `ClassicalSystem.save`.

    Args:
        stored: what `systems.saved.read_config` found.

    Raises:
        UserError: if the file of the estimator is damaged or foreign, or an encoder has changed.
    """
    revisions = {name: entry["revision"] for name, entry in stored.encoders.items()}
    system = ClassicalSystem(stored.recipe, stored.tasks, revisions)
    system.prepared, system.votes = saved.load(folder, system.parts, stored)
    return system
