"""Scores against scikit-learn, and the corners that scikit-learn warns about."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from emospeech.metrics.scores import encode, per_class, score

LABELS = ("neutral", "disgust", "anger", "sadness")
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=60)


@settings(deadline=None, max_examples=80)
@given(pairs)
def test_every_score_is_scikit_learns(rows):
    truth, prediction = (list(column) for column in zip(*rows, strict=True))
    ours = score(truth, prediction, LABELS)

    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, prediction, labels=LABELS, zero_division=0
    )
    np.testing.assert_allclose(ours.precision, precision)
    np.testing.assert_allclose(ours.recall, recall)
    np.testing.assert_allclose(ours.f1, f1)
    assert ours.support == tuple(support)
    assert ours.macro_f1 == pytest.approx(sk.f1_score(truth, prediction, average="macro"))
    assert ours.weighted_f1 == pytest.approx(
        sk.f1_score(truth, prediction, labels=LABELS, average="weighted", zero_division=0)
    )
    assert ours.uar == pytest.approx(recall[support > 0].mean())
    assert ours.accuracy == pytest.approx(sk.accuracy_score(truth, prediction))
    np.testing.assert_array_equal(ours.confusion, sk.confusion_matrix(truth, prediction, labels=LABELS))
    assert ours.count == len(rows)


def test_by_hand():
    """Two classes, four clips: precision 2/3 and 1, recall 1 and 1/2, F1 4/5 and 2/3."""
    scores = score(["a", "a", "b", "b"], ["a", "a", "a", "b"], ["a", "b"])
    assert scores.precision == pytest.approx((2 / 3, 1))
    assert scores.recall == pytest.approx((1, 1 / 2))
    assert scores.f1 == pytest.approx((4 / 5, 2 / 3))
    assert scores.macro_f1 == pytest.approx(11 / 15)
    assert scores.confusion == ((2, 0), (1, 1))


def test_a_class_that_is_nowhere_is_left_out_and_one_that_is_missed_counts_as_zero():
    assert score(["a"], ["a"], ["a", "b"]).macro_f1 == 1.0
    assert score(["a", "b"], ["a", "a"], ["a", "b"]).macro_f1 == pytest.approx((2 / 3 + 0) / 2)


def test_the_order_of_the_labels_orders_the_columns():
    scores = score(["joy", "fear", "fear"], ["joy", "fear", "joy"], ["joy", "fear"])
    reverse = score(["joy", "fear", "fear"], ["joy", "fear", "joy"], ["fear", "joy"])
    assert scores.f1 == reverse.f1[::-1]
    assert scores.support == (1, 2)


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ValueError, match="2 true labels but 1 predicted"):
        score(["a", "a"], ["a"], ["a"])
    with pytest.raises(ValueError, match="no rows"):
        score([], [], ["a"])
    with pytest.raises(ValueError, match=r"unknown label 'x', 'y'; known: a, b"):
        encode(["a", "y", "x", "y"], ["a", "b"])


def test_per_class_works_on_a_stack_of_confusions():
    stack = np.random.default_rng(0).integers(0, 5, size=(7, 3, 3))
    together = per_class(stack)
    for k, one in enumerate(stack):
        for whole, alone in zip(together, per_class(one), strict=True):
            np.testing.assert_allclose(whole[k], alone)


def test_scores_become_plain_values():
    import json

    assert json.loads(json.dumps(score(["a"], ["a"], ["a"]).as_dict()))["macro_f1"] == 1.0
