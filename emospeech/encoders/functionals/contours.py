"""How each descriptor moves over a clip: shape, levels, echoes of itself and turning points of its contour.

A second set beside `functionals`, of the same descriptors: what ComParE's functionals tell of contours (Schuller et al.
2013, Weninger et al. 2013: regression, up-level times, positions of extremes, peaks), written anew on numpy.
"""

import numpy as np

from emospeech.encoders.functionals.heard import Heard, names_of, vector
from emospeech.encoders.functionals.statistics import TINY, Numbers, delta, named

VERSION = 1  # raised when the same clip would give other numbers
UP_LEVELS = (25, 50, 75, 90)  # percent of the range
LAGS = (1, 2, 4, 8, 16)  # frames of 10 ms
OUTER = (10, 30, 70, 90, 99, 1)  # percentiles that `functionals` does not tell
SMOOTH = np.hanning(7) / np.hanning(7).sum()  # over 70 ms: the peaks of what is left are no noise


def contours(waveform: np.ndarray) -> np.ndarray:
    """float32 (time,) at 16 kHz -> float32 (D,), named by `names`; always finite, 0 throughout where nothing is heard.

    Gain and digital silence at the ends change nothing.
    """
    return vector(waveform, _numbers)


def names() -> tuple[str, ...]:
    """Of the numbers, (D,), as `f0_delta_up_75`."""
    return names_of(_numbers)


def _numbers(clip: Heard) -> Numbers:
    columns = [name for name in clip.names if not name.startswith("mel_")]  # neighbours tell the same
    table = clip.columns(*columns)
    moving = [*columns, *(f"{name}_delta" for name in columns)]
    return {
        **named(moving, shape(np.hstack([table, delta(table)]))),
        **named(columns, turns(table)),
    }


def shape(values: np.ndarray) -> dict[str, np.ndarray]:
    """(frames, columns) -> of each column: a parabola through it, times above levels, where it is highest and lowest,
    its autocorrelation, and percentiles.

    Times are shares of the clip; levels, of the range between the 1st and the 99th percentile.
    """
    count = len(values)
    mean, spread = values.mean(axis=0), values.std(axis=0) + TINY
    low, high = np.percentile(values, (1, 99), axis=0)
    time = np.linspace(-1, 1, count) if count > 1 else np.zeros(1)
    powers = np.stack([np.ones(count), time, time**2], axis=1)
    curve = np.linalg.lstsq(powers, values, rcond=None)[0]
    off = np.sqrt(((values - powers @ curve) ** 2).mean(axis=0)) / spread
    height = (values - low) / (high - low + TINY)
    unit = (values - mean) / spread
    rising = (np.diff(values, axis=0) > 0).mean(axis=0) if count > 1 else np.zeros(values.shape[1])
    return {
        "line": curve[1],
        "bend": curve[2],
        "off": off,
        **{f"up_{percent}": (height > percent / 100).mean(axis=0) for percent in UP_LEVELS},
        "rising": rising,
        "highest_at": values.argmax(axis=0) / count,
        "lowest_at": values.argmin(axis=0) / count,
        **{f"echo_{lag}": _echo(unit, lag) for lag in LAGS},
        **{f"p{q}": row for q, row in zip(OUTER, np.percentile(values, OUTER, axis=0), strict=True)},
    }


def _echo(unit: np.ndarray, lag: int) -> np.ndarray:
    """Autocorrelation (columns,); 0 in a clip that is hardly longer than the lag."""
    if len(unit) <= lag + 2:
        return np.zeros(unit.shape[1])
    found: np.ndarray = (unit[:-lag] * unit[lag:]).mean(axis=0)
    return found


def turns(values: np.ndarray) -> dict[str, np.ndarray]:
    """(frames, columns) -> of each column, smoothed: peaks a frame, the means of peaks and of valleys, how far they are
    apart, the deviation of peaks, and how steeply it rises and falls (a frame). Without a peak or valley: the mean.
    """
    padded = np.pad(values, ((len(SMOOTH) // 2,) * 2, (0, 0)), mode="edge")
    smooth = np.einsum("w,fcw->fc", SMOOTH, np.lib.stride_tricks.sliding_window_view(padded, len(SMOOTH), axis=0))
    middle, mean = smooth[1:-1], smooth.mean(axis=0)
    peaks = (middle > smooth[:-2]) & (middle >= smooth[2:])
    valleys = (middle < smooth[:-2]) & (middle <= smooth[2:])
    high, low = _mean_where(middle, peaks, mean), _mean_where(middle, valleys, mean)
    nothing = np.zeros(values.shape[1])
    steps = np.diff(smooth, axis=0)
    return {
        "peak_rate": peaks.sum(axis=0) / len(values),
        "peak_mean": high,
        "valley_mean": low,
        "peak_to_valley": high - low,
        "peak_std": np.sqrt(_mean_where((middle - high) ** 2, peaks, nothing)),
        "rise": _mean_where(steps, steps > 0, nothing),
        "fall": _mean_where(steps, steps < 0, nothing),
    }


def _mean_where(values: np.ndarray, where: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Column by column, of the rows that are meant."""
    count = where.sum(axis=0)
    found: np.ndarray = np.where(count > 0, (values * where).sum(axis=0) / np.maximum(count, 1), otherwise)
    return found
