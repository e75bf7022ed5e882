"""What is added to each class's log-probability so that macro-F1, and not accuracy, is what a decision serves.

A rare class is right to be guessed more often than its probability says, as macro-F1 gives each class the same weight
(Lipton et al. 2014, arXiv 1402.1892: the threshold that is best for F1 is half of the best F1, which differs by class).
All rules are fitted to probabilities by what has not seen the rows: out-of-fold predictions.
"""

from collections.abc import Callable, Mapping

import numpy as np

from emospeech.metrics.scores import confusion_matrix, macro_f1

STEPS = np.linspace(-2.0, 2.0, 21)
SHARES = np.linspace(0.0, 1.5, 16)
ROUNDS = 3
RARE = 10.0  # rows of a class at which half of its offset is believed


def best(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Offsets (classes,) of the highest macro-F1, one class after the other, until none gains or three times round.

    Args:
        chances: probabilities (rows, classes) by what has not seen the rows.
        truth: class numbers (rows,).

    >>> best(np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2]]), np.array([1, 1, 0])).round(1).tolist()
    [-1.2, 0.0]
    """
    score, classes = _scorer(chances, truth), chances.shape[1]
    chosen = np.zeros(classes)
    reached = score(chosen)
    for _ in range(ROUNDS):
        before = reached
        for k in range(classes):
            tried = [np.where(np.arange(classes) == k, step, chosen) for step in STEPS]
            found = [score(offsets) for offsets in tried]
            top = int(np.argmax(found))
            if found[top] > reached:
                chosen, reached = tried[top], found[top]
        if reached == before:
            break
    return chosen


def guarded(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """`best`, each offset the nearer to 0 the fewer rows its class has: n / (n + 10) of it.

    An offset moves the border of a class by what its few rows happen to say; of six rows of fear it is a third.
    """
    support = np.bincount(truth, minlength=chances.shape[1])
    shrunk: np.ndarray = best(chances, truth) * support / (support + RARE)
    return shrunk


def prior(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Offsets (classes,) of logit adjustment (Menon et al. 2021, arXiv 2007.07314): a share of the classes' negative
    log-frequencies, one number that all classes together decide. A class without rows has that of one row."""
    support = np.maximum(np.bincount(truth, minlength=chances.shape[1]), 1)
    towards, score = -np.log(support / support.sum()), _scorer(chances, truth)
    towards = towards - towards.mean()
    found = [score(share * towards) for share in SHARES]
    chosen: np.ndarray = SHARES[int(np.argmax(found))] * towards
    return chosen


def none(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The likeliest class, as it is."""
    return np.zeros(chances.shape[1])


RULES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "none": none,
    "prior": prior,
    "offsets": guarded,
}


def applied(chances: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """p · exp(offset), each row's sum 1 again."""
    raised = chances * np.exp(offsets)
    shifted: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shifted


def _scorer(chances: np.ndarray, truth: np.ndarray) -> Callable[[np.ndarray], float]:
    """Offsets -> macro-F1 of what is then decided."""
    logs, classes = np.log(np.maximum(chances, np.finfo(float).tiny)), chances.shape[1]
    return lambda offsets: float(macro_f1(confusion_matrix(truth, (logs + offsets).argmax(axis=1), classes)))
