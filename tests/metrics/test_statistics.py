"""The bootstrap interval against one that resamples clip by clip."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from emospeech.metrics.statistics import interval

LABELS = ("neutral", "joy", "fear")


@pytest.fixture
def clips():
    """120 clips, unbalanced, about 7 of 10 right."""
    rng = np.random.default_rng(3)
    truth = rng.choice(LABELS, size=120, p=[0.6, 0.3, 0.1])
    prediction = np.where(rng.random(120) < 0.7, truth, rng.choice(LABELS, size=120))
    return truth.tolist(), prediction.tolist()


def of_one(truth, prediction, labels, **more):
    return interval(truth, [prediction], labels, **more)


def macro_f1(truth: np.ndarray, prediction: np.ndarray) -> float:
    """2 hits / (true + predicted); the mean over the classes that are in either."""
    hits = [((truth == c) & (prediction == c)).sum() for c in LABELS]
    seen = [(truth == c).sum() + (prediction == c).sum() for c in LABELS]
    return float(np.mean([2 * h / s for h, s in zip(hits, seen, strict=True) if s]))


def test_agrees_with_drawing_clips_one_by_one(clips):
    truth, prediction = map(np.array, clips)
    rng = np.random.default_rng(1)
    naive = []
    for _ in range(2000):
        rows = rng.integers(len(truth), size=len(truth))
        naive.append(macro_f1(truth[rows], prediction[rows]))

    found = of_one(*clips, LABELS)
    # the standard error of a 2.5 % quantile of 2000 draws is about 0.003 here
    assert found.low == pytest.approx(np.quantile(naive, 0.025), abs=0.012)
    assert found.high == pytest.approx(np.quantile(naive, 0.975), abs=0.012)
    half = of_one(*clips, LABELS, level=0.5)
    assert half.low == pytest.approx(np.quantile(naive, 0.25), abs=0.006)
    assert half.high == pytest.approx(np.quantile(naive, 0.75), abs=0.006)


def test_holds_the_score_and_narrows_with_more_clips(clips):
    truth, prediction = clips
    found = interval(truth, [prediction], LABELS)
    more = interval(truth * 16, [prediction * 16], LABELS)
    point = macro_f1(np.array(truth), np.array(prediction))
    assert found.low < point < found.high
    assert more.low < point < more.high
    # sixteen times the clips: a quarter of the width
    assert (more.high - more.low) / (found.high - found.low) == pytest.approx(1 / 4, rel=0.15)


def test_is_decided_by_its_seed(clips):
    assert of_one(*clips, LABELS, seed=5) == of_one(*clips, LABELS, seed=5)
    assert of_one(*clips, LABELS, seed=5) != of_one(*clips, LABELS, seed=6)


def test_a_perfect_prediction_has_no_spread():
    rare = ["joy"] * 49 + ["fear"]  # often missing from a resample
    found = interval(rare, [rare], ["joy", "fear", "anger"])
    assert (found.low, found.high, found.level, found.resamples) == (1.0, 1.0, 0.95, 10_000)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        interval([], [[]], LABELS)


def test_the_interval_of_a_mean_over_seeds_agrees_with_drawing_clips_one_by_one(clips):
    """Every seed is scored on the same draw: the clips are what is resampled."""
    truth, first = map(np.array, clips)
    second = np.where(np.random.default_rng(5).random(120) < 0.5, truth, first)
    rng = np.random.default_rng(1)
    naive = []
    for _ in range(2000):
        rows = rng.integers(len(truth), size=len(truth))
        naive.append(np.mean([macro_f1(truth[rows], guess[rows]) for guess in (first, second)]))
    found = interval(truth.tolist(), [first.tolist(), second.tolist()], LABELS)
    assert found.low == pytest.approx(np.quantile(naive, 0.025), abs=0.015)
    assert found.high == pytest.approx(np.quantile(naive, 0.975), abs=0.015)


def test_the_interval_of_a_mean_over_the_same_twice_is_that_of_the_one(clips):
    truth, prediction = clips
    same = interval(truth, [prediction, prediction], LABELS)
    assert same.low == pytest.approx(interval(truth, [prediction], LABELS).low, abs=0.015)
    with pytest.raises(ValueError, match="no predictions to resample"):
        interval(truth, [], LABELS)


@pytest.mark.parametrize("metric", ["weighted_f1", "uar", "accuracy"])
def test_any_metric(clips, metric):
    """Against scikit-learn's, clips drawn one by one."""
    scored = {
        "weighted_f1": lambda t, p: f1_score(t, p, average="weighted", zero_division=0),
        "uar": balanced_accuracy_score,
        "accuracy": accuracy_score,
    }[metric]
    truth, prediction = map(np.array, clips)
    rng = np.random.default_rng(1)
    naive = [scored(truth[rows], prediction[rows]) for rows in rng.integers(len(truth), size=(1000, len(truth)))]
    found = interval(truth.tolist(), [prediction.tolist()], LABELS, metric)
    assert (found.low, found.high) == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.02)


def test_clusters_are_drawn_whole(clips):
    """Against drawing the groups one by one; of groups that are right or wrong as a whole the interval is wider."""
    truth = np.array(["joy", "fear"] * 60)
    groups = np.repeat(np.arange(12), 10)
    prediction = np.where(groups % 3 == 0, "joy", truth)
    rng = np.random.default_rng(1)
    members = [np.flatnonzero(groups == g) for g in range(12)]
    naive = []
    for _ in range(2000):
        rows = np.concatenate([members[g] for g in rng.integers(12, size=12)])
        naive.append(macro_f1(truth[rows], prediction[rows]))
    clusters = [f"s{g}" for g in groups]
    found = interval(truth.tolist(), [prediction.tolist()], LABELS, clusters=clusters)
    assert (found.low, found.high) == pytest.approx(np.quantile(naive, [0.025, 0.975]), abs=0.02)
    alone = interval(truth.tolist(), [prediction.tolist()], LABELS)
    assert found.high - found.low > 1.5 * (alone.high - alone.low)


def test_what_cannot_be_resampled():
    with pytest.raises(ValueError, match="all rows are of one cluster, s1"):
        interval(["joy", "fear"], [["joy", "joy"]], LABELS, clusters=["s1", "s1"])
    with pytest.raises(ValueError, match="2 true labels but 1 predictions or clusters"):
        interval(["joy", "fear"], [["joy"]], LABELS)


def simulated(rng, count, right, groups=None):
    """Truth and answers, of which so many are right; of clips of one group all or none."""
    truth = rng.choice(LABELS, p=[0.5, 0.3, 0.2], size=count)
    drawn = rng.random(count if groups is None else groups)
    hit = (drawn if groups is None else np.repeat(drawn, count // groups)) < right
    others = {label: [other for other in LABELS if other != label] for label in LABELS}
    return truth.tolist(), [str(t) if h else str(rng.choice(others[t])) for t, h in zip(truth, hit, strict=True)]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_interval_covers_the_truth_as_often_as_it_says(metric):
    """What it covers is the score of a clip sample without end: by 200 samples of 300 clips."""
    rng = np.random.default_rng(7)
    truth, prediction = simulated(rng, 200_000, 0.7)
    whole = accuracy_score(truth, prediction) if metric == "accuracy" else f1_score(truth, prediction, average="macro")
    covered = 0
    for number in range(200):
        truth, prediction = simulated(rng, 300, 0.7)
        found = interval(truth, [prediction], LABELS, metric, resamples=1000, seed=number)
        covered += found.low <= whole <= found.high
    assert 0.90 <= covered / 200 <= 0.985  # 0.95 less or more 2.5 standard errors


def test_clips_of_one_speaker_need_clusters():
    """Thirty speakers of ten clips, each right or wrong as a whole: by clips the interval covers far too seldom."""
    rng = np.random.default_rng(8)
    groups = [str(g) for g in np.repeat(np.arange(30), 10)]
    covered = {"clips": 0, "speakers": 0}
    for number in range(150):
        truth, prediction = simulated(rng, 300, 0.7, groups=30)
        for way, clusters in (("clips", None), ("speakers", groups)):
            found = interval(truth, [prediction], LABELS, "accuracy", clusters, resamples=1000, seed=number)
            covered[way] += found.low <= 0.7 <= found.high
    assert covered["clips"] / 150 < 0.65
    assert covered["speakers"] / 150 > 0.87
