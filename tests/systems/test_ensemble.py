"""Ways to combine, on probabilities whose best combination is known."""

import numpy as np
import pytest
from scipy.special import softmax

from emospeech.metrics.scores import confusion_matrix, macro_f1
from emospeech.systems.ensemble import WAYS, greedy, majority, mean, rank_mean


def members(count=400, noise=(1.5, 1.5, 1.5), seed=0, classes=3):
    """Systems that see the truth through noise of their own: (members, rows, classes), truth."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, p=[0.6, 0.3, 0.1], size=count)
    seen = [2 * np.eye(classes)[truth] + each * rng.normal(size=(count, classes)) for each in noise]
    return np.stack([softmax(one, axis=1) for one in seen]), truth


def scored(chances, truth):
    return float(macro_f1(confusion_matrix(truth, chances.argmax(axis=1), chances.shape[1])))


@pytest.mark.parametrize("how", list(WAYS))
def test_three_systems_are_better_than_one(how):
    known, others = members(), members(seed=1)
    combined = WAYS[how].fit(*known, 0)(others[0])
    assert combined.shape == others[0].shape[1:]
    assert combined.sum(axis=1) == pytest.approx(1)
    assert (combined >= 0).all()
    assert scored(combined, others[1]) > max(scored(one, others[1]) for one in others[0]) + 0.02


def test_by_hand():
    chances = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.2, 0.8], [0.3, 0.7]], [[0.4, 0.6], [0.6, 0.4]]])
    assert mean(chances) == pytest.approx(np.array([[0.5, 0.5], [1.3 / 3, 1.7 / 3]]))
    assert majority(chances) == pytest.approx(np.array([[1 / 3, 2 / 3], [1 / 3, 2 / 3]]), abs=1e-4)
    tie = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    assert majority(tie).argmax(axis=1).tolist() == [0], "the surer of two"
    # first class: ranks 2 1, 1 2, 1 2 of two rows; second: 1 2, 2 1, 2 1
    assert rank_mean(chances)[0] == pytest.approx([4 / 9, 5 / 9])


def test_rank_mean_hears_no_scale():
    chances, _ = members()
    squeezed = chances.copy()
    squeezed[1] = softmax(np.log(chances[1]) * 0.01, axis=1)  # as good as no difference, in the same order
    order = rank_mean(squeezed)
    assert np.corrcoef(order[:, 0], rank_mean(chances)[:, 0])[0, 1] > 0.97
    assert np.corrcoef(mean(squeezed)[:, 0], mean(chances)[:, 0])[0, 1] < 0.97


@pytest.mark.parametrize("how", ["greedy", "stacking", "balanced_stacking"])
def test_a_member_that_knows_nothing_gets_no_say(how):
    known, others = members(noise=(1.0, 1000.0)), members(noise=(1.0, 1000.0), seed=1)
    combined = WAYS[how].fit(*known, 0)(others[0])
    alone = scored(others[0][0], others[1])
    assert scored(combined, others[1]) > alone - 0.03
    assert scored(mean(others[0]), others[1]) < alone - 0.1, "the plain mean is spoiled by it"


def test_greedy_is_a_weighted_mean():
    chances, truth = members(noise=(1.0, 1000.0))
    combined = greedy(chances, truth)(chances)
    weight, other = np.linalg.lstsq(chances.reshape(2, -1).T, combined.ravel())[0]
    assert weight + other == pytest.approx(1)
    assert weight > 0.8, "the good one"
    assert scored(combined, truth) >= scored(chances[0], truth)


def test_balance_serves_the_rare_class():
    known, others = members(noise=(2.5, 2.5)), members(noise=(2.5, 2.5), seed=1)
    plain, balanced = (WAYS[how].fit(*known, 0)(others[0]).argmax(axis=1) for how in ("stacking", "balanced_stacking"))
    assert (balanced == 2).sum() > 1.5 * (plain == 2).sum()


def test_a_class_of_one_row_and_a_class_of_none():
    chances, truth = members(60)
    truth = np.where(truth == 2, 0, truth)
    truth[0] = 2
    combined = WAYS["stacking"].fit(chances, truth, 0)(chances)
    assert np.isfinite(combined).all()
    combined = WAYS["stacking"].fit(chances[:, 1:], truth[1:], 0)(chances)
    assert combined[:, 2].max() == 0
