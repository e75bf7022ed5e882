"""How often an epoch takes a clip of each class.

A sampler takes how often the classes are heard as they are (classes,), and gives the factor (classes,) by which each
clip of a class is then heard more or less often; all clips together are heard as often as before. A class without a
clip gets 0.

Of a class that is heard n times, the share of an epoch is n^q over the sum of all classes' n^q.

Source: Kang et al. 2020 (arXiv 1910.09217), equation 1.
"""

from collections.abc import Callable

import numpy as np


def as_they_are(counts: np.ndarray) -> np.ndarray:
    """Every clip once, or as often as the mixture weighs its corpus.

    Source: Kang et al. 2020 (arXiv 1910.09217): instance-balanced, q = 1.
    """
    return power(counts, q=1.0)


def balanced(counts: np.ndarray) -> np.ndarray:
    """All classes equally often.

    Source: Kang et al. 2020 (arXiv 1910.09217): class-balanced, q = 0.

    >>> balanced(np.array([6, 2, 0])).round(2).tolist()
    [0.67, 2.0, 0.0]
    """
    return power(counts, q=0.0)


def square_root(counts: np.ndarray) -> np.ndarray:
    """Classes by the square roots of their counts.

    Source: Mahajan et al. 2018 (arXiv 1805.00932); q = 1/2.

    >>> square_root(np.array([9, 1])).round(2).tolist()
    [0.83, 2.5]
    """
    return power(counts, q=0.5)


def power(counts: np.ndarray, *, q: float = 0.5) -> np.ndarray:
    """Classes by their counts to the power of q: from `balanced` at 0 to `none` at 1.

    Source: Kang et al. 2020 (arXiv 1910.09217), equation 1.

    Raises:
        ValueError: if q is not between 0 and 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"q should lie between 0 and 1, got {q}")
    counts = np.asarray(counts, dtype=float)
    known = counts > 0
    shares = np.where(known, counts, 1.0) ** q * known
    return np.divide(shares * counts.sum(), counts * shares.sum(), out=np.zeros(len(counts)), where=known)


SAMPLERS: dict[str, Callable[..., np.ndarray]] = {
    "none": as_they_are,
    "balanced": balanced,
    "square_root": square_root,
    "power": power,
}
