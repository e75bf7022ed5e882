"""Which rows are tested together: pure functions from ids, labels and groups to parts.

All of them give the same part to the same row whatever the order of the rows: rows are taken in the order of their ids,
groups in the order of their names. The same seed gives the same parts.
"""

from collections.abc import Sequence

import numpy as np

from emospeech.data import splits
from emospeech.data.manifest import SPLITS
from emospeech.runtime.errors import UserError, some

TRIES = 16  # orders in which groups are dealt; the most even outcome is kept


def k_fold(
    ids: Sequence[str], labels: Sequence[str], groups: Sequence[str] | None, folds: int = 5, seed: int = 0
) -> np.ndarray:
    """The fold (n,) in which each row is tested, from 1; every class as even over the folds as can be.

    Without groups both a class and all rows differ by at most one row between folds. A class of fewer rows than folds
    is in as many folds as it has rows.

    Args:
        groups: those that stay together (speaker, source recording), one a row; None: each row goes where it likes.

    Raises:
        UserError: if there are fewer groups, or rows, than folds.

    >>> k_fold(["a", "b", "c", "d"], ["joy", "joy", "fear", "fear"], ["v", "w", "v", "w"], folds=2).tolist()
    [1, 2, 1, 2]
    """
    if folds < 2:
        raise UserError(f"{folds} folds: two or more are needed, to train on what is not tested")
    if groups is not None:
        return 1 + _dealt(labels, groups, np.full(folds, 1 / folds), f"{folds} folds", seed)
    if len(ids) < folds:
        raise UserError(f"{folds} folds need {folds} rows or more; there are {len(ids)}")
    rows = np.random.default_rng(seed).permutation(_by_id(ids))
    rows = rows[np.argsort(np.asarray(labels, dtype=str)[rows], kind="stable")]
    parts = np.empty(len(rows), dtype=int)
    parts[rows] = 1 + np.arange(len(rows)) % folds  # class after class, like cards
    return parts


def leave_one_out(ids: Sequence[str], labels: Sequence[str], groups: Sequence[str]) -> np.ndarray:
    """The fold (n,) in which each row is tested: one a group, from 1, in the order of the groups' names.

    Raises:
        UserError: if there is but one group.

    >>> leave_one_out(["a", "b", "c"], ["joy", "joy", "fear"], ["s10", "s02", "s10"]).tolist()
    [2, 1, 2]
    """
    names, parts = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < 2:
        raise UserError(f"leaving one out needs two speakers (or groups) or more; there {_counted(names)}")
    return 1 + parts


def hold_out(
    ids: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str] | None,
    dev: float = 0.16,
    test: float = 0.2,
    seed: int = 0,
) -> np.ndarray:
    """`train`, `dev` or `test` (n,), every class as near to these shares as can be; a class of one row trains.

    Args:
        dev, test: shares of all rows; 0: no such part.
        groups: as in `k_fold`.

    Raises:
        UserError: if the shares leave nothing to train on or to test, or there are fewer groups than parts.

    >>> hold_out(list("abcdefghij"), ["joy"] * 10, None, dev=0.2, test=0.3).tolist().count("test")
    3
    """
    if not (dev >= 0 and test >= 0 and 0 < dev + test < 1):
        raise UserError(
            f"shares of {dev:g} for dev and {test:g} for test; each is 0 or more, both together less than 1"
        )
    if groups is not None:
        names = [name for name, share in zip(SPLITS, (1, dev, test), strict=True) if share]
        shares = np.array([share for share in (1 - dev - test, dev, test) if share])
        return np.array(names)[_dealt(labels, groups, shares, f"{len(names)} parts ({', '.join(names)})", seed, True)]
    parts = np.full(len(ids), "train", dtype="<U5")
    left = _by_id(ids)
    values = np.asarray(labels, dtype=str)
    for name, share, of in (("test", test, 1.0), ("dev", dev, 1.0 - test)):
        if share:
            picked = splits.stratified(values[left].tolist(), share / of, seed)
            parts[left[picked]] = name
            left = left[~picked]
            if not picked.any():
                raise UserError(f"{len(ids)} rows are too few for a {name} set of {share:g} of each class")
    return parts


def _by_id(ids: Sequence[str]) -> np.ndarray:
    return np.argsort(np.asarray(ids, dtype=object), kind="stable")


def _counted(names: np.ndarray) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {len(names)}: {some(names.tolist(), 8)}"


def _dealt(
    labels: Sequence[str], groups: Sequence[str], shares: np.ndarray, what: str, seed: int, trains: bool = False
) -> np.ndarray:
    """The part (n,) of each row, from 0: whole groups, classes and sizes as near to the shares as the best try comes.

    Args:
        trains: part 0 trains and the others are tested; else each is tested by what trains on the others.

    Raises:
        UserError: if there are fewer groups than parts.
    """
    names, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if len(names) < len(shares):
        raise UserError(f"{what} need {len(shares)} groups or more; there {_counted(names)}")
    label = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    counts = np.zeros((len(names), label.max() + 2))  # (groups, classes and all rows)
    np.add.at(counts, (group, label), 1)
    counts[:, -1] = counts.sum(axis=1)
    counts /= counts.sum(axis=0)  # shares of each class: a rare one weighs as much as a frequent one
    weight = (counts**2).sum(axis=1)
    rng = np.random.default_rng(seed)

    def attempt() -> np.ndarray:
        """The weightiest groups first, more or less: what is hard to place, such as a rare class, has the choice."""
        return _greedy(counts, np.argsort(-weight * rng.uniform(0.25, 1, len(names))), shares)

    def faults(parts: np.ndarray) -> tuple[int, int, float]:
        """Classes that some training lacks; classes that some test lacks; how far from the shares all classes are."""
        held = _held(counts, parts, len(shares))
        training = held[:1] if trains else 1 - held
        tested = held[1:] if trains else held
        distance = ((held - shares[:, None]) ** 2 / shares[:, None]).sum()
        return int((training < 1e-9).sum()), int((tested < 1e-9).sum()), round(float(distance), 9)

    return min((attempt() for _ in range(TRIES)), key=faults)[group]


def _greedy(counts: np.ndarray, order: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Part of each group (groups,): one group after the other goes where it disturbs the classes' shares least.

    The disturbance is the growth of the sum over parts and classes of held² / share, which is least where each part
    holds just its share; the idea of scikit-learn's StratifiedGroupKFold, for parts of any size.

    Args:
        counts: (groups, classes), each class summing to 1.
    """
    held = np.zeros((len(shares), counts.shape[1]))
    parts = np.empty(len(order), dtype=int)
    for done, group in enumerate(order):
        growth = (2 * held + counts[group]) @ counts[group] / shares
        empty = held[:, -1] == 0
        if len(order) - done <= empty.sum():  # the last groups must fill what is still empty
            growth[~empty] = np.inf
        parts[group] = growth.argmin()
        held[parts[group]] += counts[group]
    return parts


def _held(counts: np.ndarray, parts: np.ndarray, number: int) -> np.ndarray:
    """(parts, classes) from (groups, classes)."""
    held = np.zeros((number, counts.shape[1]))
    np.add.at(held, parts, counts)
    return held
