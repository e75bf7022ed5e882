"""Prediction files of several systems, read as one array, and the labels of their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.outputs import sources, submission
from emospeech.outputs.sources import Source
from emospeech.runtime.errors import UserError, faults, some
from emospeech.runtime.errors import faults_of as faults_in

SUMS = 1e-3  # how far a row's probabilities may be from 1


@dataclass(frozen=True)
class Members:
    """Several files about the same rows."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    chances: np.ndarray  # (members, rows, classes)
    folds: tuple[str, ...] | None = None  # of each row, where all files tell the same
    at_odds: bool = False  # they tell different ones

    def in_order(self) -> "Members":
        """Rows by id, classes by name: so that nothing that is drawn or fitted depends on the order of a file."""
        rows, classes = np.argsort(self.ids), np.argsort(self.labels)
        return Members(
            self.names,
            tuple(self.ids[k] for k in rows),
            tuple(self.labels[k] for k in classes),
            self.chances[:, rows][..., classes],
            None if self.folds is None else tuple(self.folds[k] for k in rows),
            self.at_odds,
        )


def read(paths: Sequence[Source]) -> Members:
    """Files with id, label and p_<class> …, or what gives such, in the order of the first one's rows and classes.

    Raises:
        UserError: if one has no probabilities, or they are about other rows or classes.
    """
    submission.require_different([path for path in paths if isinstance(path, Path)])
    frames = [sources.predictions(path) for path in paths]
    own = [_probabilities(path, frame) for path, frame in zip(paths, frames, strict=True)]
    first, ids = own[0], frames[0]["id"].tolist()
    for path, frame, one in zip(paths, frames, own, strict=True):
        if wrong := submission.faults_of(frame, ids, list(one.columns)):
            raise faults(f"{path} and {paths[0]}, here the table, are not about the same rows", wrong)
        if set(one.columns) != set(first.columns):
            raise UserError(
                f"{path} tells {', '.join(one.columns)} apart, {paths[0]} {', '.join(first.columns)}; an ensemble "
                "needs the same classes"
            )
    chances = np.stack([one.loc[ids, list(first.columns)].to_numpy() for one in own])
    told = [tuple(frame.set_index("id")["fold"].loc[ids]) if "fold" in frame else None for frame in frames]
    parts = {one and tuple(pd.factorize(np.asarray(one))[0].tolist()) for one in told}  # folds have names of their own
    same = told[0] if len(parts) == 1 else None
    return Members(tuple(map(str, paths)), tuple(ids), tuple(first.columns), chances, same, len(parts) > 1)


def _probabilities(path: Source, frame: pd.DataFrame) -> pd.DataFrame:
    """Class -> probability, by id."""
    columns = frame.columns.tolist()
    further = tuple(f"p_{task}_" for task in columns if any(name.startswith(f"p_{task}_") for name in columns))
    named = [name for name in columns if name.startswith("p_") and not name.startswith(further)]
    if not named:
        raise UserError(f"{path} has no probabilities (p_<class> …), which an ensemble is made of")
    if len(named) < 2:
        raise UserError(f"{path} tells one class alone ({named[0].removeprefix('p_')}); an ensemble needs two")
    values = frame.set_index("id")[named].apply(pd.to_numeric, errors="coerce")
    off = values.isna().any(axis=1) | (values < 0).any(axis=1) | ((values.sum(axis=1) - 1).abs() > SUMS)
    if off.any():
        raise UserError(
            f"{path}: of {off.sum()} rows the probabilities are no numbers from 0 to 1 that sum to 1: "
            f"{some(values.index[off].tolist())}"
        )
    values = values.rename(columns=lambda name: name.removeprefix("p_"))
    if wrong := submission.faults_of(frame, list(dict.fromkeys(frame["id"])), list(values.columns)):
        raise faults_in(path, wrong)
    return values


def truth_of(members: Members, gold: Path, by: str | None) -> tuple[list[str], list[str] | None]:
    """True labels of the members' rows, and the groups whose rows are kept together.

    Raises:
        UserError: if the gold table does not tell them.
    """
    known = submission.read_gold(gold).set_index("id")
    if lacking := [id for id in members.ids if id not in known.index]:
        raise UserError(f"{gold} has no row for {len(lacking)} ids of {members.names[0]}: {some(lacking)}")
    rows = known.loc[list(members.ids)]
    if unlabelled := rows.index[rows["label"] == ""].tolist():
        raise UserError(f"{gold} has no label for {len(unlabelled)} ids of {members.names[0]}: {some(unlabelled)}")
    if strange := sorted(set(rows["label"]) - set(members.labels)):
        raise UserError(f"{gold}: the members know no label {', '.join(map(repr, strange))}")
    if len(set(rows["label"])) == 1:
        raise UserError(f"{gold}: all {len(rows)} rows are {rows['label'].iloc[0]}; what is fitted needs two classes")
    groups = None if by is None else submission.together(rows.reset_index(), by, gold)
    return rows["label"].tolist(), groups
