"""Who is tested by whom: from a manifest and a protocol to folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Protocol
from emospeech.data import folds as splits
from emospeech.data.splits import group_column as groups_of
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, some


@dataclass(frozen=True)
class Fold:
    """One training and what it is tested on; bool (rows,) each, and no row that trains in another."""

    name: str  # of a folder
    train: np.ndarray
    test: np.ndarray
    dev: np.ndarray | None = None  # where the protocol itself has one; the tested rows, where what steers is scored
    trained_on: str = ""  # the corpus, where one trains for another; empty: all that are not tested
    tested_on: str = ""  # the corpus, where folds are made of corpora

    @property
    def spare(self) -> np.ndarray:
        """Dev rows that train a system which needs none: bool (rows,). What is tested never trains."""
        return np.zeros_like(self.train) if self.dev is None else self.dev & ~self.test


Draw = Callable[[pd.DataFrame, Protocol, Sequence[str]], list[Fold]]


def folds_of(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    """The folds of a protocol.

    Args:
        manifest: its labels fill `label`, whatever task they are of; a row without one is in no fold. Under kind
            split, `split` is who trains, steers and tests by the recipe's own rules.
        corpora: the name of each row's corpus (rows,).

    Raises:
        UserError: if they cannot be drawn: too few speakers or groups, none known, one corpus alone.
    """
    try:
        found = PROTOCOLS[protocol.kind](manifest.reset_index(drop=True), protocol, corpora)
    except UserError as error:
        raise UserError(f"protocol {protocol.kind}: {error}") from None
    empty = [fold.name for fold in found if not fold.train.any() or not fold.test.any()]
    if empty:
        raise UserError(f"protocol {protocol.kind}: nothing to train on, or nothing to test, in {some(empty)}")
    return found


def _hold_out(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    if protocol.test_speakers:
        labelled = manifest["label"].notna().to_numpy()
        known = sorted(set(manifest["speaker"].dropna()))
        if unknown := [name for name in protocol.test_speakers if name not in known]:
            raise UserError(
                f"test_speakers: no speaker {', '.join(map(repr, unknown))}; there are "
                f"{some(known, 20) if known else 'none'}"
            )
        test = manifest["speaker"].isin(protocol.test_speakers).to_numpy(dtype=bool)
        return [Fold("test", labelled & ~test, labelled & test)]
    options = {"dev": 0.0, "test": protocol.test_fraction, "seed": protocol.seed}
    parts = _parts(manifest, splits.draw(manifest, "holdout", protocol.by, options).parts)
    train, test = (_in(parts, name) for name in ("train", "test"))
    return [Fold("test", train, test)]


def _k_fold(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    options = {"folds": protocol.folds, "seed": protocol.seed}
    return _numbered(_parts(manifest, splits.draw(manifest, "k-fold", protocol.by, options).parts))


def _leave_one_out(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    column = "speaker" if protocol.by == "auto" else protocol.by
    if column in manifest and manifest[column].isna().all():
        raise UserError(f"no row has a {column}, so none can be left out; choose k-fold, which asks for none")
    drawn = splits.draw(manifest, "loso", column)
    parts = _parts(manifest, drawn.parts)
    unknown = parts.notna() & manifest[column].isna()
    if unknown.any():
        raise UserError(
            f"{unknown.sum()} of {parts.notna().sum()} labelled rows have no {column}: "
            f"{some(manifest['id'][unknown].tolist())}; give each its {column}, or choose k-fold"
        )
    names = manifest[column].groupby(parts).first()
    return [_tested(_as_folder(names[number]), parts, number) for number in names.index]


def _written(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    if protocol.file is None:
        raise UserError("no file is named; give file: as `emospeech data split` writes it")
    labelled = manifest.loc[manifest["label"].notna(), "id"].tolist()
    read = splits.read(Path(protocol.file).expanduser(), manifest["id"].tolist(), labelled)
    parts = _parts(manifest, read)
    if read.name == "fold":
        return _numbered(parts)
    train, dev, test = (_in(parts, name) for name in ("train", "dev", "test"))
    return [Fold("test", train, test, dev if dev.any() else None)]


def _own(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    """The recipe's own split: its dev rows, by which training is steered, are scored; or its test rows."""
    labelled = manifest["label"].notna().to_numpy(dtype=bool)
    train, dev, test = (labelled & _in(manifest["split"], name) for name in ("train", "dev", protocol.part))
    if not test.any():
        raise UserError(f"the recipe's own split has no labelled {protocol.part} row; name another part")
    return [Fold(protocol.part, train, test, dev)]


def _cross_corpus(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    """Each corpus trains for each other one; and for itself in folds, which is how well it could be told."""
    names = _several(corpora)
    labelled, of = manifest["label"].notna().to_numpy(dtype=bool), np.asarray(corpora, dtype=object)
    found = [
        Fold(f"{a} to {b}", labelled & (of == a), labelled & (of == b), trained_on=a, tested_on=b)
        for a in names
        for b in names
        if a != b
    ]
    for name in names:
        own = np.flatnonzero(of == name)
        say(f"{name}, in folds of its own:")
        for fold in _own_folds(name, manifest.iloc[own].reset_index(drop=True), protocol):
            train, test = (np.isin(np.arange(len(manifest)), own[inner]) for inner in (fold.train, fold.test))
            found.append(Fold(f"{name} {fold.name}", train, test, trained_on=name, tested_on=name))
    return found


def _own_folds(name: str, manifest: pd.DataFrame, protocol: Protocol) -> list[Fold]:
    """As many as asked for, or as there are groups if those are fewer."""
    labelled = manifest[manifest["label"].notna()]
    groups = groups_of(labelled, protocol.by)
    count = protocol.folds if groups is None else min(protocol.folds, groups.nunique())
    try:
        return _k_fold(manifest, protocol.model_copy(update={"folds": max(count, 2)}), [])
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _leave_one_corpus_out(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    names = _several(corpora)
    labelled, of = manifest["label"].notna().to_numpy(dtype=bool), np.asarray(corpora, dtype=object)
    return [Fold(f"without {name}", labelled & (of != name), labelled & (of == name), tested_on=name) for name in names]


# by the kinds that the schema knows
PROTOCOLS: Mapping[str, Draw] = {
    "holdout": _hold_out,
    "k-fold": _k_fold,
    "loso": _leave_one_out,
    "file": _written,
    "split": _own,
    "cross-corpus": _cross_corpus,
    "leave-one-corpus-out": _leave_one_corpus_out,
}


def _several(corpora: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(corpora))
    if len(names) < 2:
        raise UserError(f"two corpora or more are needed, as data.mixture; there is {some(names)} alone")
    return names


def _parts(manifest: pd.DataFrame, drawn: pd.Series) -> pd.Series:
    """The part of each row; NA of those in none."""
    return manifest["id"].map(drawn)


def _in(parts: pd.Series, part: object) -> np.ndarray:
    found: np.ndarray = (parts.notna() & (parts == part).fillna(False)).to_numpy(dtype=bool)
    return found


def _numbered(parts: pd.Series) -> list[Fold]:
    numbers = sorted(set(parts.dropna()))
    return [_tested(f"fold {int(number)}", parts, number) for number in numbers]


def _tested(name: str, parts: pd.Series, number: object) -> Fold:
    """One part against the rest."""
    test = _in(parts, number)
    return Fold(name, parts.notna().to_numpy(dtype=bool) & ~test, test)


def _as_folder(name: object) -> str:
    """A speaker as the name of a folder: in a mixture a corpus's name and a slash stand before it."""
    return str(name).replace("/", " ")
