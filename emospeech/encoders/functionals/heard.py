"""The frames of a clip's speech: a table without gaps, for sets that need no more than that."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.functionals import filled, scaled, spoken
from emospeech.encoders.functionals.statistics import Numbers


@dataclass(frozen=True)
class Heard:
    """Descriptors of each frame, from the first frame of speech to the last."""

    names: Sequence[str]
    table: np.ndarray  # (frames, names) float64; where one is not defined, its median over speech
    active: np.ndarray  # (frames,) bool: speech, no pause

    def columns(self, *wanted: str) -> np.ndarray:
        """(frames, wanted)."""
        return self.table[:, [self.names.index(name) for name in wanted]]


def heard(waveform: np.ndarray) -> Heard | None:
    """float32 (time,) at 16 kHz; None: there is no sound in it."""
    _, sound = scaled(waveform)
    if sound is None:
        return None
    columns, active = spoken(sound)
    return Heard(tuple(columns), filled(columns, active), active)


Telling = Callable[[Heard], Numbers]  # a set: what it tells of a clip


def vector(waveform: np.ndarray, telling: Telling) -> np.ndarray:
    """float32 (time,) at 16 kHz -> float32 (D,), named by `names_of`; 0 throughout where nothing is heard."""
    found = heard(waveform)
    if found is None:
        return np.zeros(len(names_of(telling)), dtype=np.float32)
    return np.array(list(telling(found).values()), dtype=np.float32)


@functools.cache
def names_of(telling: Telling) -> tuple[str, ...]:
    """Of a set's numbers, (D,)."""
    found = heard(np.sin(np.arange(SAMPLE_RATE // 4, dtype=np.float32)))
    assert found is not None
    return tuple(telling(found))
