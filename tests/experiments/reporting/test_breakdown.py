"""Scores by class and by group, against scikit-learn and numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from emospeech.experiments.reporting.breakdown import MOST, SMALL, breakdowns, by_class
from emospeech.metrics.scores import score
from emospeech.metrics.statistics import class_f1_intervals

LABELS = ("anger", "joy", "neutral")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    count = 120
    truth = rng.choice(LABELS, count)
    prediction = np.where(rng.random(count) < 0.6, truth, rng.choice(LABELS, count))
    frame = pd.DataFrame({"id": [f"c{k}" for k in range(count)], "truth": truth, "prediction": prediction})
    frame["speaker"] = rng.choice(["s1", "s2", "s3"], count, p=[0.6, 0.3, 0.1])
    frame["group"] = [f"v{k}" for k in range(count)]  # each clip its own: says nothing
    frame["gender"] = pd.Series(["female"] * count).mask(frame.index < 7)  # one alone
    return frame


def test_groups_are_what_scikit_learn_says_of_them(rows):
    (found,) = breakdowns(rows, LABELS)
    assert found.by == "speaker"
    assert sum(group.count for group in found.groups) == len(rows)
    for group in found.groups:
        own = rows[rows["speaker"] == group.name]
        assert group.count == len(own)
        assert group.accuracy == pytest.approx(accuracy_score(own["truth"], own["prediction"]))
        assert group.macro_f1 == pytest.approx(f1_score(own["truth"], own["prediction"], average="macro"))
        assert group.low < group.accuracy < group.high
        assert group.small == (len(own) < SMALL)
    accuracies = [group.accuracy for group in found.groups if not group.small]
    assert accuracies == sorted(accuracies), "the worst first"


def test_wilson_by_hand(rows):
    ten = rows[:40].assign(truth="joy", prediction="joy", speaker=["a"] * 10 + ["b"] * 30)
    (found,) = breakdowns(ten, LABELS)
    one = next(group for group in found.groups if group.name == "a")
    assert (one.low, one.high) == (pytest.approx(0.7225, abs=1e-3), 1.0)
    assert one.small


def test_what_is_not_told_is_counted(rows):
    (found,) = breakdowns(rows.assign(speaker=rows["speaker"].mask(rows["speaker"] == "s3")), LABELS)
    assert found.untold == int((rows["speaker"] == "s3").sum())
    assert len(found.groups) == 2


def test_of_many_groups_the_largest_are_shown(rows):
    many = pd.concat([rows] * 2, ignore_index=True).assign(speaker=[f"s{k % 60}" for k in range(240)])
    found = next(one for one in breakdowns(many, LABELS) if one.by == "speaker")
    assert (len(found.groups), found.more) == (MOST, 60 - MOST)


def test_classes_and_their_intervals(rows):
    scores = score(rows["truth"].tolist(), rows["prediction"].tolist(), [*LABELS, "fear"]).as_dict()
    *found, absent = by_class(scores)
    expected = f1_score(rows["truth"], rows["prediction"], labels=LABELS, average=None)
    assert [one.f1 for one in found] == pytest.approx(expected)
    for one in found:
        for value, ends in (
            (one.precision, one.precision_ends),
            (one.recall, one.recall_ends),
            (one.f1, one.f1_ends),
        ):
            assert ends[0] < value < ends[1]
    assert (absent.support, absent.precision_ends, absent.recall_ends, absent.f1_ends) == (0, None, None, None)


def test_the_interval_of_a_class_is_that_of_resampled_clips(rows):
    truth, prediction = rows["truth"].to_numpy(), rows["prediction"].to_numpy()
    rng, values = np.random.default_rng(1), []
    for _ in range(1500):
        drawn = rng.integers(0, len(rows), len(rows))
        values.append(f1_score(truth[drawn], prediction[drawn], labels=["joy"], average=None)[0])
    confusion = np.array(score(truth.tolist(), prediction.tolist(), LABELS).confusion)
    low, high = class_f1_intervals(confusion)[1]
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.015)
