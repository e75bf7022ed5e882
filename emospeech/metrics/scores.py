"""Classification scores, macro-F1 first: it decides the EmoSPeech challenge.

A class that neither occurs nor is predicted is left out of the mean, as in scikit-learn's `f1_score(average="macro")`,
which the organisers score with; one that occurs and is never hit counts as 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Scores:
    """Scores of one set of predictions; all but `support`, `confusion` and `count` are in [0, 1]."""

    labels: tuple[str, ...]
    macro_f1: float
    weighted_f1: float
    uar: float  # unweighted average recall over the labels that occur = balanced accuracy
    accuracy: float
    precision: tuple[float, ...]  # per class, in the order of `labels`, like the next three
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    support: tuple[int, ...]
    confusion: tuple[tuple[int, ...], ...]  # row: truth, column: prediction
    count: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def score(truth: Sequence[str], prediction: Sequence[str], labels: Sequence[str]) -> Scores:
    """All scores of `prediction` against `truth`, over the given label order.

    Raises:
        ValueError: if the lengths differ, there is nothing to score, or a label is not among `labels`.

    >>> s = score(["joy", "joy", "fear"], ["joy", "fear", "fear"], ["joy", "fear"])
    >>> round(s.macro_f1, 4), round(s.uar, 4), s.confusion
    (0.6667, 0.75, ((1, 1), (0, 1)))
    """
    if len(truth) != len(prediction):
        raise ValueError(f"{len(truth)} true labels but {len(prediction)} predicted ones")
    if not len(truth):
        raise ValueError("nothing to score: no rows")
    confusion = confusion_matrix(encode(truth, labels), encode(prediction, labels), len(labels))
    precision, recall, f1 = per_class(confusion)
    support = confusion.sum(axis=1)
    return Scores(
        labels=tuple(labels),
        macro_f1=float(macro_f1(confusion)),
        weighted_f1=float(weighted_f1(confusion)),
        uar=float(uar(confusion)),
        accuracy=float(accuracy(confusion)),
        precision=tuple(precision.tolist()),
        recall=tuple(recall.tolist()),
        f1=tuple(f1.tolist()),
        support=tuple(support.tolist()),
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        count=int(support.sum()),
    )


def encode(values: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Labels as integers (n,).

    Raises:
        ValueError: if a value is not among `labels`.
    """
    index = {label: k for k, label in enumerate(labels)}
    unknown = sorted({str(value) for value in values if value not in index})
    if unknown:
        raise ValueError(f"unknown label {', '.join(map(repr, unknown))}; known: {', '.join(labels)}")
    return np.array([index[value] for value in values], dtype=np.int64)


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes), row: truth, column: prediction."""
    return np.bincount(truth * classes + prediction, minlength=classes * classes).reshape(classes, classes)


def per_class(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class from confusions (…, classes, classes); 0 where undefined."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    truth, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)

    def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
        return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

    return ratio(hits, predicted), ratio(hits, truth), ratio(2 * hits, (truth + predicted).astype(float))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of confusions (…, classes, classes) over the classes that occur or are predicted in each.

    >>> macro_f1(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])).round(3).item()
    0.733
    """
    present = confusion.sum(axis=-1) + confusion.sum(axis=-2) > 0
    mean: np.ndarray = per_class(confusion)[2].sum(axis=-1) / present.sum(axis=-1)
    return mean


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """Mean F1 of confusions (…, classes, classes), each class weighing as much as it occurs."""
    support = confusion.sum(axis=-1)
    mean: np.ndarray = (per_class(confusion)[2] * support).sum(axis=-1) / support.sum(axis=-1)
    return mean


def uar(confusion: np.ndarray) -> np.ndarray:
    """Mean recall of confusions (…, classes, classes) over the classes that occur in each."""
    occurs = confusion.sum(axis=-1) > 0
    mean: np.ndarray = per_class(confusion)[1].sum(axis=-1) / occurs.sum(axis=-1)
    return mean


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of the clips of confusions (…, classes, classes) that are right."""
    share: np.ndarray = np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))
    return share


# name -> confusions (…, classes, classes) to values (…)
METRICS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "macro_f1": macro_f1,
    "weighted_f1": weighted_f1,
    "uar": uar,
    "accuracy": accuracy,
}


def chance_macro_f1(truth: Sequence[str], labels: Sequence[str]) -> float:
    """Macro-F1 of the confusion that is expected of who guesses each of k labels equally often.

    Of n rows, n_c of class c, precision is n_c / n and recall 1 / k. All labels are guessed, so all are in the mean.

    >>> chance_macro_f1(["joy", "joy", "fear", "fear"], ["joy", "fear"])
    0.5
    """
    support = np.bincount(encode(truth, labels), minlength=len(labels))
    return float(macro_f1(np.repeat(support[:, None] / len(labels), len(labels), axis=1)))
