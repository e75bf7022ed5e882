"""Rooms and noises for recipes that name no recordings."""

import numpy as np

from emospeech.data import audio


def synthetic_room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response: a direct path and exponentially decaying noise, reverberation time (RT60) 0.2 to 0.8 s.

    Polack's model of late reverberation (1988), direct-to-reverberant ratio 0 to 10 dB.
    """
    rt60 = rng.uniform(0.2, 0.8)
    time = np.arange(int(rt60 * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60)  # -60 dB at t = RT60
    tail[0] = 0.0
    tail *= 10 ** (-rng.uniform(0, 10) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def synthetic_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f^a, a between 0 (white) and 2 (brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples), 1 / max(samples, 1))
    return np.fft.irfft(spectrum * frequency ** (-rng.uniform(0, 2) / 2), n=samples)
