"""The models: each a function (training rows, options) that gives what was fitted. Options are keyword-only."""

import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from emospeech.config.words import Choice, Count, Fraction, Positive, Probability
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.systems.classical.bayes import complement_bayes
from emospeech.systems.classical.contract import Fitted, Training, softmax

ClassWeight = Literal["balanced", "none"]  # balanced: each class counts the same as a whole
Depth = Count | None
Width = Count
LEAST = 1e-6  # probability of which a score is made: below, trees know no difference


class ByProbability:
    """An estimator of scikit-learn's kind that gives probabilities."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def chances(self, features: Any) -> np.ndarray:
        """See `Fitted.chances`."""
        found = np.asarray(self.estimator.predict_proba(features), dtype=np.float64)
        return found / found.sum(axis=1, keepdims=True)  # xgboost's are float32

    def scores(self, features: Any) -> np.ndarray:
        """See `Fitted.scores`."""
        return np.log(np.maximum(self.chances(features), LEAST))


class ByDecision:
    """One that gives decision values: their softmax, the largest of which is its own choice."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def chances(self, features: Any) -> np.ndarray:
        """See `Fitted.chances`."""
        return softmax(self.scores(features))

    def scores(self, features: Any) -> np.ndarray:
        """See `Fitted.scores`; of two classes, the second's value is against 0."""
        found: np.ndarray = self.estimator.decision_function(features)
        return np.column_stack([np.zeros(len(found)), found]) if found.ndim == 1 else found


def logistic_regression(
    rows: Training, *, c: Positive = 1.0, class_weight: ClassWeight = "balanced", iterations: Count = 2000
) -> Fitted:
    """Multinomial, with an L2 penalty of 1 / c.

    Source: Hastie et al. 2009, sec. 4.4.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, class_weight=_weight(class_weight), max_iter=iterations)
    return ByProbability(_fitted(model, rows))


def svm_linear(
    rows: Training, *, c: Positive = 1.0, class_weight: ClassWeight = "balanced", iterations: Count = 10_000
) -> Fitted:
    """Linear support vector machine, each class against the rest, squared hinge loss.

    Source: Fan et al. 2008 (LIBLINEAR).
    """
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=c, class_weight=_weight(class_weight), max_iter=iterations, random_state=rows.seed)
    return ByDecision(_fitted(model, rows))


def svm_rbf(
    rows: Training, *, c: Positive = 1.0, gamma: Positive = 1.0, class_weight: ClassWeight = "balanced"
) -> Fitted:
    """Support vector machine with a Gaussian kernel; gamma in units of 1 / (features x variance).

    That is scikit-learn's `scale`. Each two classes have a vote; among equals the decision values decide.

    Source: Cortes and Vapnik 1995; Chang and Lin 2011 (LIBSVM).
    """
    from sklearn.svm import SVC

    unit = 1 / max(rows.features.shape[1] * _variance(rows.features), np.finfo(float).tiny)
    model = SVC(C=c, gamma=gamma * unit, class_weight=_weight(class_weight), break_ties=True)
    return ByDecision(_fitted(model, rows))


def lda(
    rows: Training, *, shrinkage: Probability | Literal["auto"] = "auto", class_weight: ClassWeight = "balanced"
) -> Fitted:
    """Linear discriminant analysis with a shrunken covariance; auto: by as much as is best in expectation.

    Source: Friedman 1989 (regularised); Ledoit and Wolf 2004 (auto).
    """
    from emospeech.systems.classical.lda import fit as analysed

    return analysed(rows, shrinkage, class_weight == "balanced")


def neighbours(rows: Training, *, k: Count = 5, metric: Literal["euclidean", "cosine"] = "euclidean") -> Fitted:
    """The labels of the nearest training rows, weighted by 1 / distance.

    Source: Cover and Hart 1967.
    """
    from sklearn.neighbors import KNeighborsClassifier

    near = min(k, len(rows.classes))
    return ByProbability(_fitted(KNeighborsClassifier(near, weights="distance", metric=metric), rows))


def random_forest(
    rows: Training, *, trees: Count = 100, depth: Depth = None, class_weight: ClassWeight = "balanced"
) -> Fitted:
    """Trees on rows and features that are drawn; the mean of what they say.

    Source: Breiman 2001.
    """
    from sklearn.ensemble import RandomForestClassifier

    weight = _weight(class_weight)
    return ByProbability(
        _fitted(RandomForestClassifier(trees, max_depth=depth, class_weight=weight, random_state=rows.seed), rows)
    )


def extra_trees(
    rows: Training, *, trees: Count = 100, depth: Depth = None, class_weight: ClassWeight = "balanced"
) -> Fitted:
    """A random forest whose thresholds are drawn, too.

    Source: Geurts et al. 2006.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    weight = _weight(class_weight)
    return ByProbability(
        _fitted(ExtraTreesClassifier(trees, max_depth=depth, class_weight=weight, random_state=rows.seed), rows)
    )


def xgboost(
    rows: Training,
    *,
    trees: Count = 100,
    depth: Count = 6,
    lr: Positive = 0.3,
    bins: Annotated[int, Field(ge=2)] = 256,
    class_weight: ClassWeight = "balanced",
) -> Fitted:
    """Gradient-boosted trees.

    Source: Chen and Guestrin 2016 (arXiv 1603.02754).
    """
    from sklearn.utils.class_weight import compute_sample_weight
    from xgboost import XGBClassifier

    model = XGBClassifier(
        n_estimators=trees, max_depth=depth, learning_rate=lr, max_bin=bins, n_jobs=1, random_state=rows.seed
    )
    weights = compute_sample_weight("balanced", rows.classes) if class_weight == "balanced" else None
    return ByProbability(model.fit(rows.features, rows.classes, sample_weight=weights))


def mlp(
    rows: Training,
    *,
    widths: Sequence[Width] = (512, 256, 256),
    activation: Literal["relu", "gelu", "tanh"] = "relu",
    batch_norm: bool = False,
    dropout: Fraction | Literal[0] = 0,
    lr: Positive = 1e-3,
    epochs: Count = 1000,
    patience: Count = 50,
    inner_fraction: Fraction = 0.2,
    refit: bool = True,
    class_weight: ClassWeight = "balanced",
) -> Fitted:
    """Layers of Linear and activation; full batch, Adam, stopped early by an inner part of the training rows.

    The part shares no recording or else no speaker with the rest. `refit`: then afresh on all rows, for as long.

    Source: the widths by default are of the multitask net of Mares et al. 2025.
    """
    from emospeech.systems.classical import nets

    if batch_norm and len(rows.classes) < 3:
        raise UserError(f"batch norm needs more than the {len(rows.classes)} training rows there are")
    shape = nets.Shape(tuple(widths), activation, batch_norm, float(dropout))
    return nets.fit(rows, shape, nets.Plan(lr, epochs, patience, inner_fraction, refit, class_weight == "balanced"))


def net_plain(
    rows: Training,
    *,
    width: Count = 100,
    lr: Positive = 1e-3,
    epochs: Count = 1000,
    patience: Count = 50,
    class_weight: ClassWeight = "balanced",
) -> Fitted:
    """Three layers of one width; full batch, where the published one takes batches of 25 at a tenth of the lr.

    Source: the published EMO-DB baselines.
    """
    return mlp(rows, widths=[width] * 3, lr=lr, epochs=epochs, patience=patience, class_weight=class_weight)


def net_batch_norm(
    rows: Training,
    *,
    width: Count = 100,
    dropout: Fraction | Literal[0] = 0,
    lr: Positive = 1e-3,
    epochs: Count = 1000,
    patience: Count = 50,
    class_weight: ClassWeight = "balanced",
) -> Fitted:
    """`net_plain` with batch norm after each Linear.

    Source: the published EMO-DB baselines; Ioffe and Szegedy 2015 (arXiv 1502.03167).
    """
    return mlp(
        rows, widths=[width] * 3, batch_norm=True, dropout=dropout, lr=lr, epochs=epochs, patience=patience,
        class_weight=class_weight,
    )  # fmt: skip


def net_batch_norm_dropout(
    rows: Training,
    *,
    width: Count = 100,
    dropout: Fraction = 0.1,
    lr: Positive = 1e-3,
    epochs: Count = 1000,
    patience: Count = 50,
    class_weight: ClassWeight = "balanced",
) -> Fitted:
    """`net_batch_norm` with dropout.

    Source: the published EMO-DB baselines.
    """
    return net_batch_norm(
        rows, width=width, dropout=dropout, lr=lr, epochs=epochs, patience=patience, class_weight=class_weight
    )


MODELS: dict[str, Callable[..., Fitted]] = {
    "logistic_regression": logistic_regression,
    "svm_linear": svm_linear,
    "svm_rbf": svm_rbf,
    "lda": lda,
    "complement_bayes": complement_bayes,
    "neighbours": neighbours,
    "random_forest": random_forest,
    "extra_trees": extra_trees,
    "xgboost": xgboost,
    "mlp": mlp,
    "net_plain": net_plain,
    "net_batch_norm": net_batch_norm,
    "net_batch_norm_dropout": net_batch_norm_dropout,
}


def fit(model: Choice, rows: Training) -> Fitted:
    """The model that a recipe names."""
    return MODELS[model.name](rows, **model.options)


def _weight(class_weight: str) -> str | None:
    return None if class_weight == "none" else class_weight


def _fitted(estimator: Any, rows: Training) -> Any:
    """A scikit-learn estimator; that it stopped before its end is said, once."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        fitted = estimator.fit(rows.features, rows.classes)
    if any(issubclass(one.category, ConvergenceWarning) for one in caught):
        say(f"note: {type(estimator).__name__} has not converged; raise its iterations, or lower c")
    return fitted


def _variance(features: Any) -> float:
    """Of all values; of a sparse matrix, without making it dense."""
    from scipy.sparse import issparse

    if not issparse(features):
        return float(features.var())
    return float(features.multiply(features).mean() - features.mean() ** 2)
