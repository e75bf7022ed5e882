"""From a recipe's data section to the rows that train, steer and test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from emospeech.config import Recipe
from emospeech.data import usable
from emospeech.experiments.rows import mixture, transcripts
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.systems.base import MAIN_TASK


@dataclass(frozen=True)
class Rows:
    """The manifest, split; `labels` in the order of the run's probability columns."""

    train: pd.DataFrame
    dev: pd.DataFrame
    test: pd.DataFrame  # labelled rows only, often none: a challenge's own test is for `emospeech submit`
    labels: tuple[str, ...]
    blind: pd.DataFrame  # test rows without labels that are here already: for `emospeech submit`
    further: Mapping[str, tuple[str, ...]]  # tasks of corpora whose labels have no place among these, and their classes

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """What a system is to learn: task -> its classes."""
        return {MAIN_TASK: self.labels, **self.further}

    def augmented(self, recipe: Recipe) -> list[pd.DataFrame]:
        """Those that training hears augmented: where the recipe trains again at the end, dev too."""
        return [self.train, self.dev] if recipe.data.refit == "train+dev" else [self.train]


def load(recipe: Recipe) -> Rows:
    """Index, check, split and limit; everything but the sound itself is looked at.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    read = mixture.read(recipe)
    rows = _limited(read, recipe.data.limit)
    used = pd.concat([rows.train, rows.dev, rows.test], ignore_index=True)
    # a test without labels may lie elsewhere, or be downloaded later; half of it is a mistake even now
    later = (used["split"] == "test") & used["label"].isna() & used["audio"].isna()
    if recipe.may_lack:
        _require_some(used[~later])
        usable.require_either(used[~later])
    else:
        heard = transcripts.asked(used, recipe)
        if recipe.reads and not heard.all():
            usable.require_text(used[~heard])
        if recipe.hears:
            usable.require_audio(used[~later], read.audio_at)
        elif heard.any():
            remedy = "leave out what Whisper cannot hear with text.transcripts=provided"
            usable.require_audio(used[heard & ~later], read.audio_at, remedy, transcripts.HEARS)
    known = rows.test["label"].notna()
    needed = "audio" if recipe.hears and not recipe.may_lack else "id"
    blind = rows.test[~known & rows.test[needed].notna()]
    rows = replace(rows, test=rows.test[known].reset_index(drop=True), blind=blind.reset_index(drop=True))
    absent = [label for label in rows.labels if label not in set(rows.train["label"].dropna())]
    if absent:
        say(f"note: no training row is labelled {', '.join(absent)}")
    return rows


def transcribed(rows: Rows, recipe: Recipe) -> Rows:
    """With the transcripts that the recipe reads.

    Raises:
        UserError: if clips cannot be transcribed.
    """
    train, dev = len(rows.train), len(rows.train) + len(rows.dev)
    whole = transcripts.of_recipe(pd.concat([rows.train, rows.dev, rows.test], ignore_index=True), recipe)
    parts = {"train": whole[:train], "dev": whole[train:dev], "test": whole[dev:]}
    return replace(rows, **{name: part.reset_index(drop=True) for name, part in parts.items()})


def _require_some(used: pd.DataFrame) -> None:
    """
    Raises:
        UserError: if a modality that the recipe uses is nowhere in the corpus.
    """
    for column, part in (("audio", "speech"), ("transcription", "text")):
        if used[column].isna().all():
            raise UserError(f"the recipe uses {part} but no row has {column}; train without it ({part}=null)")


def _limited(read: mixture.Mixture, limit: int | None) -> Rows:
    """The first `limit` rows of each part, of each corpus, in manifest order."""
    manifest = read.manifest
    first = pd.Series(True, index=manifest.index)
    if limit is not None:
        of_each = ", of each corpus" if (read.part > 0).any() else ""
        say(f"a quick look: at most {limit} rows of each of train, dev and test{of_each} (data.limit)")
        first = manifest.groupby([read.part, manifest["split"]]).cumcount() < limit
    train, dev, test = (
        manifest[first & (manifest["split"] == name)].reset_index(drop=True) for name in ("train", "dev", "test")
    )
    return Rows(train, dev, test, read.labels, manifest[:0], read.further)
