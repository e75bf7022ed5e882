"""The fold loop: fit on some rows, predict the others, until each has been predicted by what has not seen it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.data import splits
from emospeech.data.folds.assign import k_fold
from emospeech.runtime.errors import UserError
from emospeech.systems.base import MAIN_TASK, System


def inner_folds(train: pd.DataFrame, folds: int, by: str, seed: int) -> np.ndarray:
    """The fold (n,) of each training row, from 1; as many as asked for, or as there are groups if those are fewer.

    Args:
        by: what is kept together: `group`, `speaker`, `none`, or `auto`: what is known of them, group first.

    Raises:
        UserError: if there is but one group.
    """
    groups = splits.group_column(train, by)
    if groups is None and by in ("group", "speaker"):
        raise UserError(f"inner folds by {by}, but no training row has a {by}")
    names = None if groups is None else groups.tolist()
    count = folds if names is None else min(folds, len(set(names)))
    if count < 2:
        raise UserError("inner folds need two groups or more, and all training rows are of one")
    labels = train[MAIN_TASK].fillna("").tolist()
    return k_fold(train["id"].tolist(), labels, names, count, seed)


def predicted(
    make: Callable[[], System], train: pd.DataFrame, left_out: np.ndarray, by: str, folder: Path
) -> pd.DataFrame:
    """Predictions of the rows that are left out, in their order, by a system made afresh that has seen the others.

    Args:
        left_out: bool (rows,).
        by: what is kept together, where a dev set is picked out of the others.
        folder: for working files.
    """
    system = make()
    rest, test = train[~left_out].reset_index(drop=True), train[left_out].reset_index(drop=True)
    dev = None
    if system.needs_dev:
        rest, dev = with_dev(rest, system.recipe.data.split.dev_fraction, by, system.recipe.data.split.seed)
    system.fit(rest, dev, folder)
    return system.predict(test)


def with_dev(train: pd.DataFrame, fraction: float, by: str, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training rows, and a dev set out of them, as `dev_of` picks it.

    Raises:
        UserError: if none can be picked.
    """
    try:
        picked = dev_of(train, fraction, by, seed)
    except ValueError as error:
        raise UserError(f"a dev set out of {len(train)} training rows: {error}; allow it with by: none") from None
    return train[~picked].reset_index(drop=True), train[picked].reset_index(drop=True)


def dev_of(pool: pd.DataFrame, fraction: float, by: str, seed: int) -> np.ndarray:
    """Which rows are to steer, bool (rows,): of those with a main label about this fraction, stratified.

    Args:
        by: what is kept together: `group`, `speaker`, `none`, or `auto`: what is known of them, group first. Rows
            without a main label follow theirs.

    Raises:
        ValueError: if no row has a label, or what is to be kept together, or all rows are of one group.
    """
    there = pool[MAIN_TASK].notna().to_numpy(dtype=bool)
    known = pool[there]
    if not len(known):
        raise ValueError("no row has a label, so none can steer")
    groups = splits.group_column(known, by)
    if groups is None and by in ("group", "speaker"):
        raise ValueError(f"they are to be kept apart by {by}, but no row to split has a {by}")
    labels = known[MAIN_TASK].tolist()
    if groups is None:
        drawn = splits.stratified(labels, fraction, seed)
    else:
        drawn = splits.stratified_by_group(labels, groups.tolist(), fraction, seed)
    picked = np.zeros(len(pool), dtype=bool)
    picked[there] = drawn
    if groups is not None:
        picked |= ~there & pool[groups.name].isin(set(groups[drawn])).to_numpy(dtype=bool)
    return picked
