"""Who trains, who steers, who tests: pure functions from a manifest to a column `split`."""

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

    Raises:
        ValueError: if there is only one group.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    distinct = len(set(groups))
    if distinct < 2:
        raise ValueError("all rows belong to one group, so nothing can be set apart from it")
    folds = min(max(round(1 / fraction), 2), distinct)
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    everything = splitter.split(np.zeros(len(labels)), np.asarray(labels), np.asarray(groups))
    # of all folds, the one whose size is nearest to what was asked
    best = min((rows for _, rows in everything), key=lambda rows: abs(len(rows) - fraction * len(labels)))
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
