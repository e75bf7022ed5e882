"""The frames of a clip's speech: a table without gaps, for sets that need no more than that."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emospeech.encoders.functionals import filled, scaled, spoken


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
