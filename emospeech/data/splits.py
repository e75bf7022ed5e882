"""Who trains, who steers, who tests: pure functions from a manifest to a column `split`."""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd


def stratified(labels: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """A boolean mask (n,) that picks this fraction of each class, and at least one of each that has two or more.

    >>> picked = stratified(["joy"] * 8 + ["fear"] * 2, 0.25, seed=0)
    >>> picked[:8].sum().item(), picked[8:].sum().item()
    (2, 1)
    """
    rng = np.random.default_rng(seed)
    values = np.asarray(labels, dtype=object)
    picked = np.zeros(len(values), dtype=bool)
    for label in sorted(set(values)):
        rows = np.flatnonzero(values == label)
        count = max(round(len(rows) * fraction), 1) if len(rows) > 1 else 0
        picked[rng.permutation(rows)[: min(count, len(rows) - 1)]] = True
    return picked


def stratified_by_group(labels: Sequence[str], groups: Sequence[str], fraction: float, seed: int) -> np.ndarray:
    """The same, but a group (speaker, source recording) is never on both sides; classes as even as that allows.

    The fraction is met as nearly as one of 1/2, 1/3, … can, or 1 less one of these.

    Raises:
        ValueError: if there is only one group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    distinct = len(set(groups))
    if distinct < 2:
        raise ValueError("all rows belong to one group, so nothing can be set apart from it")
    if fraction > 0.5:
        return ~stratified_by_group(labels, groups, 1 - fraction, seed)
    values = np.asarray(labels, dtype=str)
    classes, counts = np.unique(values, return_counts=True)
    folds = max(min(round(1 / fraction), distinct, counts.max()), 2)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)

    def misses(fold: tuple[np.ndarray, np.ndarray]) -> tuple[int, float]:
        """Classes that lose their last row to the fold; then how far its size is from what was asked."""
        rest, chosen = fold
        return len(classes) - len(np.unique(values[rest])), abs(len(chosen) - fraction * len(labels))

    with warnings.catch_warnings():  # that a class has fewer rows than there are folds
        warnings.simplefilter("ignore", UserWarning)
        best = min(splitter.split(np.zeros(len(values)), values, np.asarray(groups)), key=misses)[1]
    picked = np.zeros(len(labels), dtype=bool)
    picked[best] = True
    return picked


def group_column(manifest: pd.DataFrame, disjoint: str) -> pd.Series | None:
    """The groups that must stay together, one a row, or None. A row without one is a group of its own.

    Args:
        manifest: the rows to split.
        disjoint: `group`, `speaker`, `none`, or `auto`: group where known, else speaker where known.
    """
    names = {"auto": ("group", "speaker"), "none": ()}.get(disjoint, (disjoint,))
    for name in names:
        if manifest[name].notna().any():
            return manifest[name].fillna("row " + manifest["id"])
    return None
