"""What may happen to standardised features before the model: fitted to the training rows, with their classes.

Each is a function (training rows, options) that gives a fitted transformer of scikit-learn's kind.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from emospeech.config.words import Choice, Count, Fraction, Positive
from emospeech.systems.classical.contract import Training, dense


class Clip:
    """Values beyond a bound at the bound; a sparse matrix stays sparse."""

    def __init__(self, at: float) -> None:
        self.at = at

    def transform(self, features: Any) -> Any:
        from scipy.sparse import issparse

        if not issparse(features):
            return np.clip(features, -self.at, self.at)
        clipped = features.copy()
        clipped.data = np.clip(clipped.data, -self.at, self.at)
        return clipped


class Picked:
    """Some features."""

    def __init__(self, places: np.ndarray) -> None:
        self.places = places

    def transform(self, features: Any) -> Any:
        return features[:, self.places]


class Dense:
    """A transformer that takes no sparse matrix, on any."""

    def __init__(self, transformer: Any) -> None:
        self.transformer = transformer

    def transform(self, features: Any) -> Any:
        return self.transformer.transform(dense(features))


def clip(rows: Training, *, at: Positive = 5.0) -> Any:
    """No further than so many standard deviations: a clip that is far off in one feature decides less.

    Source: this project.
    """
    return Clip(at)


def anova(rows: Training, *, keep: Count = 500) -> Any:
    """The features whose means differ most between the classes, by F.

    Source: one-way analysis of variance (Fisher 1925).
    """
    from sklearn.feature_selection import f_classif

    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():  # of constant features
        warnings.simplefilter("ignore", UserWarning)
        values = np.nan_to_num(f_classif(rows.features, rows.classes)[0], nan=0.0)
    return Picked(np.sort(np.argsort(-values, kind="stable")[:keep]))


def pca(rows: Training, *, keep: Count | Fraction = 0.95) -> Any:
    """Principal components: so many, or as many as hold this fraction of the variance.

    Source: Pearson 1901; Hotelling 1933.
    """
    from sklearn.decomposition import PCA

    most = min(rows.features.shape)
    wanted = min(keep, most) if isinstance(keep, int) else keep
    return Dense(PCA(wanted, svd_solver="full", random_state=rows.seed).fit(dense(rows.features)))


def svd(rows: Training, *, keep: Count = 300) -> Any:
    """Truncated singular value decomposition, without centring: of TF-IDF, latent semantic analysis.

    Source: Deerwester et al. 1990.
    """
    from sklearn.decomposition import TruncatedSVD

    most = max(min(rows.features.shape) - 1, 1)
    return TruncatedSVD(min(keep, most), random_state=rows.seed).fit(rows.features)


def length(rows: Training) -> Any:
    """Each row to Euclidean length 1.

    Source: Salton et al. 1975, of texts.
    """
    from sklearn.preprocessing import Normalizer

    return Normalizer()


TRANSFORMS: dict[str, Callable[..., Any]] = {
    "clip": clip,
    "anova": anova,
    "pca": pca,
    "svd": svd,
    "length": length,
}


def fit(transform: Choice, rows: Training) -> Any:
    """The transform that a recipe names."""
    return TRANSFORMS[transform.name](rows, **transform.options)
