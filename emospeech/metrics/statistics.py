"""How sure a score is: bootstrap intervals over clips, or over the speakers or videos that clips come from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from emospeech.metrics.scores import METRICS, encode, per_class

MANY = 20_000_000  # numbers drawn at once
MOST = 50_000_000  # numbers drawn for an interval
FEWEST = 8  # clusters, below which drawing them says nothing: the ends are then single clusters' own scores


@dataclass(frozen=True)
class Interval:
    """A percentile bootstrap interval of a score."""

    low: float
    high: float
    level: float  # e.g. 0.95
    resamples: int


def interval(
    truth: Sequence[str],
    predictions: Sequence[Sequence[str]],
    labels: Sequence[str],
    metric: str = "macro_f1",
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of a score, or of its mean over several predictions of the same clips, as of seeds.

    Clips are drawn with replacement (Efron and Tibshirani 1993, ch. 13); or whole clusters, with all of their clips,
    where clips of one speaker or video are alike (Field and Welsh 2007). All predictions are scored on the same draws.
    A class that a resample misses entirely, in truth and prediction, is left out of its mean, as it is of a score.

    Args:
        metric: a key of `METRICS`.
        clusters: of each clip, where it comes from; None: each clip is drawn by itself.
        resamples: at most; see `affordable`.

    Raises:
        ValueError: on labels that are not among `labels`, unequal lengths, a single cluster, no rows or predictions.
    """
    if not predictions:
        raise ValueError("no predictions to resample")
    units, counts = units_of(truth, predictions, labels, clusters)
    resamples = affordable(len(counts), resamples)
    drawn = (as_confusions(weights @ units, len(predictions)) for weights in draws(counts, resamples, seed))
    values = np.concatenate([METRICS[metric](confusions).mean(axis=-1) for confusions in drawn])
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, resamples)


def wilson(share: np.ndarray, count: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the interval of a share of independent trials (Wilson 1927): within [0, 1], and not empty at 0 or 1.

    Args:
        share: of trials that succeed, any shape.
        count: how many trials there are, above 0, of the same shape.

    >>> [round(float(end), 3) for end in wilson(np.array(1.0), np.array(10))]
    [0.722, 1.0]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    middle = share + z * z / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    low, high = ((middle + side * half) / (1 + z * z / count) for side in (-1, 1))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def class_f1_intervals(
    confusion: np.ndarray, level: float = 0.95, resamples: int = 5000, seed: int = 0
) -> list[tuple[float, float] | None]:
    """Ends of the percentile bootstrap interval over clips of each class's F1; None where a class is neither told nor
    predicted.

    Args:
        confusion: counts (classes, classes), row: truth, column: prediction; not empty.

    >>> class_f1_intervals(np.array([[4, 0], [0, 4]]))
    [(1.0, 1.0), (1.0, 1.0)]
    """
    cells, classes = confusion.ravel(), len(confusion)
    drawn = np.random.default_rng(seed).multinomial(cells.sum(), cells / cells.sum(), size=resamples)
    resampled = drawn.reshape(resamples, classes, classes)
    there = (resampled.sum(axis=1) + resampled.sum(axis=2)) > 0  # a resample without the class has no F1 of it
    f1 = np.where(there, per_class(resampled)[2], np.nan)
    known = confusion.sum(axis=0) + confusion.sum(axis=1) > 0
    share = (1 - level) / 2
    return [tuple(np.nanquantile(f1[:, k], [share, 1 - share]).tolist()) if known[k] else None for k in range(classes)]


def units_of(
    truth: Sequence[str],
    predictions: Sequence[Sequence[str]],
    labels: Sequence[str],
    clusters: Sequence[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """`cells_of` what is drawn, (kinds, cells), and how many there are of each, (kinds,): clusters, or different clips.

    Which of the clips with one truth and the same answers are drawn makes no difference, so only their number is:
    exact, and of 750 clips there are a few dozen kinds.

    Raises:
        ValueError: as `interval`.
    """
    if clusters is not None:
        units = cells_of(truth, predictions, labels, clusters)
        return units, np.ones(len(units), dtype=int)
    _require_like_lengths(truth, predictions)
    codes = np.stack([encode(one, labels) for one in (truth, *predictions)], axis=1).astype(np.int16)
    _, first, counts = np.unique(codes, axis=0, return_index=True, return_counts=True)
    kept = [[one[k] for k in first] for one in (truth, *predictions)]
    return cells_of(kept[0], kept[1:], labels), counts


def _require_like_lengths(truth: Sequence[str], others: Sequence[Sequence[str]]) -> None:
    for one in others:
        if len(one) != len(truth):
            raise ValueError(f"{len(truth)} true labels but {len(one)} predictions or clusters")
    if not len(truth):
        raise ValueError("no rows to resample")


def cells_of(
    truth: Sequence[str],
    predictions: Sequence[Sequence[str]],
    labels: Sequence[str],
    clusters: Sequence[str] | None = None,
) -> np.ndarray:
    """What each clip, or cluster of clips, adds to the confusion of each prediction: (units, predictions x classes²).

    Raises:
        ValueError: as `interval`.
    """
    _require_like_lengths(truth, [*predictions, *([] if clusters is None else [clusters])])
    t, k = encode(truth, labels), len(labels)
    if clusters is None:
        units, count = np.arange(len(t)), len(t)
    else:
        names, units = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
        count = len(names)
        if count == 1:
            raise ValueError(f"all rows are of one cluster, {names[0]}, so there is nothing to resample")
    found = [
        np.bincount(units * k * k + t * k + encode(prediction, labels), minlength=count * k * k).reshape(count, -1)
        for prediction in predictions
    ]
    return np.hstack(found).astype(float)


def as_confusions(cells: np.ndarray, predictions: int) -> np.ndarray:
    """Sums over units of `cells_of`, (…, predictions x classes²), as confusions (…, predictions, classes, classes)."""
    k = round((cells.shape[-1] / predictions) ** 0.5)
    return cells.reshape(*cells.shape[:-1], predictions, k, k)


def draws(counts: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each kind of unit is in each resample of as many units, drawn with replacement: (some resamples,
    kinds), float.

    Args:
        counts: how many units there are of each kind, (kinds,).
    """
    generator, total = np.random.default_rng(seed), int(counts.sum())
    for size in in_parts(len(counts), resamples):
        yield generator.multinomial(total, counts / total, size=size).astype(float)


def affordable(kinds: int, resamples: int) -> int:
    """As many resamples as are asked for; of tens of thousands of different clips fewer, down to 1000, which time
    allows and which so many clips need no more of.

    >>> affordable(216, 10_000), affordable(30_000, 10_000)
    (10000, 1666)
    """
    return min(resamples, max(MOST // max(kinds, 1), 1000))


def in_parts(units: int, resamples: int) -> Iterator[int]:
    """Resamples in parts that memory holds.

    >>> list(in_parts(8_000_000, 5))
    [2, 2, 1]
    """
    most = max(MANY // max(units, 1), 1)
    yield from (min(most, resamples - done) for done in range(0, resamples, most))
