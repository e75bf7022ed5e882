"""Calibration against hand-made probabilities, and decisions that serve macro-F1."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import binomtest

from emospeech.metrics.calibration import cross_tempered, reliability, temperature, tempered
from emospeech.metrics.decisions import RULES, applied, best, guarded, prior
from emospeech.metrics.scores import confusion_matrix, macro_f1


def drawn(count, classes=4, sharpness=1.0, seed=0, weights=None):
    """Probabilities that are right as often as they say, then made too sure by `sharpness`; truth."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.normal(size=(count, classes)) + (0 if weights is None else np.log(weights))
    honest = softmax(logits, axis=1)
    truth = np.array([rng.choice(classes, p=row) for row in honest])
    return softmax(sharpness * logits, axis=1), truth


def test_probabilities_that_mean_what_they_say():
    assert reliability(*drawn(20_000)).ece < 0.012
    assert reliability(*drawn(20_000, sharpness=3.0)).ece > 0.15


def test_the_error_by_hand():
    """Three bins of 15: 0.55 (one of two right), 0.70 (wrong), 1.0 (right)."""
    chances = np.array([[0.55, 0.45], [0.45, 0.55], [0.3, 0.7], [1.0, 0.0]])
    found = reliability(chances, np.array([0, 0, 0, 0]))
    assert found.count == (2, 1, 1)
    assert found.confidence == pytest.approx((0.55, 0.7, 1.0))
    assert found.accuracy == pytest.approx((0.5, 0, 1))
    assert found.ece == pytest.approx((2 * 0.05 + 0.7 + 0) / 4)
    assert found.lower == pytest.approx((8 / 15, 10 / 15, 14 / 15))
    ends = [binomtest(hits, count).proportion_ci(method="wilson") for hits, count in ((1, 2), (0, 1), (1, 1))]
    assert found.low == pytest.approx([end.low for end in ends])
    assert found.high == pytest.approx([end.high for end in ends])
    three_seeds = reliability(np.repeat(chances, 3, axis=0), np.zeros(12, dtype=int), repeats=3)
    assert (three_seeds.low, three_seeds.count) == (found.low, (6, 3, 3)), "as sure as of the clips alone"
    with pytest.raises(ValueError, match="no rows"):
        reliability(np.empty((0, 2)), np.empty(0, dtype=int))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_them_sure(sharpness):
    chances, truth = drawn(20_000, sharpness=sharpness)
    by = temperature(chances, truth)
    assert by == pytest.approx(sharpness, rel=0.05)
    cooled = tempered(chances, by)
    assert reliability(cooled, truth).ece < 0.015
    assert (cooled.argmax(axis=1) == chances.argmax(axis=1)).all()
    loss = lambda t: -log_softmax(np.log(chances) / t[0], axis=1)[np.arange(len(truth)), truth].mean()  # noqa: E731
    assert by == pytest.approx(minimize(loss, [1.0], method="Nelder-Mead").x[0], rel=1e-3)


def test_each_fold_by_the_temperature_of_the_others():
    chances, truth = drawn(3000, sharpness=3.0)
    folds = np.array([f"f{k % 3}" for k in range(3000)])
    found = cross_tempered(chances, truth, folds)
    own = folds == "f1"
    assert found[own] == pytest.approx(tempered(chances[own], temperature(chances[~own], truth[~own])))
    assert reliability(found, truth).ece < 0.03 < 0.15 < reliability(chances, truth).ece
    assert cross_tempered(chances, truth, np.zeros(3000)) is None
    spoilt = np.where(own, 0, truth)
    np.testing.assert_array_equal(cross_tempered(chances, spoilt, folds)[own], found[own])  # its own truth is not used
    assert cross_tempered(*drawn(60), np.arange(60)).shape == (60, 4), "of many folds some go together"


def test_sure_and_always_right_stays_within_bounds():
    assert 0.04 < temperature(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1])) < 0.06


def gain(rule, seed, rare=0.04):
    """Macro-F1 that a rule, fitted to 600 rows, gains on 5000 others."""
    weights = np.array([0.5, 0.3, 0.2 - rare, rare])
    known, others = drawn(600, seed=seed, weights=weights), drawn(5000, seed=1000 + seed, weights=weights)
    decided = applied(others[0], RULES[rule](*known)).argmax(axis=1)
    scores = [macro_f1(confusion_matrix(others[1], one, 4)) for one in (others[0].argmax(axis=1), decided)]
    return float(scores[1] - scores[0])


@pytest.mark.parametrize("rule", ["prior", "offsets"])
def test_rules_gain_macro_f1_where_a_class_is_rare(rule):
    assert np.mean([gain(rule, seed) for seed in range(12)]) > 0.003


def test_the_guard_holds_a_rare_class_back():
    """Of a class of six rows the offset is whatever they happen to say; over many draws believing it less is better."""
    chances, truth = drawn(300, seed=3, weights=np.array([0.6, 0.25, 0.13, 0.02]))
    plain, held = best(chances, truth), guarded(chances, truth)
    support = np.bincount(truth, minlength=4)
    assert held == pytest.approx(plain * support / (support + 10))
    absent = guarded(chances[truth != 3], truth[truth != 3])
    assert absent[3] == 0, "a class that is not there is left alone"


def test_the_prior_is_one_number():
    chances, truth = drawn(2000, seed=5, weights=np.array([0.7, 0.2, 0.07, 0.03]))
    found = prior(chances, truth)
    towards = -np.log(np.bincount(truth) / len(truth))
    share = (found / (towards - towards.mean()))[0]
    assert found == pytest.approx(share * (towards - towards.mean()))
    assert 0 < share <= 1.5
    assert RULES["none"](chances, truth).tolist() == [0, 0, 0, 0]
