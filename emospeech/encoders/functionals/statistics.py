"""From columns of frames to numbers of a clip. Nothing here gives NaN: what is not defined for a clip is 0."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

PERCENTILES = (5, 25, 50, 75, 95)
FRAMES_A_SECOND = 100
TINY = 1e-6
BANDS = (1, 2, 4, 8, 14, 25)  # Hz: edges of the bands of modulation
MODULATION_FFT = 1024

Numbers = dict[str, float]


def named(columns: Sequence[str], statistics: Mapping[str, np.ndarray]) -> Numbers:
    """Statistic -> (columns,) as name_statistic -> number."""
    return {
        f"{name}_{statistic}": float(values[k])
        for k, name in enumerate(columns)
        for statistic, values in statistics.items()
    }


def distribution(values: np.ndarray) -> Mapping[str, np.ndarray]:
    """(frames, columns) -> of each column mean, std, percentiles, range, skewness, kurtosis and slope over time.

    The slope is of the line through all frames, from one end of the clip (-1) to the other (1).
    """
    if not len(values):
        values = np.zeros((1, values.shape[1]))
    mean, spread = values.mean(axis=0), values.std(axis=0)
    level = np.percentile(values, PERCENTILES, axis=0)
    scaled = (values - mean) / (spread + TINY)
    time = np.linspace(-1, 1, len(values)) if len(values) > 1 else np.zeros(1)
    return {
        "mean": mean,
        "std": spread,
        **{f"p{percent}": row for percent, row in zip(PERCENTILES, level, strict=True)},
        "skew": (scaled**3).mean(axis=0),
        "kurt": (scaled**4).mean(axis=0),
        "slope": time @ values / max(time @ time, TINY),
    }


def change(values: np.ndarray) -> Mapping[str, np.ndarray]:
    """(frames, columns) -> of each column's change a frame, taken over two: mean size, std, middle 90 %."""
    delta = (values[2:] - values[:-2]) / 2
    if not len(delta):
        delta = np.zeros((1, values.shape[1]))
    low, high = np.percentile(delta, (5, 95), axis=0)
    return {"delta_size": np.abs(delta).mean(axis=0), "delta_std": delta.std(axis=0), "delta_range": high - low}


def delta(values: np.ndarray) -> np.ndarray:
    """(frames, columns) -> the same shape: the slope of a line through five frames, ends repeated; 0 in fewer frames.

    >>> delta(np.arange(6.0)[:, None]).ravel().tolist()
    [0.5, 0.8, 1.0, 1.0, 0.8, 0.5]
    """
    if len(values) < 5:
        return np.zeros_like(values)
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    found: np.ndarray = (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
    return found


def thirds(values: np.ndarray) -> Mapping[str, np.ndarray]:
    """(frames, columns) -> of each column how far its first and last third lie from its mean."""
    third = max(len(values) // 3, 1)
    mean = values.mean(axis=0)
    return {"first": values[:third].mean(axis=0) - mean, "last": values[-third:].mean(axis=0) - mean}


def runs(flags: np.ndarray) -> np.ndarray:
    """Lengths of the stretches of True.

    >>> runs(np.array([True, True, False, True])).tolist()
    [2, 1]
    """
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    lengths: np.ndarray = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    return lengths


def summary(name: str, values: np.ndarray) -> Numbers:
    """Mean, std and maximum; 0 of nothing."""
    values = values if len(values) else np.zeros(1)
    return {
        f"{name}_mean": float(values.mean()),
        f"{name}_std": float(values.std()),
        f"{name}_max": float(values.max()),
    }


def modulation(values: np.ndarray) -> Mapping[str, np.ndarray]:
    """(frames, columns) -> of each column the logarithm of its power in bands of slow changes (1 to 25 Hz)."""
    shape = (values - values.mean(axis=0)) * np.hanning(len(values) + 2)[1:-1, None]
    power = np.abs(np.fft.rfft(shape, max(MODULATION_FFT, len(values)), axis=0)) ** 2 / len(values)
    hertz = np.fft.rfftfreq(max(MODULATION_FFT, len(values)), 1 / FRAMES_A_SECOND)
    return {
        f"modulation_{low}_{high}": np.log(power[(low <= hertz) & (hertz < high)].mean(axis=0) + TINY)
        for low, high in pairwise(BANDS)
    }
