"""From a recipe's data section to the rows that train, steer and test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from emospeech.config import Data, Recipe
from emospeech.corpora import CORPORA
from emospeech.corpora.base import Corpus
from emospeech.data import manifest as manifests
from emospeech.data import splits, table, usable, votes
from emospeech.runtime.console import say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, faults, some


@dataclass(frozen=True)
class Rows:
    """The manifest, split; `labels` in the order of the run's probability columns."""

    train: pd.DataFrame
    dev: pd.DataFrame
    test: pd.DataFrame  # labelled rows only, often none: a challenge's own test is for `emospeech submit`
    labels: tuple[str, ...]

    def augmented(self, recipe: Recipe) -> list[pd.DataFrame]:
        """Those that training hears augmented: where the recipe trains again at the end, dev too."""
        return [self.train, self.dev] if recipe.data.refit == "train+dev" else [self.train]


def load(recipe: Recipe) -> Rows:
    """Index, check, split and limit; everything but the sound itself is looked at.

    Raises:
        UserError: with what is wrong, where, and what would be right.
    """
    data = recipe.data
    corpus = CORPORA[data.corpus]
    root = Path(data.root).expanduser()
    manifest = on_main(lambda: _indexed(corpus, root, data))
    manifest = usable.blank_as_absent(manifest) if recipe.may_lack else manifest
    labels = _labels(manifest, tuple(data.labels) if data.labels else corpus.labels)
    _check_votes(manifest, data.soft_labels, labels)
    rows = _limited(split(manifest, data), data.limit, labels)
    used = pd.concat([rows.train, rows.dev, rows.test], ignore_index=True)
    # a test without labels may lie elsewhere, or be downloaded later; half of it is a mistake even now
    later = (used["split"] == "test") & used["label"].isna() & used["audio"].isna()
    if recipe.may_lack:
        _require_some(used[~later])
        usable.require_either(used[~later])
    else:
        if recipe.text is not None:
            usable.require_text(used)
        if recipe.speech is not None:
            usable.require_audio(used[~later], corpus.audio_at)
    rows = replace(rows, test=rows.test[rows.test["label"].notna()].reset_index(drop=True))
    absent = [label for label in labels if label not in set(rows.train["label"])]
    if absent:
        say(f"note: no training row is labelled {', '.join(absent)}")
    return rows


def _require_some(used: pd.DataFrame) -> None:
    """
    Raises:
        UserError: if a modality that the recipe uses is nowhere in the corpus.
    """
    for column, part in (("audio", "speech"), ("transcription", "text")):
        if used[column].isna().all():
            raise UserError(f"the recipe uses {part} but no row has {column}; train without it ({part}=null)")


def _indexed(corpus: Corpus, root: Path, data: Data) -> pd.DataFrame:
    if data.soft_labels is None:
        return corpus.index(root)
    if data.soft_labels in manifests.COLUMNS:
        raise UserError(f"data.soft_labels: {data.soft_labels!r} holds no votes; name the column that does")
    if not corpus.further_columns:
        able = [name for name, one in CORPORA.items() if one.further_columns]
        raise UserError(
            f"data.soft_labels: the table of {data.corpus} has no column {data.soft_labels!r}; "
            f"a corpus with columns of your own is {' or '.join(able)}"
        )
    return corpus.index(root, [data.soft_labels])


def _check_votes(manifest: pd.DataFrame, column: str | None, labels: Sequence[str]) -> None:
    found = votes.faults(manifest[column], manifest["source"], labels) if column else []
    if column and manifest[column].isna().all():
        raise UserError(f"data.soft_labels: the column {column!r} is empty in every row")
    if found:
        raise faults(f"data.soft_labels: {len(found)} rows have votes that cannot be read", found)


def split(manifest: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The manifest with its rows in train, dev or test, by the first rule of the recipe that applies.

    What is left out, because it has no label or because no rule names it, is said aloud.

    Raises:
        UserError: if a rule names what is not there, or leaves no row to train or to steer by.
    """
    rule = data.split
    if (rule.train_file or rule.dev_file) and (rule.dev_speakers or rule.test_speakers):
        raise UserError("data.split: give files, or speakers, not both")
    if rule.train_file or rule.dev_file:
        manifest = _by_files(manifest, rule.train_file, rule.dev_file, Path(data.root).expanduser())
    elif rule.dev_speakers or rule.test_speakers:
        manifest = _by_speakers(manifest, rule.dev_speakers, rule.test_speakers)
    manifest = _drawn(_labelled(manifest), data)
    counts = manifest["split"].value_counts()
    for name in ("train", "dev"):
        if not counts.get(name, 0):
            raise UserError(f"the split leaves no labelled row for {name}; look at data.split")
    return manifest


def _labelled(manifest: pd.DataFrame) -> pd.DataFrame:
    """Nothing can be learned from, or steered by, a row without a label."""
    idle = manifest["label"].isna() & manifest["split"].isin(["train", "dev"])
    if idle.any():
        say(f"note: {idle.sum()} rows of train and dev have no label and are left out: {some(manifest['id'][idle])}")
    return manifest.assign(split=manifest["split"].mask(idle))


def _completed(manifest: pd.DataFrame) -> pd.DataFrame:
    """Beside a dev set alone, all other labelled rows train; beside train and dev sets they are left out."""
    free = manifest["label"].notna() & manifest["split"].isna()
    if not (manifest["split"] == "train").any():
        return manifest.assign(split=manifest["split"].mask(free, "train"))
    if free.any():
        say(f"note: {free.sum()} labelled rows are in no part of the split and are left out")
    return manifest


def _drawn(manifest: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Where no rule gave a dev set, draw one from the labelled rows that are not test."""
    if (manifest["split"] == "dev").any():
        return _completed(manifest)
    pool = manifest[manifest["label"].notna() & (manifest["split"].isna() | (manifest["split"] == "train"))]
    if not len(pool):
        raise UserError("no row has a label, so there is nothing to train on")
    rule = data.split
    groups = splits.group_column(pool, rule.disjoint)
    if groups is None and rule.disjoint in ("group", "speaker"):
        raise UserError(f"data.split.disjoint={rule.disjoint}, but no row to split has a {rule.disjoint}")
    if groups is None:
        picked = splits.stratified(pool["label"].tolist(), rule.dev_fraction, rule.seed)
        how = "stratified"
    else:
        try:
            picked = splits.stratified_by_group(pool["label"].tolist(), groups.tolist(), rule.dev_fraction, rule.seed)
        except ValueError as error:
            raise UserError(f"data.split: {error}; allow it with data.split.disjoint=none") from None
        how = f"stratified, disjoint by {groups.name}"
    say(f"dev set: {picked.sum()} of {len(pool)} labelled rows drawn, {how}, seed {rule.seed}")
    column = manifest["split"].copy()
    column[pool.index] = ["dev" if one else "train" for one in picked]
    return manifest.assign(split=column)


def _by_files(manifest: pd.DataFrame, train: str | None, dev: str | None, root: Path) -> pd.DataFrame:
    """`train` and `dev` by files of ids. Without one of the two, its part is what is left."""
    column = manifest["split"].where(manifest["split"] == "test")
    named: dict[str, set[str]] = {}
    for name, file in (("train", train), ("dev", dev)):
        if file is None:
            continue
        path = root / file
        named[name] = set(table.read(path, ["id"], "a split file")["id"])
        unknown = sorted(named[name] - set(manifest["id"]))
        if unknown:
            raise UserError(f"{path}: {len(unknown)} ids are not in the corpus: {some(unknown)}")
        column = column.mask(manifest["id"].isin(named[name]), name)
    both = sorted(named.get("train", set()) & named.get("dev", set()))
    if both:
        raise UserError(f"data.split: {len(both)} ids are in both {train} and {dev}: {some(both)}")
    if len(named) == 1:
        other = "dev" if "train" in named else "train"
        column = column.mask(column.isna() & manifest["label"].notna(), other)
    return manifest.assign(split=column)


def _by_speakers(manifest: pd.DataFrame, dev: Sequence[str], test: Sequence[str]) -> pd.DataFrame:
    known = sorted(set(manifest["speaker"].dropna()))
    found = [f"unknown speaker {name!r}" for name in (*dev, *test) if name not in known]
    found += [f"speaker {name!r} is in dev_speakers and in test_speakers" for name in dev if name in test]
    if found:
        raise faults(f"data.split (speakers of this corpus: {some(known, 20) if known else 'none'})", found)
    column = manifest["split"].mask(manifest["speaker"].isin(list(dev)), "dev")
    column = column.mask(manifest["speaker"].isin(list(test)), "test")
    if dev:
        column = column.mask(~manifest["speaker"].isin([*dev, *test]) & (column != "test").fillna(True), "train")
    return manifest.assign(split=column)


def _labels(manifest: pd.DataFrame, known: tuple[str, ...] | None) -> tuple[str, ...]:
    if known is None:
        known = tuple(sorted(set(manifest["label"].dropna())))
    if len(set(known)) < len(known):
        raise UserError(f"data.labels names a label twice: {', '.join(known)}")
    unknown = manifest[manifest["label"].notna() & ~manifest["label"].isin(list(known))]
    if len(unknown):
        raise faults(
            f"{len(unknown)} rows have a label outside {', '.join(known)}",
            [f"{usable.source_of(row)}unknown label {row.label!r}" for row in unknown.itertuples()],
        )
    if len(known) < 2:
        raise UserError(f"a classifier needs two labels or more; found: {', '.join(known) or 'none'}")
    return known


def _limited(manifest: pd.DataFrame, limit: int | None, labels: tuple[str, ...]) -> Rows:
    """The first `limit` rows of each part, in manifest order."""
    if limit is not None:
        say(f"a quick look: at most {limit} rows of each of train, dev and test (data.limit)")
    train, dev, test = (
        manifest[manifest["split"] == name].reset_index(drop=True).head(limit or len(manifest))
        for name in ("train", "dev", "test")
    )
    return Rows(train, dev, test, labels)
