"""The rows that a recipe's systems learn from and are tested on, before they are divided into folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emospeech.config import Recipe
from emospeech.data import table
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
    target: str = MAIN_TASK  # what the main task is about: `label`, or the manifest's column of that name

    @property
    def labels(self) -> Sequence[str]:
        return self.tasks[MAIN_TASK]

    @property
    def keys(self) -> list[tuple[str, str]]:
        """What a row is known by in other systems' material: its corpus and its id."""
        return list(zip(self.corpora, self.manifest["id"], strict=True))

    def any_label(self) -> pd.Series:
        """A label of each row, by which folds are stratified: the main one, else one of a further task."""
        found = self.manifest[MAIN_TASK]
        for task in self.tasks:
            if task != MAIN_TASK:
                found = found.fillna(f"{task}: " + self.manifest[task])
        return found


def read(recipe: Recipe, divided: bool = False) -> Material:
    """Read and checked; rows without any label are left out, which is said.

    Args:
        divided: `split` is who trains, steers and tests by the recipe's own rules; rows in none are left out.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    whole = data_rows.whole(recipe, divided)
    known = whole.labelled.to_numpy(dtype=bool)
    if not known.any():
        raise UserError("no row has a label, so there is nothing to compare systems on")
    if not known.all():
        say(f"note: {(~known).sum()} of {len(known)} rows have no label and are left out")
    corpora = [name for name, there in zip(whole.corpora, known, strict=True) if there]
    return Material(whole.manifest[known].reset_index(drop=True), whole.tasks, corpora, recipe.data.target)


def usable(material: Material, recipe: Recipe, listing: Path | None = None) -> Material:
    """Heard and transcribed as the recipe says, which may leave out clips with unusable audio.

    Args:
        listing: where those are listed.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    manifest = material.manifest
    none, further = manifest[:0], {task: tuple(names) for task, names in material.tasks.items() if task != MAIN_TASK}
    rows = Rows(manifest, none, none, tuple(material.labels), none, further)
    manifest = data_rows.transcribed(with_usable_audio(rows, recipe, listing), recipe).train
    corpus_of = dict(zip(material.manifest["id"], material.corpora, strict=True))
    return Material(manifest, material.tasks, [corpus_of[id] for id in manifest["id"]], material.target)


def listed(material: Material, recipe: Recipe, listing: Path) -> Material:
    """Without the clips that a task has found unusable and listed: `usable` as far as that can be told unheard."""
    if recipe.data.on_bad_audio != "drop" or not listing.exists():
        return material
    lost = set(table.read(listing, ["id"], "a list of bad audio")["id"])
    kept = ~material.manifest["id"].isin(lost).to_numpy(dtype=bool)
    corpora = [name for name, there in zip(material.corpora, kept, strict=True) if there]
    return Material(material.manifest[kept].reset_index(drop=True), material.tasks, corpora, material.target)


def together(materials: Sequence[Material], alike: Sequence[str] = ("speaker", "group")) -> Material:
    """The rows of all of them, each once, as the first that has it knows it: what folds are drawn from.

    Their labels are those of `any_label`, and no tasks are told of them.

    Args:
        alike: columns by which folds are drawn.

    Raises:
        UserError: if two of them give a clip different speakers, say, so that folds would be apart for one alone.
    """
    first, *others = materials
    frames = [first.manifest.assign(**{MAIN_TASK: first.any_label()})]
    corpora, known = list(first.corpora), set(first.keys)
    for other in others:
        _same(first, other, alike)
        new = [key not in known for key in other.keys]
        frames.append(other.manifest.assign(**{MAIN_TASK: other.any_label()})[new])
        corpora += [corpus for corpus, there in zip(other.corpora, new, strict=True) if there]
        known.update(other.keys)
    return Material(pd.concat(frames, ignore_index=True), {MAIN_TASK: ()}, corpora)


def _same(first: Material, other: Material, columns: Sequence[str]) -> None:
    one, two = (pd.DataFrame(m.manifest[list(columns)].to_numpy(), index=m.keys) for m in (first, other))
    both = one.index.intersection(two.index)
    for number, what in enumerate(columns):
        a, b = one.loc[both, number], two.loc[both, number]
        if (different := a.notna() & b.notna() & (a != b)).any():
            at = different.idxmax()
            raise UserError(
                f"rows of this benchmark do not agree on the {what} of {at[1]}: {a[at]!r} in one, {b[at]!r} in "
                "another; folds are drawn once for all rows"
            )
