"""Paired tests against plain loops and simulations."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import f1_score

from emospeech.metrics.differences import difference, holm, mcnemar

LABELS = ("neutral", "joy", "fear")


def answers(rng, truth, right):
    return [t if rng.random() < right else str(rng.choice(LABELS)) for t in truth]


@pytest.fixture
def rivals():
    rng = np.random.default_rng(4)
    truth = rng.choice(LABELS, p=[0.5, 0.3, 0.2], size=90).tolist()
    return truth, answers(rng, truth, 0.5), answers(rng, truth, 0.75)


def macro_f1(truth, guess):
    """2 |both| / (|truth| + |guess|) of each label; scikit-learn takes 20 times as long."""
    both = [np.sum((truth == label) & (guess == label)) for label in LABELS]
    sizes = [np.sum(truth == label) + np.sum(guess == label) for label in LABELS]
    return np.mean([2 * one / max(size, 1) for one, size in zip(both, sizes, strict=True)])


def gain(truth, first, second):
    return macro_f1(truth, second) - macro_f1(truth, first)


def test_agrees_with_plain_loops(rivals):
    truth, first, second = map(np.array, rivals)
    rng = np.random.default_rng(2)
    whole = gain(truth, first, second)
    assert macro_f1(truth, first) == pytest.approx(f1_score(truth, first, average="macro", labels=LABELS))
    drawn = [gain(truth[rows], first[rows], second[rows]) for rows in rng.integers(90, size=(800, 90))]
    as_large = 0
    for _ in range(800):
        change = rng.random(90) < 0.5
        moved = gain(truth, np.where(change, second, first), np.where(change, first, second))
        as_large += abs(moved) >= abs(whole)
    found = difference(rivals[0], [rivals[1]], [rivals[2]], LABELS)
    assert found.value == pytest.approx(whole)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.025)
    assert found.p == pytest.approx((as_large + 1) / 801, abs=0.02)
    assert found.p_bootstrap == pytest.approx(2 * np.mean(np.array(drawn) <= 0), abs=0.02)


def test_every_exchange_of_few_clips():
    """Six clips have 64 exchanges, which can all be gone through."""
    truth, first, second = ["joy"] * 3 + ["fear"] * 3, ["joy"] * 6, ["joy", "joy", "fear", "fear", "fear", "fear"]
    labels, whole = ["joy", "fear"], None
    large = 0
    for change in itertools.product([False, True], repeat=6):
        one = [b if c else a for a, b, c in zip(first, second, change, strict=True)]
        other = [a if c else b for a, b, c in zip(first, second, change, strict=True)]
        moved = f1_score(truth, other, average="macro", labels=labels) - f1_score(
            truth, one, average="macro", labels=labels
        )
        whole = moved if whole is None else whole
        large += abs(moved) >= abs(whole) - 1e-9
    found = difference(truth, [first], [second], labels, resamples=40_000)
    assert found.value == pytest.approx(whole)
    assert found.p == pytest.approx(large / 64, abs=0.01)


def test_the_order_of_systems_and_clips_and_their_names_change_nothing(rivals):
    truth, first, second = rivals
    one = difference(truth, [first], [second], LABELS)
    other = difference(truth, [second], [first], LABELS)
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), abs=0.02)
    assert other.p == pytest.approx(one.p, abs=0.01)
    order = np.random.default_rng(0).permutation(len(truth))
    shuffled = [[column[k] for k in order] for column in rivals]
    assert difference(shuffled[0], [shuffled[1]], [shuffled[2]], LABELS) == one
    same = difference(truth, [first], [first], LABELS)
    assert (same.value, same.low, same.high, same.p, same.p_bootstrap) == (0, 0, 0, 1, 1)


def test_several_seeds_are_compared_by_their_mean(rivals):
    truth, first, second = rivals
    one = difference(truth, [first], [second], LABELS)
    twice = difference(truth, [first, first], [second, second], LABELS)
    assert twice.value == pytest.approx(one.value)
    assert (twice.low, twice.high, twice.p) == pytest.approx((one.low, one.high, one.p), abs=0.02)
    mixed = difference(truth, [first, second], [second, first], LABELS)
    assert mixed.value == pytest.approx(0)
    with pytest.raises(ValueError, match="1 predictions of the one system but 2 of the other"):
        difference(truth, [first], [second, second], LABELS)


@pytest.mark.parametrize(("groups", "clustered"), [(None, False), (20, True)])
def test_of_two_systems_alike_one_in_twenty_differs(groups, clustered):
    """The size of the test, by 250 pairs; clips of one speaker are right or wrong together, and told to the test."""
    rng = np.random.default_rng(9)
    count, found = 100, 0
    for number in range(250):
        truth = rng.choice(LABELS, p=[0.5, 0.3, 0.2], size=count).tolist()
        sides = []
        for _ in range(2):
            drawn = rng.random(groups or count)
            hit = (np.repeat(drawn, count // groups) if groups else drawn) < 0.7
            wrong = {"neutral": "joy", "joy": "fear", "fear": "neutral"}
            sides.append([t if h else wrong[t] for t, h in zip(truth, hit, strict=True)])
        clusters = [str(k // (count // groups)) for k in range(count)] if clustered else None
        found += (
            difference(truth, [sides[0]], [sides[1]], LABELS, "macro_f1", clusters, resamples=499, seed=number).p
            <= 0.05
        )
    assert 0.015 <= found / 250 <= 0.095


def test_a_real_difference_is_found():
    rng = np.random.default_rng(10)
    truth = rng.choice(LABELS, size=400).tolist()
    found = difference(truth, [answers(rng, truth, 0.5)], [answers(rng, truth, 0.7)], LABELS)
    assert found.p < 0.001
    assert found.p_bootstrap < 0.001
    assert found.low > 0


def test_mcnemar_by_hand():
    truth = ["joy"] * 20
    first = ["joy"] * 12 + ["fear"] * 8
    second = ["joy"] * 9 + ["fear"] * 4 + ["joy"] * 7
    found = mcnemar(truth, first, second, LABELS)
    assert (found.first, found.second) == (3, 7)
    # 2 * (1 + 10 + 45 + 120) / 1024
    assert found.p == pytest.approx(352 / 1024)
    assert mcnemar(truth, first, first, LABELS).p == 1


def test_holm_by_hand():
    assert holm([]) == []
    assert holm([0.5]) == [0.5]
    assert holm([0.02, 0.01, 0.9, 0.015]) == pytest.approx([0.045, 0.04, 0.9, 0.045])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
