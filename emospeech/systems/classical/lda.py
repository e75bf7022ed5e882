"""Linear discriminant analysis with a shrunken covariance, solved among the rows where there are more features."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from emospeech.systems.classical.contract import Training, dense, softmax


@dataclass(frozen=True)
class Lda:
    """Logits are `features @ weights + offsets`."""

    weights: np.ndarray  # (D, classes)
    offsets: np.ndarray  # (classes,)

    def chances(self, features: Any) -> np.ndarray:
        """See `Fitted.chances`."""
        return softmax(self.scores(features))

    def scores(self, features: Any) -> np.ndarray:
        """See `Fitted.scores`."""
        found: np.ndarray = dense(features) @ self.weights + self.offsets
        return found


def fit(rows: Training, shrinkage: float | Literal["auto"], balanced: bool) -> Lda:
    """Classes of one covariance, (1 - a) S + a tr(S) / D I, where S is that of the rows about their class means.

    With weights W = covariance^-1 means, class k has the logit x W_k - mean_k W_k / 2 + log prior_k (Hastie et al.
    2009, eq. 4.10).

    Args:
        shrinkage: a; auto: `ledoit_wolf`.
        balanced: all classes are as probable; else as their share of the rows.
    """
    features = dense(rows.features)
    counts = np.bincount(rows.classes)
    means = np.zeros((rows.count, features.shape[1]))
    np.add.at(means, rows.classes, features)
    means /= counts[:, None]
    about = features - means[rows.classes]
    a = ledoit_wolf(about) if shrinkage == "auto" else shrinkage
    weights = _solved(about, a, means.T)
    priors = np.zeros(rows.count) if balanced else np.log(counts / counts.sum())
    return Lda(weights, priors - 0.5 * np.einsum("kd,dk->k", means, weights))


def _solved(about: np.ndarray, shrinkage: float, right: np.ndarray) -> np.ndarray:
    """covariance^-1 right (D, k); of the least norm where the covariance has no inverse."""
    count, width = about.shape
    own, ridge = (1 - shrinkage) / count, shrinkage * (about**2).sum() / count / width
    if ridge <= 0 or own <= 0 or width <= count:
        covariance = own * about.T @ about + ridge * np.eye(width)
        return np.linalg.lstsq(covariance, right, rcond=None)[0] if ridge <= 0 else np.linalg.solve(covariance, right)
    # (ridge I + own A'A)^-1 = (I - A' (ridge / own I + A A')^-1 A) / ridge (Woodbury 1950): one row and column a clip
    inner = np.linalg.solve(about @ about.T + ridge / own * np.eye(count), about @ right)
    found: np.ndarray = (right - about.T @ inner) / ridge
    return found


def ledoit_wolf(centred: np.ndarray) -> float:
    """The shrinkage towards tr(S) / D I that is best in expectation (Ledoit and Wolf 2004), of rows (n, D) of mean 0.

    Of S = A'A / n alone the trace and the norm are needed, which A A' has, too.
    """
    count, width = centred.shape
    inner = centred @ centred.T
    lengths = np.diag(inner)
    mean, norm = lengths.sum() / count / width, (inner**2).sum() / count**2
    off = norm / width - mean**2  # how far S is from the target
    noise = ((lengths**2).sum() / count - norm) / count / width
    return float(np.clip(noise / off, 0, 1)) if off > 0 else 1.0
