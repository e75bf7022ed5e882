"""The bootstrap interval against one that resamples clip by clip."""

import numpy as np
import pytest

from emospeech.metrics.statistics import macro_f1_interval, mean_macro_f1_interval

LABELS = ("neutral", "joy", "fear")


@pytest.fixture
def clips():
    """120 clips, unbalanced, about 7 of 10 right."""
    rng = np.random.default_rng(3)
    truth = rng.choice(LABELS, size=120, p=[0.6, 0.3, 0.1])
    prediction = np.where(rng.random(120) < 0.7, truth, rng.choice(LABELS, size=120))
    return truth.tolist(), prediction.tolist()


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

    interval = macro_f1_interval(*clips, LABELS)
    # the standard error of a 2.5 % quantile of 2000 draws is about 0.003 here
    assert interval.low == pytest.approx(np.quantile(naive, 0.025), abs=0.012)
    assert interval.high == pytest.approx(np.quantile(naive, 0.975), abs=0.012)
    half = macro_f1_interval(*clips, LABELS, level=0.5)
    assert half.low == pytest.approx(np.quantile(naive, 0.25), abs=0.006)
    assert half.high == pytest.approx(np.quantile(naive, 0.75), abs=0.006)


def test_holds_the_score_and_narrows_with_more_clips(clips):
    truth, prediction = clips
    interval = macro_f1_interval(truth, prediction, LABELS)
    more = macro_f1_interval(truth * 16, prediction * 16, LABELS)
    point = macro_f1(np.array(truth), np.array(prediction))
    assert interval.low < point < interval.high
    assert more.low < point < more.high
    # sixteen times the clips: a quarter of the width
    assert (more.high - more.low) / (interval.high - interval.low) == pytest.approx(1 / 4, rel=0.15)


def test_is_decided_by_its_seed(clips):
    assert macro_f1_interval(*clips, LABELS, seed=5) == macro_f1_interval(*clips, LABELS, seed=5)
    assert macro_f1_interval(*clips, LABELS, seed=5) != macro_f1_interval(*clips, LABELS, seed=6)


def test_a_perfect_prediction_has_no_spread():
    rare = ["joy"] * 49 + ["fear"]  # often missing from a resample
    interval = macro_f1_interval(rare, rare, ["joy", "fear", "anger"])
    assert (interval.low, interval.high, interval.level, interval.resamples) == (1.0, 1.0, 0.95, 10_000)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        macro_f1_interval([], [], LABELS)


def test_the_interval_of_a_mean_over_seeds_agrees_with_drawing_clips_one_by_one(clips):
    """Every seed is scored on the same draw: the clips are what is resampled."""
    truth, first = map(np.array, clips)
    second = np.where(np.random.default_rng(5).random(120) < 0.5, truth, first)
    rng = np.random.default_rng(1)
    naive = []
    for _ in range(2000):
        rows = rng.integers(len(truth), size=len(truth))
        naive.append(np.mean([macro_f1(truth[rows], guess[rows]) for guess in (first, second)]))
    interval = mean_macro_f1_interval(truth.tolist(), [first.tolist(), second.tolist()], LABELS)
    assert interval.low == pytest.approx(np.quantile(naive, 0.025), abs=0.015)
    assert interval.high == pytest.approx(np.quantile(naive, 0.975), abs=0.015)


def test_the_interval_of_a_mean_over_one_is_that_of_the_one(clips):
    truth, prediction = clips
    assert mean_macro_f1_interval(truth, [prediction], LABELS) == macro_f1_interval(truth, prediction, LABELS)
    same = mean_macro_f1_interval(truth, [prediction, prediction], LABELS)
    assert same.low == pytest.approx(macro_f1_interval(truth, prediction, LABELS).low, abs=0.015)
    with pytest.raises(ValueError, match="no predictions to resample"):
        mean_macro_f1_interval(truth, [], LABELS)
