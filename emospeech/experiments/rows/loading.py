"""From a recipe's data section to the rows that train, steer and test."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from emospeech.config import Recipe
from emospeech.data import usable
from emospeech.experiments.rows import dividing, mixture, transcripts
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
    further: Mapping[str, tuple[str, ...]]  # task -> its classes; its labels are in the column of its name

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """What a system is to learn: task -> its classes."""
        return {MAIN_TASK: self.labels, **self.further}

    def augmented(self, recipe: Recipe) -> list[pd.DataFrame]:
        """Those that training hears augmented: where the recipe trains again at the end, dev too."""
        return [self.train, self.dev] if recipe.data.refit == "train+dev" else [self.train]


@dataclass(frozen=True)
class Whole:
    """All rows of a recipe's corpora, divided by nobody yet."""

    manifest: pd.DataFrame  # `split` as the corpora give it; rows without any label are there, too
    corpora: tuple[str, ...]  # of each row, the name of its corpus
    labels: tuple[str, ...]
    further: Mapping[str, tuple[str, ...]]  # as in `Rows`

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """Task -> its classes."""
        return {MAIN_TASK: self.labels, **self.further}

    @property
    def labelled(self) -> pd.Series:
        """Which rows have a label of any task: bool (rows,)."""
        return dividing.labelled(self.manifest, list(self.further))


def whole(recipe: Recipe, divided: bool = False) -> Whole:
    """As `load`, but in one; rows without any label need neither sound nor words.

    With `data.limit`, so many rows of each corpus, spread over it.

    Args:
        divided: `split` is who trains, steers and tests in `load`, and the rows are those of `load`.

    Raises:
        UserError: as `load`.
    """
    read = mixture.read(recipe, divide=divided)
    kept = _first(read, recipe.data.limit) if divided else _spread(read, recipe.data.limit)
    manifest = read.manifest[kept].reset_index(drop=True)
    corpora = tuple(read.names[number] for number in read.part[kept])
    found = Whole(manifest, corpora, read.labels, read.further)
    _check(manifest[found.labelled], recipe, read.audio_at)
    return found


def _spread(read: mixture.Mixture, limit: int | None) -> np.ndarray:
    """Which rows a quick look is at: bool (rows,)."""
    kept = np.ones(len(read.manifest), dtype=bool)
    if limit is None:
        return kept
    say(f"a quick look: at most {limit} rows of each corpus (data.limit)")
    for number in range(len(read.names)):
        own = np.flatnonzero((read.part == number).to_numpy())
        kept[own] = False
        kept[own[np.linspace(0, len(own), min(limit, len(own)), endpoint=False, dtype=int)]] = True
    return kept


def load(recipe: Recipe) -> Rows:
    """Index, check, split and limit; everything but the sound itself is looked at.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    read = mixture.read(recipe)
    rows = _limited(read, recipe.data.limit)
    _check(pd.concat([rows.train, rows.dev, rows.test], ignore_index=True), recipe, read.audio_at)
    known = rows.test["label"].notna()
    needed = "audio" if recipe.hears and not recipe.may_lack else "id"
    blind = rows.test[~known & rows.test[needed].notna()]
    rows = replace(rows, test=rows.test[known].reset_index(drop=True), blind=blind.reset_index(drop=True))
    absent = [label for label in rows.labels if label not in set(rows.train["label"].dropna())]
    if absent:
        say(f"note: no training row is labelled {', '.join(absent)}")
    return rows


def _check(used: pd.DataFrame, recipe: Recipe, audio_at: str) -> None:
    """
    Raises:
        UserError: if rows lack what the recipe hears or reads.
    """
    # a test without labels may lie elsewhere, or be downloaded later; half of it is a mistake even now
    later = (used["split"] == "test") & used["label"].isna() & used["audio"].isna()
    if recipe.may_lack:
        _require_some(used[~later])
        usable.require_either(used[~later])
    else:
        heard = transcripts.asked(used, recipe)
        other = {"remedy": "name other classical.features"} if recipe.system == "classical" else {}
        if recipe.reads and not heard.all():
            usable.require_text(used[~heard], **other)
        if recipe.hears:
            usable.require_audio(used[~later], audio_at, **other)
        elif heard.any():
            remedy = "leave out what Whisper cannot hear with text.transcripts=provided"
            usable.require_audio(used[heard & ~later], audio_at, remedy, transcripts.HEARS)


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
    first = _first(read, limit)
    train, dev, test = (
        manifest[first & (manifest["split"] == name)].reset_index(drop=True) for name in ("train", "dev", "test")
    )
    return Rows(train, dev, test, read.labels, manifest[:0], read.further)


def _first(read: mixture.Mixture, limit: int | None) -> np.ndarray:
    """Which rows of train, dev and test a run looks at: bool (rows,)."""
    split = read.manifest["split"]
    kept: np.ndarray = split.notna().to_numpy(dtype=bool)
    if limit is None:
        return kept
    of_each = ", of each corpus" if (read.part > 0).any() else ""
    say(f"a quick look: at most {limit} rows of each of train, dev and test{of_each} (data.limit)")
    return kept & (read.manifest.groupby([read.part, split]).cumcount() < limit).to_numpy(dtype=bool)
