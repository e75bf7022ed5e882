"""A clip as another microphone and room might colour it."""

import zlib

import numpy as np

from emospeech.data.audio import SAMPLE_RATE

KNOTS = (60, 250, 700, 1500, 3000, 5000, 8000)  # Hz, between which a filter goes straight, on a logarithmic axis
SPREAD = 4.0  # dB: standard deviation of the gain at each
LOWEST = 30.0  # Hz, below which the gain is that of the first knot


def through(waveform: np.ndarray, channel: int) -> np.ndarray:
    """float32 (time,) -> the same length, through a smooth filter without a shift in phase.

    Its gains at `KNOTS` are drawn from the clip's samples and the number of the channel, so that the same clip is
    always coloured alike, and each clip in its own way.

    Source: this project; as random equalisation in audio augmentation.
    """
    if not len(waveform):
        return waveform
    seed = zlib.crc32(np.ascontiguousarray(waveform, dtype=np.float32).tobytes())
    gains = np.random.default_rng([seed, channel]).normal(0.0, SPREAD, len(KNOTS))  # dB
    hertz = np.maximum(np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE), LOWEST)
    factors = 10 ** (np.interp(np.log(hertz), np.log(KNOTS), gains) / 20)
    coloured: np.ndarray = np.fft.irfft(np.fft.rfft(waveform) * factors, len(waveform)).astype(np.float32)
    return coloured
