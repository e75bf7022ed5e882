"""Whether probabilities mean what they say, and one number that makes them."""

from dataclasses import dataclass

import numpy as np

from emospeech.metrics.statistics import wilson

BINS = 15
GROUPS = 5  # of folds, for a temperature each
LOWEST, HIGHEST = 0.05, 20.0  # temperatures


@dataclass(frozen=True)
class Reliability:
    """Clips in bins of equal width by the probability of the predicted class; bins without clips are left out."""

    ece: float  # expected calibration error, in [0, 1]: mean |accuracy - confidence| over clips
    confidence: tuple[float, ...]  # mean of each bin
    accuracy: tuple[float, ...]
    count: tuple[int, ...]
    low: tuple[float, ...]  # 95 % interval of the accuracy (Wilson 1927), clips taken as independent
    high: tuple[float, ...]
    lower: tuple[float, ...]  # where each bin begins
    width: float  # of a bin


def reliability(chances: np.ndarray, truth: np.ndarray, bins: int = BINS, repeats: int = 1) -> Reliability:
    """Expected calibration error (Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017, arXiv 1706.04599).

    Args:
        chances: probabilities (rows, classes).
        truth: class numbers (rows,).
        repeats: how often each clip is among the rows, as under several seeds: intervals are those of so many clips.

    Raises:
        ValueError: if there are no rows.

    >>> found = reliability(np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]]), np.array([0, 1, 1]))
    >>> round(found.ece, 4), found.count
    (0.4, (1, 2))
    """
    if not len(truth):
        raise ValueError("no rows to calibrate on")
    confidence, hit = chances.max(axis=1), chances.argmax(axis=1) == truth
    # the upper edge belongs to the bin, as in Guo et al.
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    there = count > 0
    sure, right = (
        np.bincount(place, weights=values, minlength=bins)[there] / count[there] for values in (confidence, hit)
    )
    low, high = wilson(right, count[there] / repeats)
    return Reliability(
        ece=float((np.abs(right - sure) * count[there]).sum() / len(truth)),
        confidence=tuple(sure.tolist()),
        accuracy=tuple(right.tolist()),
        count=tuple(count[there].tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        lower=tuple((np.flatnonzero(there) / bins).tolist()),
        width=1 / bins,
    )


def temperature(chances: np.ndarray, truth: np.ndarray) -> float:
    """By what log-probabilities are divided so that the truth is likeliest (Guo et al. 2017): above 1, they were too
    sure of themselves. Decisions stay what they are.

    Args:
        chances: probabilities (rows, classes) by what has not seen the rows.
        truth: class numbers (rows,).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    logs = _logs(chances)

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logs / np.exp(log_temperature), axis=1)
        return float(-scaled[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=(np.log(LOWEST), np.log(HIGHEST)), method="bounded")
    return float(np.exp(found.x))


def tempered(chances: np.ndarray, by: float) -> np.ndarray:
    """p^(1/T), each row's sum 1 again.

    >>> tempered(np.array([[0.8, 0.2]]), 0.5).round(4).tolist()
    [[0.9412, 0.0588]]
    """
    from scipy.special import softmax

    scaled: np.ndarray = softmax(_logs(chances) / by, axis=1)
    return scaled


def cross_tempered(chances: np.ndarray, truth: np.ndarray, folds: np.ndarray) -> np.ndarray | None:
    """Each row by the temperature of rows in other folds, (rows, classes): what calibration is worth on rows that it
    was not fitted to. Folds go together in five groups at most. None of a single fold.

    Args:
        folds: the fold of each row (rows,), of any kind.
    """
    names, codes = np.unique(folds, return_inverse=True)
    if len(names) < 2:
        return None
    group, found = codes % GROUPS, np.empty(chances.shape)
    for number in np.unique(group):
        own = group == number
        found[own] = tempered(chances[own], temperature(chances[~own], truth[~own]))
    return found


def _logs(chances: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.maximum(chances, np.finfo(float).tiny))
    return logs
