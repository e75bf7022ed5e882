"""What effects are made of: a crop, what is heard of a clip, levels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Done:
    """An effect that was applied, as it was drawn."""

    effect: str  # its name
    drawn: str  # such as `+2.1 semitones`

    def __str__(self) -> str:
        return f"{self.effect} {self.drawn}"


@dataclass(frozen=True)
class Heard:
    """What training hears of a clip."""

    waveform: np.ndarray  # (time,)
    done: tuple[Done, ...] = ()  # the effects on it, the first first

    def then(self, waveform: np.ndarray, effect: str, drawn: str) -> "Heard":
        """After one more effect."""
        return Heard(waveform, (*self.done, Done(effect, drawn)))


Take = Callable[[int | None], Heard]  # so many samples of what an effect works on; None: all of it


def crop(waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
    """A random stretch of `samples`; a shorter clip is repeated to fill it. None: the clip as it is.

    >>> crop(np.array([1.0, 2.0, 3.0]), 5, np.random.default_rng(0)).tolist()
    [1.0, 2.0, 3.0, 1.0, 2.0]
    """
    if samples is None or len(waveform) == 0:
        return waveform
    if len(waveform) <= samples:
        return np.resize(waveform, samples)
    start = int(rng.integers(len(waveform) - samples + 1))
    return waveform[start : start + samples]


def add_noise(clean: np.ndarray, added: np.ndarray, snr_db: float) -> np.ndarray:
    """`clean` plus `added`, scaled so that 20 log10(rms(clean) / rms(added)) = `snr_db`. Silence stays silence.

    >>> noisy = add_noise(np.ones(4), np.array([1.0, -1.0, 1.0, -1.0]), snr_db=20.0)
    >>> np.round(noisy, 3).tolist()
    [1.1, 0.9, 1.1, 0.9]
    """
    level = rms(added)
    return clean if level == 0 else clean + added * (rms(clean) / level * 10 ** (-snr_db / 20))


def rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0
