"""The sound of the clips shown: small enough for a page, and as a waveform."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np

from emospeech.data import audio

BUDGET = 6_000_000  # characters of all clips together: a page below 10 MB
QUALITIES = (0.9, 0.95, 0.99)  # libsndfile's compression of mp3 at 16 kHz: about 24, 16 and 8 kbit/s
BINS = 240  # of a drawn waveform


def embedded(waveforms: Mapping[str, np.ndarray], budget: int = BUDGET) -> dict[str, str]:
    """Id -> data URI, mono mp3 at 16 kHz, at the highest of `QUALITIES` at which all clips fit.

    Where they do not fit at the lowest, those that come first have it, and the others are left out.

    Args:
        waveforms: id -> (samples,) at 16 kHz.
        budget: characters.
    """
    for quality in QUALITIES:
        found, used = {}, 0
        for name, samples in waveforms.items():
            uri = as_uri(samples, quality)
            if used + len(uri) <= budget:
                found[name] = uri
                used += len(uri)
            elif quality != QUALITIES[-1]:
                break
        if len(found) == len(waveforms):
            break
    return found


def as_uri(samples: np.ndarray, quality: float = QUALITIES[0]) -> str:
    """Sound (samples,) at 16 kHz as a data URI of an mp3."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(
        buffer,
        samples,
        audio.SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        compression_level=quality,
    )
    return "data:audio/mpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def envelope(samples: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Lowest and highest sample of each bin, (bins, 2); fewer bins of a clip with fewer samples."""
    parts = np.array_split(samples, max(min(bins, len(samples)), 1))
    return np.array([(part.min(), part.max()) if len(part) else (0.0, 0.0) for part in parts])


def over_bins(weights: Sequence[float] | np.ndarray, bins: int = BINS) -> np.ndarray:
    """Shares of n equal stretches of time as shares of so many: (bins,), the sum stays.

    >>> over_bins([0.5, 0.1], 4).round(3).tolist()
    [0.25, 0.25, 0.05, 0.05]
    """
    edges = np.concatenate([[0.0], np.cumsum(weights)])
    return np.diff(np.interp(np.linspace(0, len(weights), bins + 1), np.arange(len(weights) + 1), edges))
