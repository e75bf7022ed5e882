"""The rows that a recipe's systems learn from and are tested on, before they are divided into folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emospeech.config import Recipe
from emospeech.experiments import rows as data_rows
from emospeech.experiments.rows import Rows
from emospeech.experiments.rows.sound import with_usable_audio
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.systems.base import MAIN_TASK


@dataclass(frozen=True)
class Material:
    """A manifest, and what is to be told of it; every row has a label of some task."""

    manifest: pd.DataFrame
    tasks: Mapping[str, Sequence[str]]  # task -> classes
    corpora: Sequence[str]  # the name of each row's corpus (rows,)
    target: str  # what the main task is about: `label`, or the manifest's column of that name

    @property
    def labels(self) -> Sequence[str]:
        return self.tasks[MAIN_TASK]

    def any_label(self) -> pd.Series:
        """A label of each row, by which folds are stratified: the main one, else one of a further task."""
        found = self.manifest[MAIN_TASK]
        for task in self.tasks:
            if task != MAIN_TASK:
                found = found.fillna(f"{task}: " + self.manifest[task])
        return found


def prepared(recipe: Recipe, listing: Path | None = None) -> Material:
    """Read, checked, heard and transcribed as the recipe says; rows without any label are left out, which is said.

    Args:
        listing: where clips with unusable audio are listed.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    whole = data_rows.whole(recipe)
    known = whole.labelled.to_numpy(dtype=bool)
    if not known.any():
        raise UserError("no row has a label, so there is nothing to compare systems on")
    if not known.all():
        say(f"note: {(~known).sum()} of {len(known)} rows have no label and are left out")
    manifest = whole.manifest[known].reset_index(drop=True)
    corpus_of = dict(zip(whole.manifest["id"], whole.corpora, strict=True))
    rows = Rows(manifest, manifest[:0], manifest[:0], whole.labels, manifest[:0], whole.further)
    manifest = data_rows.transcribed(with_usable_audio(rows, recipe, listing), recipe).train
    return Material(manifest, whole.tasks, [corpus_of[id] for id in manifest["id"]], recipe.data.target)
