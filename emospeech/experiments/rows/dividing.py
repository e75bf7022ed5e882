"""From a manifest and the rules of a recipe to who trains, who steers and who tests."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Split
from emospeech.data import folds, splits, table
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults, some
from emospeech.systems.crossfit import dev_of


def split(
    manifest: pd.DataFrame, rule: Split, root: Path, lost: Collection[str] = (), tasks: Sequence[str] = ()
) -> pd.DataFrame:
    """The manifest with its rows in train, dev or test, by the first rule of the recipe that applies.

    What is left out, because it has no label or because no rule names it, is said aloud.

    Args:
        root: where the files that the rule names lie.
        lost: ids of the corpus that were left out before, as their labels have no place; a file may name them.
        tasks: columns of further labels: rows that have but these train, too.

    Raises:
        UserError: if a rule names what is not there, or leaves no row to train or to steer by.
    """
    ways = {
        "file": rule.file,
        "train_file, dev_file": rule.train_file or rule.dev_file,
        "dev_speakers, test_speakers": rule.dev_speakers or rule.test_speakers,
    }
    if sum(map(bool, ways.values())) > 1:
        raise UserError(
            f"data.split: give one of {'; '.join(ways)}; not several (what a recipe names is taken back with null, "
            "speakers with [])"
        )
    if rule.fold is not None and rule.file is None:
        raise UserError("data.split.fold: there is no data.split.file that holds folds")
    told = labelled(manifest, tasks)
    if rule.file:
        manifest = _by_split(manifest, rule.file, rule.fold, root, lost)
    elif rule.train_file or rule.dev_file:
        manifest = _by_files(manifest, told, rule.train_file, rule.dev_file, root, lost)
    elif rule.dev_speakers or rule.test_speakers:
        manifest = _by_speakers(manifest, rule.dev_speakers, rule.test_speakers)
    manifest = _drawn(_without_idle(manifest, told), told, rule)
    counts = manifest.loc[manifest["label"].notna(), "split"].value_counts()
    for name in ("train", "dev"):
        if not counts.get(name, 0):
            raise UserError(f"the split leaves no labelled row for {name}; look at data.split")
    return manifest


def labelled(manifest: pd.DataFrame, tasks: Sequence[str] = ()) -> pd.Series:
    """Which rows have a label, of the main task or of one of these: bool (rows,)."""
    columns = ["label", *(task for task in tasks if task in manifest)]
    return manifest[columns].notna().any(axis=1)


def _without_idle(manifest: pd.DataFrame, told: pd.Series) -> pd.DataFrame:
    """Nothing can be learned from, or steered by, a row without a label."""
    idle = ~told & manifest["split"].isin(["train", "dev"])
    if idle.any():
        say(f"note: {idle.sum()} rows of train and dev have no label and are left out: {some(manifest['id'][idle])}")
    return manifest.assign(split=manifest["split"].mask(idle))


def _completed(manifest: pd.DataFrame, told: pd.Series) -> pd.DataFrame:
    """Beside a dev set alone, all other labelled rows train; beside train and dev sets they are left out."""
    free = told & manifest["split"].isna()
    if not (manifest["split"] == "train").any():
        return manifest.assign(split=manifest["split"].mask(free, "train"))
    if free.any():
        say(f"note: {free.sum()} labelled rows are in no part of the split and are left out")
    return manifest


def _drawn(manifest: pd.DataFrame, told: pd.Series, rule: Split) -> pd.DataFrame:
    """Where no rule gave a dev set, draw one from the labelled rows that are not test."""
    if (manifest["split"] == "dev").any():
        return _completed(manifest, told)
    pool = manifest[told & (manifest["split"].isna() | (manifest["split"] == "train"))]
    if pool["label"].isna().all():
        raise UserError("no row has a label, so there is nothing to train on")
    picked = _steering(pool, rule)
    column = manifest["split"].copy()
    column[pool.index] = ["dev" if one else "train" for one in picked]
    return manifest.assign(split=column)


def _steering(pool: pd.DataFrame, rule: Split) -> np.ndarray:
    """Which rows become dev, bool (rows,); said aloud."""
    groups = splits.group_column(pool[pool["label"].notna()], rule.disjoint)
    if groups is None and rule.disjoint in ("group", "speaker"):
        raise UserError(f"data.split.disjoint={rule.disjoint}, but no row to split has a {rule.disjoint}")
    try:
        picked = dev_of(pool, rule.dev_fraction, rule.disjoint, rule.seed)
    except ValueError as error:
        raise UserError(f"data.split: {error}; allow it with data.split.disjoint=none") from None
    known = pool["label"].notna().to_numpy(dtype=bool)
    how = "stratified" if groups is None else f"stratified, disjoint by {groups.name}"
    say(f"dev set: {(picked & known).sum()} of {known.sum()} labelled rows drawn, {how}, seed {rule.seed}")
    return picked


def _by_split(manifest: pd.DataFrame, file: str, fold: int | None, root: Path, lost: Collection[str]) -> pd.DataFrame:
    """A split that was written down; of folds, one is tested, and dev is drawn from the others."""
    path = next((one for one in (Path(file).expanduser(), root / file) if one.exists()), None)
    if path is None:
        raise UserError(f"data.split.file: no {file}, neither here nor in {root}")
    parts = folds.read(path, [*manifest["id"], *lost], required=[])
    found = manifest["id"].map(parts)
    blind = manifest["split"].where((manifest["split"] == "test") & manifest["label"].isna())  # a challenge's own
    if parts.name == "split":
        if fold is not None:
            raise UserError(f"data.split.fold: {path} holds no folds, but train, dev and test")
        return manifest.assign(split=found.astype("string").fillna(blind))
    idle = manifest.loc[manifest["label"].notna() & found.isna(), "id"]
    if len(idle):
        raise UserError(f"{path}: {len(idle)} labelled rows of the corpus are in no fold: {some(idle.tolist())}")
    numbers = sorted(set(parts))
    if fold not in numbers:
        what = "none is chosen" if fold is None else f"there is no fold {fold}"
        raise UserError(f"data.split.fold: {what}; {path} holds the folds {some(numbers, 20)}: name the one to test")
    return manifest.assign(split=blind.mask(found.notna(), "train").mask(found == fold, "test"))


def _by_files(
    manifest: pd.DataFrame, told: pd.Series, train: str | None, dev: str | None, root: Path, lost: Collection[str]
) -> pd.DataFrame:
    """`train` and `dev` by files of ids. Without one of the two, its part is what is left."""
    column = manifest["split"].where(manifest["split"] == "test")
    named: dict[str, set[str]] = {}
    for name, file in (("train", train), ("dev", dev)):
        if file is None:
            continue
        path = root / file
        named[name] = set(table.read(path, ["id"], "a split file")["id"])
        unknown = sorted(named[name] - {*manifest["id"], *lost})
        if unknown:
            raise UserError(f"{path}: {len(unknown)} ids are not in the corpus: {some(unknown)}")
        column = column.mask(manifest["id"].isin(named[name]), name)
    both = sorted(named.get("train", set()) & named.get("dev", set()))
    if both:
        raise UserError(f"data.split: {len(both)} ids are in both {train} and {dev}: {some(both)}")
    if len(named) == 1:
        other = "dev" if "train" in named else "train"
        column = column.mask(column.isna() & told, other)
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
