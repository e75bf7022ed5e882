"""Whether one system is better than another on the same clips: paired tests, and what several of them are worth.

A system is one prediction of the clips, or several, as under several seeds: then what is compared is the mean score.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emospeech.metrics.scores import METRICS, encode
from emospeech.metrics.statistics import affordable, as_confusions, draws, in_parts, units_of

Predictions = Sequence[Sequence[str]]  # of one system: (seeds, clips)
ROUNDING = 1e-12


@dataclass(frozen=True)
class Difference:
    """The second system's score less the first's."""

    value: float
    low: float  # percentile bootstrap interval
    high: float
    p_bootstrap: float  # two-sided, by inversion of that interval
    p: float  # two-sided, by approximate randomisation
    level: float
    resamples: int


def difference(
    truth: Sequence[str],
    first: Predictions,
    second: Predictions,
    labels: Sequence[str],
    metric: str = "macro_f1",
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """Two systems on the same clips, by the same draws.

    The interval is that of the paired bootstrap (Berg-Kirkpatrick, Burkett and Klein 2012): clips, or clusters, are
    drawn with replacement, and both systems scored on each draw. The test is approximate randomisation (Noreen 1989;
    Yeh 2000): if the systems were alike, each clip's answers could as well be the other's, so they change places at
    random, those of a cluster together; p is how often that gives a difference as large, the one found counted in.

    Args:
        metric: a key of `METRICS`.
        clusters: of each clip, where it comes from: a speaker, a video.

    Raises:
        ValueError: as `statistics.interval`, or if one system has more seeds than the other.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} predictions of the one system but {len(second)} of the other")
    units, counts = units_of(truth, [*first, *second], labels, clusters)
    resamples = affordable(len(counts), resamples)
    half, seeds = units.shape[1] // 2, len(first)

    def gain(cells: np.ndarray) -> np.ndarray:
        """(…, both systems' cells) -> how far the second one's score lies above the first's."""
        parts = cells[..., :half], cells[..., half:]
        one, other = (METRICS[metric](as_confusions(part, seeds)).mean(axis=-1) for part in parts)
        return np.asarray(other - one)

    whole = counts @ units
    found = float(gain(whole))
    drawn = np.concatenate([gain(weights @ units) for weights in draws(counts, resamples, seed)])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    apart = units[:, half:] - units[:, :half]
    differ = apart.any(axis=1)  # what answers alike may change places as it likes
    generator, apart, movable = np.random.default_rng(seed), apart[differ], counts[differ]
    as_large = 0
    for size in in_parts(len(movable), resamples):
        moved = generator.binomial(movable, 0.5, size=(size, len(movable))) @ apart
        changed = np.concatenate([whole[:half] + moved, whole[half:] - moved], axis=1)
        as_large += int((np.abs(gain(changed)) >= abs(found) - ROUNDING).sum())
    return Difference(
        found,
        float(low),
        float(high),
        min(2 * (beyond + 1) / (resamples + 1), 1.0),
        (as_large + 1) / (resamples + 1),
        level,
        resamples,
    )


@dataclass(frozen=True)
class McNemar:
    """Clips that one of two systems alone has right."""

    first: int
    second: int
    p: float  # two-sided


def mcnemar(truth: Sequence[str], first: Sequence[str], second: Sequence[str], labels: Sequence[str]) -> McNemar:
    """Whether one of two systems is more often right: McNemar's test (1947), exact by the binomial distribution.

    Raises:
        ValueError: on labels that are not among `labels`.

    >>> mcnemar(["a"] * 6, ["a"] * 6, ["b"] * 5 + ["a"], ["a", "b"])
    McNemar(first=5, second=0, p=0.0625)
    """
    from scipy.stats import binomtest

    t = encode(truth, labels)
    one, other = (encode(prediction, labels) == t for prediction in (first, second))
    alone, apart = int((one & ~other).sum()), int((other & ~one).sum())
    p = float(binomtest(alone, alone + apart).pvalue) if alone + apart else 1.0
    return McNemar(alone, apart, p)


def holm(values: Sequence[float]) -> list[float]:
    """p values of several tests, so corrected that the chance of a single false one among them stays at its level.

    Holm (1979): the smallest times their number, the next times one less, and so on; none below the one before it.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    corrected = [0.0] * len(values)
    least = 0.0
    for done, at in enumerate(sorted(range(len(values)), key=lambda k: values[k])):
        least = max(least, min((len(values) - done) * values[at], 1.0))
        corrected[at] = least
    return corrected
