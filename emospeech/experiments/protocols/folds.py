"""Who is tested by whom: from a manifest and a protocol to folds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Protocol
from emospeech.data import folds as splits
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults, some


@dataclass(frozen=True)
class Fold:
    """One training and what it is tested on; bool (rows,) each, and no row in two of them."""

    name: str  # of a folder
    train: np.ndarray
    test: np.ndarray
    dev: np.ndarray | None = None  # where the protocol itself has one
    trained_on: str = ""  # the corpora, where there are several
    tested_on: str = ""


Draw = Callable[[pd.DataFrame, Protocol, Sequence[str]], list[Fold]]


def folds_of(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    """The folds of a protocol.

    Args:
        manifest: its labels fill `label`, whatever task they are of; a row without one is in no fold.
        corpora: the name of each row's corpus (rows,).

    Raises:
        UserError: if they cannot be drawn: too few speakers or groups, none known, one corpus alone.
    """
    found = PROTOCOLS[protocol.kind](manifest.reset_index(drop=True), protocol, corpora)
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
                f"protocol holdout: test_speakers: no speaker {', '.join(map(repr, unknown))}; there are "
                f"{some(known, 20) if known else 'none'}"
            )
        test = manifest["speaker"].isin(protocol.test_speakers).to_numpy(dtype=bool)
        return [Fold("test", labelled & ~test, labelled & test)]
    options = {"dev": 0.0, "test": protocol.test_fraction, "seed": protocol.seed}
    parts = _parts(manifest, splits.draw(manifest, "holdout", protocol.by, options).parts)
    return [Fold("test", parts == "train", parts == "test")]


def _k_fold(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    options = {"folds": protocol.folds, "seed": protocol.seed}
    return _numbered(_parts(manifest, splits.draw(manifest, "k-fold", protocol.by, options).parts))


def _leave_one_out(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    drawn = splits.draw(manifest, "loso", protocol.by)
    column = str(drawn.origin.by)
    parts = _parts(manifest, drawn.parts)
    unknown = parts.notna() & manifest[column].isna()
    if unknown.any():
        raise UserError(
            f"protocol loso: {unknown.sum()} of {parts.notna().sum()} labelled rows have no {column}: "
            f"{some(manifest['id'][unknown].tolist())}; give each its {column}, or choose k-fold"
        )
    names = manifest[column].groupby(parts).first()
    return [_tested(_as_folder(names[number]), parts, number) for number in names.index]


def _written(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    if protocol.file is None:
        raise UserError("protocol file: no file is named; give file: as `emospeech data split` writes it")
    labelled = manifest.loc[manifest["label"].notna(), "id"].tolist()
    read = splits.read(Path(protocol.file).expanduser(), manifest["id"].tolist(), labelled)
    parts = _parts(manifest, read)
    if read.name == "fold":
        return _numbered(parts)
    train, dev, test = ((parts == name).to_numpy(dtype=bool) for name in ("train", "dev", "test"))
    return [Fold("test", train, test, dev if dev.any() else None)]


def _cross_corpus(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    """Each corpus trains for each other one; and for itself in folds, which is how well it could be told."""
    names = _several(corpora, protocol.kind)
    labelled, of = manifest["label"].notna().to_numpy(dtype=bool), np.asarray(corpora, dtype=object)
    found = [
        Fold(f"{a} to {b}", labelled & (of == a), labelled & (of == b), trained_on=a, tested_on=b)
        for a in names
        for b in names
        if a != b
    ]
    for name in names:
        own = np.flatnonzero(of == name)
        say(f"{name}:")
        for fold in _k_fold(manifest.iloc[own].reset_index(drop=True), protocol, []):
            train, test = (np.isin(np.arange(len(manifest)), own[inner]) for inner in (fold.train, fold.test))
            found.append(Fold(f"{name} {fold.name}", train, test, trained_on=name, tested_on=name))
    return found


def _leave_one_corpus_out(manifest: pd.DataFrame, protocol: Protocol, corpora: Sequence[str]) -> list[Fold]:
    names = _several(corpora, protocol.kind)
    labelled, of = manifest["label"].notna().to_numpy(dtype=bool), np.asarray(corpora, dtype=object)
    return [
        Fold(f"without {name}", labelled & (of != name), labelled & (of == name), None, "the others", name)
        for name in names
    ]


# by the kinds that the schema knows
PROTOCOLS: Mapping[str, Draw] = {
    "holdout": _hold_out,
    "k-fold": _k_fold,
    "loso": _leave_one_out,
    "file": _written,
    "cross-corpus": _cross_corpus,
    "leave-one-corpus-out": _leave_one_corpus_out,
}


def _several(corpora: Sequence[str], kind: str) -> list[str]:
    names = list(dict.fromkeys(corpora))
    if len(names) < 2:
        raise UserError(f"protocol {kind} needs two corpora or more, as data.mixture; there is {some(names)} alone")
    return names


def _parts(manifest: pd.DataFrame, drawn: pd.Series) -> pd.Series:
    """The part of each row; NA of those in none."""
    return manifest["id"].map(drawn)


def _numbered(parts: pd.Series) -> list[Fold]:
    numbers = sorted(set(parts.dropna()))
    return [_tested(f"fold {int(number)}", parts, number) for number in numbers]


def _tested(name: str, parts: pd.Series, number: object) -> Fold:
    """One part against the rest."""
    test = (parts == number).to_numpy(dtype=bool)
    return Fold(name, parts.notna().to_numpy(dtype=bool) & ~test, test)


def _as_folder(name: object) -> str:
    """A speaker as the name of a folder: in a mixture a corpus's name and a slash stand before it."""
    return str(name).replace("/", " ")


def told(fold: Fold, truth: pd.Series, labels: Sequence[str]) -> list[str]:
    """What is odd about a fold: classes that nothing trains, a test without any."""
    trained, tested = set(truth[fold.train].dropna()), set(truth[fold.test].dropna())
    absent = [label for label in labels if label not in trained]
    wanted = [label for label in absent if label in tested]
    notes = []
    if wanted:
        notes.append(f"{fold.name}: tests {', '.join(wanted)}, of which it trains no row")
    elif absent:
        notes.append(f"{fold.name}: trains no row of {', '.join(absent)}")
    return notes


def refuse_hopeless(folds: Sequence[Fold], truth: pd.Series) -> None:
    """
    Raises:
        UserError: if a fold trains one class alone.
    """
    alone = [
        f"{fold.name}: {', '.join(map(str, seen)) or 'no labelled row'}"
        for fold in folds
        if len(seen := sorted(set(truth[fold.train].dropna()))) < 2
    ]
    if alone:
        raise faults("nothing can be told apart where one class alone trains; choose other folds", alone)
