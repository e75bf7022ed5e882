"""Mixup: two training clips heard as one, and learned as both in the same shares.

Sources: Zhang et al. 2018, mixup (arXiv 1710.09412); for sound Tokozume et al. 2018, learning from between-class
examples (arXiv 1711.10282), whose equal levels are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emospeech.data import audio
from emospeech.data.examples.augment import rms
from emospeech.data.examples.batching import MIXUP, Ticket


@dataclass(frozen=True)
class Mixup:
    """How often clips are mixed, and with whom."""

    alpha: float = 0.2  # the shares are drawn from Beta(alpha, alpha): 1 evenly, below it mostly near 0 and 1
    probability: float = 0.5  # that a clip is mixed at all
    weights: Sequence[float] | None = None  # how often an epoch takes each row, and so draws it; None: all the same


@dataclass(frozen=True)
class Pair:
    """A clip's partner."""

    row: int
    share: float  # of the clip itself; the rest is the partner's
    rng: np.random.Generator  # of the partner's crop and effects


class Partners:
    """Who may be mixed with whom: rows that have labels for the same tasks.

    So a label is never mixed with one that is not known, and a corpus with a head of its own stays by itself.

    Args:
        targets: task -> soft targets (rows, classes); a row without a label is zeros.
    """

    def __init__(self, mixup: Mixup, targets: Mapping[str, np.ndarray]) -> None:
        self.mixup = mixup
        known = np.stack([shares.any(axis=1) for shares in targets.values()], axis=1)  # (rows, tasks)
        self.kind = np.unique(known, axis=0, return_inverse=True)[1].ravel()  # (rows,)
        weights = np.ones(len(known)) if mixup.weights is None else np.asarray(mixup.weights, dtype=float)
        self.rows = [np.flatnonzero(self.kind == kind) for kind in range(self.kind.max(initial=-1) + 1)]
        self.ends = [np.cumsum(weights[rows]) for rows in self.rows]

    def of(self, ticket: Ticket, seed: int) -> Pair | None:
        """A ticket's partner; None: it stays alone, as one that draws itself does.

        A pure function of seed, epoch, row and take.
        """
        rng = ticket.rng(seed, MIXUP)
        if not ticket.counts or rng.random() >= self.mixup.probability:
            return None
        share = float(rng.beta(self.mixup.alpha, self.mixup.alpha))
        kind = self.kind[ticket.row]
        rows, ends = self.rows[kind], self.ends[kind]
        place = int(np.searchsorted(ends, rng.random() * ends[-1], side="right"))
        other = int(rows[min(place, len(rows) - 1)])
        return None if other == ticket.row else Pair(other, share, rng)


def mixed(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray | None:
    """Two sounds (time,) as one, float32 (time,), as loud as the first; None where either is silent.

    The second is brought to the first's level (RMS). Sounds have independent phases, so their energies add: the sum is
    divided by the root of the squared shares (Tokozume et al. 2018, eq. 2, at equal levels).

    >>> mixed(np.array([2.0, 2.0]), np.array([0.5, -0.5]), share=0.6).astype(int).tolist()  # (1.2 ± 0.8) / 0.72
    [2, 0]
    """
    level, others = rms(own), rms(other)
    if min(level, others) < audio.SILENCE:
        return None
    rest = 1 - share
    total = (share * own + rest * level / others * other) / np.hypot(share, rest)
    return total.astype(np.float32)
