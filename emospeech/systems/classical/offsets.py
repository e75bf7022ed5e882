"""What is added to each class's log-probability so that macro-F1, and not accuracy, is what a decision serves.

A rare class is right to be guessed more often than its probability says, as macro-F1 gives each class the same weight
(Lipton et al. 2014, arXiv 1402.1892: the threshold that is best for F1 is half of the best F1, which differs by class).
"""

import numpy as np

from emospeech.metrics.scores import confusion_matrix, macro_f1

STEPS = np.linspace(-2.0, 2.0, 21)
ROUNDS = 3


def best(chances: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Offsets (classes,) of the highest macro-F1, one class after the other, until none gains or three times round.

    Args:
        chances: probabilities (rows, classes) by what has not seen the rows.
        truth: class numbers (rows,).

    >>> best(np.array([[0.6, 0.4], [0.7, 0.3], [0.8, 0.2]]), np.array([1, 1, 0])).round(1).tolist()
    [-1.2, 0.0]
    """
    scores = np.log(np.maximum(chances, np.finfo(float).tiny))
    classes = chances.shape[1]

    def score(offsets: np.ndarray) -> float:
        return float(macro_f1(confusion_matrix(truth, (scores + offsets).argmax(axis=1), classes)))

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


def applied(chances: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """p · exp(offset), each row's sum 1 again."""
    raised = chances * np.exp(offsets)
    shifted: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return shifted
