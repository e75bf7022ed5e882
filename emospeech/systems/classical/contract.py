"""What a model is fitted to, and what it is then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Training:
    """Rows to fit to. Every class has one at least, and there are two classes or more."""

    features: Any  # (rows, D) float64: an array, or a sparse matrix (CSR)
    classes: np.ndarray  # (rows,) 0 … count - 1
    groups: Sequence[str] | None  # what an inner part must not share with the rest, one a row
    seed: int

    @property
    def count(self) -> int:
        return int(self.classes.max()) + 1


class Fitted(Protocol):
    def chances(self, features: Any) -> np.ndarray:
        """Probabilities (rows, classes), float64, for features (rows, D) as those of the training."""

    def scores(self, features: Any) -> np.ndarray:
        """Logits (rows, classes), float64: their softmax are the probabilities, but for those that are next to 0."""


def dense(features: Any) -> np.ndarray:
    """For models that take no sparse matrix."""
    from scipy.sparse import issparse

    return features.toarray() if issparse(features) else features


def softmax(scores: np.ndarray) -> np.ndarray:
    """Over the last axis.

    >>> softmax(np.array([[0.0, np.log(3)]])).round(2).tolist()
    [[0.25, 0.75]]
    """
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
