"""Several systems' probabilities as one answer.

What is fitted (weights, a stacker) is fitted to out-of-fold predictions alone, by what has not seen their rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.metrics.scores import confusion_matrix, macro_f1
from emospeech.runtime.errors import UserError

PICKS = 20  # members that greedy selection takes, each as often as it helps
SMALL = 1e-6
Combine = Callable[[np.ndarray], np.ndarray]  # (members, rows, classes) -> (rows, classes)


@dataclass(frozen=True)
class Way:
    """A way to combine."""

    fit: Callable[[np.ndarray, np.ndarray, int], Combine]  # out-of-fold probabilities, truth (rows,), seed
    fitted: bool  # whether it needs them
    about: str


def mean(chances: np.ndarray) -> np.ndarray:
    """Mean probabilities."""
    averaged: np.ndarray = chances.mean(axis=0)
    return averaged


def rank_mean(chances: np.ndarray) -> np.ndarray:
    """Mean over members of each row's rank among all rows, class by class, as shares: whatever the members' scales.

    What comes together has a say: it ranks rows among each other. Ties have their mean rank.
    """
    from scipy.stats import rankdata

    ranks = rankdata(chances, axis=1).mean(axis=0) / chances.shape[1]
    shares: np.ndarray = ranks / ranks.sum(axis=1, keepdims=True)
    return shares


def majority(chances: np.ndarray) -> np.ndarray:
    """Shares of the members' votes; of equals the one of the higher mean probability."""
    votes = np.eye(chances.shape[2])[chances.argmax(axis=2)].mean(axis=0)
    shares: np.ndarray = (1 - SMALL) * votes + SMALL * mean(chances)
    return shares


def greedy(chances: np.ndarray, truth: np.ndarray, seed: int = 0) -> Combine:
    """Greedy selection with replacement (Caruana et al. 2004): the member whose addition serves macro-F1 most, again
    and again; the mean of those until the best point."""
    classes, total = chances.shape[2], np.zeros(chances.shape[1:])
    picked: list[int] = []
    reached: list[float] = []
    for _ in range(PICKS):
        found = [macro_f1(confusion_matrix(truth, (total + one).argmax(axis=1), classes)) for one in chances]
        picked.append(int(np.argmax(found)))
        total = total + chances[picked[-1]]
        reached.append(float(max(found)))
    weights = np.bincount(picked[: int(np.argmax(reached)) + 1], minlength=len(chances)).astype(float)
    return weighted(weights / weights.sum())


def weighted(weights: np.ndarray) -> Combine:
    """The mean of members by weights (members,)."""
    return lambda chances: np.tensordot(weights, chances, axes=1)


def stacking(chances: np.ndarray, truth: np.ndarray, seed: int = 0, class_weight: str | None = None) -> Combine:
    """A multinomial logistic regression on the members' log-probabilities (Wolpert 1992), its strength of
    regularisation by inner folds. A class without rows is never answered by it.

    Raises:
        UserError: if all rows are of one class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(set(truth.tolist())) == 1:
        raise UserError(
            "too few rows of the rarer classes for stacking: where some folds are left out, one class alone is left; "
            "take another way, as mean or greedy"
        )
    rarest = int(np.bincount(truth)[np.unique(truth)].min())
    model: Any = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.03, max_iter=2000, class_weight=class_weight, random_state=seed)
    )
    if rarest >= 2:
        folds = StratifiedKFold(min(5, rarest), shuffle=True, random_state=seed)
        model = GridSearchCV(model, {"logisticregression__C": [0.003, 0.03, 0.3]}, scoring="f1_macro", cv=folds)
    model.fit(_laid_out(chances), truth)

    def combine(others: np.ndarray) -> np.ndarray:
        found = np.zeros(others.shape[1:])
        found[:, model.classes_] = model.predict_proba(_laid_out(others))
        return found

    return combine


def balanced_stacking(chances: np.ndarray, truth: np.ndarray, seed: int = 0) -> Combine:
    """`stacking` to which each class counts the same."""
    return stacking(chances, truth, seed, "balanced")


def _laid_out(chances: np.ndarray) -> np.ndarray:
    """(members, rows, classes) -> log-probabilities (rows, members x classes)."""
    logs = np.log(np.maximum(chances, SMALL))
    laid: np.ndarray = logs.transpose(1, 0, 2).reshape(chances.shape[1], -1)
    return laid


WAYS: Mapping[str, Way] = {
    "mean": Way(lambda *_: mean, False, "mean probabilities"),
    "rank_mean": Way(lambda *_: rank_mean, False, "mean ranks, whatever the members' scales"),
    "majority": Way(lambda *_: majority, False, "most votes"),
    "greedy": Way(greedy, True, "the mean of members picked for macro-F1, some more than once"),
    "stacking": Way(stacking, True, "logistic regression on log-probabilities"),
    "balanced_stacking": Way(balanced_stacking, True, "the same, each class counting the same"),
}
