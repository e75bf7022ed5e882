"""A speaker's clips in the light of each other: what must hold, and what it is good for."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

from emospeech.systems.classical.adapting import by_speaker
from emospeech.systems.classical.contract import softmax


def chances_of(shift, seed=0, count=30):
    """Three heaps of clips, whose scores are all moved by what the speaker's own class means are off by."""
    rng = np.random.default_rng(seed)
    truth = np.arange(3 * count) % 3
    scores = 3 * np.eye(3)[truth] + shift[truth] + 0.6 * rng.standard_normal((3 * count, 3))
    return truth, softmax(scores)


SHIFT = np.array(
    [[0.0, 2.6, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
)  # this speaker's first class sounds like the second


def test_heaps_right_what_a_common_border_cuts():
    truth, found = chances_of(SHIFT)
    before, after = (
        accuracy_score(truth, one.argmax(axis=1)) for one in (found, by_speaker(found, ["a"] * len(found)))
    )
    assert before < 0.9
    assert after > 0.97


def test_speakers_do_not_touch_each_other_and_order_does_not_matter():
    (_, one), (_, other) = chances_of(SHIFT), chances_of(-SHIFT, seed=1)
    both = np.concatenate([one, other])
    speakers = np.repeat(["a", "b"], len(one))
    order = np.random.default_rng(0).permutation(len(both))
    apart = np.concatenate([by_speaker(part, ["x"] * len(part)) for part in (one, other)])
    np.testing.assert_allclose(by_speaker(both, speakers), apart, rtol=1e-9)
    np.testing.assert_allclose(by_speaker(both[order], speakers[order]), apart[order], rtol=1e-6, atol=1e-12)


def test_rows_are_probabilities_and_a_class_without_a_chance_has_none():
    _, found = chances_of(SHIFT)
    wider = np.insert(found, 1, 0.0, axis=1)
    adapted = by_speaker(wider, ["a"] * len(wider))
    assert (adapted[:, 1] == 0).all()
    np.testing.assert_allclose(adapted.sum(axis=1), 1)
    np.testing.assert_allclose(np.delete(adapted, 1, axis=1), by_speaker(found, ["a"] * len(found)))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_clips(count):
    found = softmax(np.random.default_rng(0).standard_normal((count, 7)))
    adapted = by_speaker(found, ["a"] * count)
    assert np.isfinite(adapted).all()
    np.testing.assert_allclose(adapted.sum(axis=1), 1)
    if count == 1:
        np.testing.assert_array_equal(adapted, found)


def test_clips_that_are_all_alike_and_certainties():
    alike = np.full((5, 3), 1 / 3)
    np.testing.assert_array_equal(by_speaker(alike, ["a"] * 5), alike)
    sure = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    np.testing.assert_allclose(by_speaker(sure, ["a"] * 6), sure, atol=1e-3)
