"""What goes together in a clip: descriptors and their changes; how bands wax and wane; contours over the whole clip.

A third set beside `functionals` and `contours`, of the same descriptors.
"""

from itertools import pairwise

import numpy as np
import scipy.fft

from emospeech.encoders.functionals.frames import MEL_BANDS
from emospeech.encoders.functionals.heard import Heard, names_of, vector
from emospeech.encoders.functionals.statistics import FRAMES_A_SECOND, MODULATION_FFT, TINY, Numbers, delta

VERSION = 1  # raised when the same clip would give other numbers
TOGETHER = (
    "energy", *(f"mfcc_{k}" for k in range(1, 14)), "centroid", "strength", "flux", "flatness", "slope_0_500",
    "slope_500_1500", "f0",
)  # fmt: skip
DRAWN = ("energy", "f0", "centroid", "mfcc_1", "mfcc_2", "mfcc_3", "mfcc_4", "strength", "flux", "slope_0_500")
SHRINKAGE = 0.1  # of correlations towards none: a short clip has few frames
FEW = 5  # frames of speech; a clip of fewer is taken whole
GROUPS = MEL_BANDS // 2  # of two mel bands each
MODULATIONS = (0.5, 1.5, 3, 5, 8, 12, 18, 27, 40)  # Hz: edges of the bands of modulation
POINTS, WAVES = 64, 10  # of a clip's whole length; the cosines that are kept


def covariances(waveform: np.ndarray) -> np.ndarray:
    """float32 (time,) at 16 kHz -> float32 (D,), named by `names`; always finite, 0 throughout where nothing is heard.

    The matrix of correlations is told by its logarithm, in which distances are those between covariances (Arsigny et
    al. 2006, log-Euclidean metrics), its off-diagonal times the root of 2; beside it, logarithms of the deviations.
    """
    return vector(waveform, _numbers)


def names() -> tuple[str, ...]:
    """Of the numbers, (D,), as `f0_with_energy`."""
    return names_of(_numbers)


def _numbers(clip: Heard) -> Numbers:
    return {**_of_pairs(clip), **_of_bands(clip), **_of_waves(clip)}


def _of_pairs(clip: Heard) -> Numbers:
    table = clip.columns(*TOGETHER)
    values = np.hstack([table, delta(table)])
    of_speech = values[clip.active] if clip.active.sum() > FEW else values
    spread = of_speech.std(axis=0) + TINY
    logs = log_correlations((of_speech - of_speech.mean(axis=0)) / spread)
    columns = [*TOGETHER, *(f"{name}_delta" for name in TOGETHER)]
    rows, others = np.triu_indices(len(columns))
    weights = np.where(rows == others, 1.0, np.sqrt(2))
    pairs = {
        f"{columns[a]}_with_{columns[b]}": float(weight * logs[a, b])
        for a, b, weight in zip(rows.tolist(), others.tolist(), weights.tolist(), strict=True)
    }
    return pairs | {f"{name}_log_std": float(value) for name, value in zip(columns, np.log(spread), strict=True)}


def log_correlations(unit: np.ndarray) -> np.ndarray:
    """(frames, columns) of mean 0 and deviation 1 -> the matrix logarithm (columns, columns) of their shrunken
    correlations, as a covariance of which each column's variance is 1."""
    shrunk = (1 - SHRINKAGE) * unit.T @ unit / len(unit) + SHRINKAGE * np.eye(unit.shape[1])
    values, vectors = np.linalg.eigh(shrunk)
    found: np.ndarray = (vectors * np.log(np.maximum(values, SHRINKAGE / 2))) @ vectors.T
    return found


def _of_bands(clip: Heard) -> Numbers:
    """How strongly each two mel bands wax and wane at each rate, as a logarithm."""
    mel = clip.columns(*(f"mel_{k}" for k in range(MEL_BANDS)))
    bands = mel.reshape(len(mel), GROUPS, -1).mean(axis=2)
    length = max(MODULATION_FFT, len(bands))
    windowed = (bands - bands.mean(axis=0)) * np.hanning(len(bands) + 2)[1:-1, None]
    power = np.abs(np.fft.rfft(windowed, length, axis=0)) ** 2 / len(bands)
    hertz = np.fft.rfftfreq(length, 1 / FRAMES_A_SECOND)
    return {
        f"mels_{k}_at_{low}_{high}": float(value)
        for low, high in pairwise(MODULATIONS)
        for k, value in enumerate(np.log(power[(low <= hertz) & (hertz < high)].mean(axis=0) + TINY))
    }


def _of_waves(clip: Heard) -> Numbers:
    """Contours over the whole clip, however long it is: amplitudes of half a wave, one, one and a half…"""
    table = clip.columns(*DRAWN)
    at = np.linspace(0, len(table) - 1, POINTS)
    drawn = np.stack([np.interp(at, np.arange(len(table)), column) for column in table.T], axis=1)
    waves = scipy.fft.dct(drawn, axis=0, norm="ortho")[1 : WAVES + 1]
    return {f"{name}_wave_{k + 1}": float(waves[k, j]) for j, name in enumerate(DRAWN) for k in range(WAVES)}
