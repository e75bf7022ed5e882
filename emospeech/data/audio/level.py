"""How loud a clip is, and bringing clips to one level: RMS over the whole clip, in dB below full scale (dBFS).

A square wave at full scale has 0 dBFS, a sine -3.01.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emospeech.data.audio import SILENCE


def dbfs(waveform: np.ndarray) -> float | None:
    """20 log10 of the root mean square of samples (time,); None: it is silent, or empty.

    >>> round(dbfs(np.array([0.1, -0.1])), 6), dbfs(np.zeros(9))
    (-20.0, None)
    """
    if not len(waveform) or np.abs(waveform).max() < SILENCE:
        return None
    return 10 * math.log10(np.mean(np.square(waveform, dtype=np.float64)))


def at_level(waveform: np.ndarray, level: float) -> np.ndarray:
    """float32 (time,): scaled to `level` dBFS. Silence stays as it is.

    Peaks may then lie beyond 1: encoders take them, and to cut them off would distort the clip.

    >>> at_level(np.array([0.1, -0.1]), -40.0).round(6).tolist()
    [0.009999999776482582, -0.009999999776482582]
    """
    now = dbfs(waveform)
    return waveform if now is None else (waveform * 10 ** ((level - now) / 20)).astype(np.float32)


@dataclass(frozen=True)
class AtLevel:
    """What gives a path's waveform, at one level. A class, so that worker processes can pickle it."""

    load: Callable[[str], np.ndarray]
    level: float  # dBFS

    def __call__(self, path: str) -> np.ndarray:
        return at_level(self.load(path), self.level)
