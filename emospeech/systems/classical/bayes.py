"""Naive Bayes by what a class is not: steadier than the usual one where classes are of very different sizes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.config.words import Positive
from emospeech.runtime.errors import UserError
from emospeech.systems.classical.contract import Training, softmax


@dataclass(frozen=True)
class Complement:
    """Logits are `features @ weights`."""

    weights: np.ndarray  # (D, classes)

    def chances(self, features: Any) -> np.ndarray:
        """See `Fitted.chances`."""
        return softmax(self.scores(features))

    def scores(self, features: Any) -> np.ndarray:
        """See `Fitted.scores`."""
        found: np.ndarray = features @ self.weights
        return found


def complement_bayes(rows: Training, *, smoothing: Positive = 0.3) -> Complement:
    """Naive Bayes on counts or TF-IDF, each class by what all others' rows have; `smoothing` is added to each sum.

    Source: Rennie et al. 2003, their complement naive Bayes (without the normalisation of weights).
    """
    if rows.features.min() < 0:
        raise UserError(
            "complement_bayes takes counts or TF-IDF, but a feature is negative (standardised ones are, and `style`, "
            "`svd`, `pca`); give its member the others alone, as features: [tfidf]"
        )
    members = np.eye(rows.count)[rows.classes]
    own = rows.features.T @ members  # (D, classes)
    others = own.sum(axis=1, keepdims=True) - own + smoothing
    return Complement(-np.log(others / others.sum(axis=0)))
