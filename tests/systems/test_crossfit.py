"""The fold loop within training rows: each row by what has not seen it, groups apart, a system afresh each time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emospeech.config import validate
from emospeech.data import manifest as manifests
from emospeech.runtime.errors import UserError
from emospeech.systems.base import as_predictions
from emospeech.systems.crossfit import inner_folds, predicted, with_dev


@pytest.fixture
def train():
    """24 rows of six speakers, two emotions; out of the order of their ids."""
    order = np.random.default_rng(0).permutation(24)
    return manifests.make(
        id=[f"{k:02d}" for k in order],
        label=[("joy", "anger")[k % 2] for k in order],
        speaker=[f"s{k // 4}" for k in order],
    )


class Fake:
    """Says of each row how many fits it has had, and which rows it was fitted to."""

    tasks = {"label": ("anger", "joy")}  # noqa: RUF012
    recipe = validate({"name": "r", "data": {"corpus": "c", "root": "r"}, "text": {"encoder": "e"}}, "recipe")

    def __init__(self, needs_dev=False):
        self.needs_dev, self.fits = needs_dev, []

    def fit(self, train, dev, folder):
        self.fits.append((train, dev, folder))

    def predict(self, manifest):
        return as_predictions(manifest["id"].tolist(), [[0.5, 0.5]] * len(manifest), self.tasks["label"])


def run(train, parts, by="speaker", **how):
    made = []

    def make():
        made.append(Fake(**how))
        return made[-1]

    folds = range(1, parts.max() + 1)
    return [predicted(make, train, parts == number, by, Path(f"work/{number}")) for number in folds], made


def test_each_row_is_predicted_by_what_has_not_seen_it(train):
    parts = inner_folds(train, 3, "speaker", 0)
    found, made = run(train, parts)
    for number, one in enumerate(found, 1):
        assert one["id"].tolist() == train["id"][parts == number].tolist(), "in the order of the training rows"
    assert [len(one.fits) for one in made] == [1, 1, 1], "a system afresh for each fold"
    for number, one in enumerate(made, 1):
        ((seen, dev, folder),) = one.fits
        assert dev is None
        assert folder.name == str(number)
        assert set(seen["id"]) == set(train["id"][parts != number])
        assert not set(seen["speaker"]) & set(train["speaker"][parts == number])


def test_who_needs_a_dev_set_gets_it_out_of_the_inner_training_rows(train):
    parts = inner_folds(train, 3, "speaker", 0)
    _, made = run(train, parts, needs_dev=True)
    for number, one in enumerate(made, 1):
        ((seen, dev, _),) = one.fits
        groups = [set(part["speaker"]) for part in (seen, dev, train[parts == number])]
        assert sum(map(len, groups)) == len(set.union(*groups)) == 6


@pytest.mark.parametrize(
    ("by", "count", "expected"), [("speaker", 3, 3), ("speaker", 9, 6), ("auto", 4, 4), ("none", 9, 9)]
)
def test_as_many_folds_as_there_are_groups(train, by, count, expected):
    parts = inner_folds(train, count, by, 0)
    assert set(parts) == set(range(1, expected + 1))
    assert parts.shape == (24,)
    if by != "none":
        assert pd.Series(parts).groupby(train["speaker"].to_numpy()).nunique().eq(1).all()


def test_another_seed_another_draw(train):
    assert (inner_folds(train, 3, "none", 0) != inner_folds(train, 3, "none", 1)).any()
    np.testing.assert_array_equal(inner_folds(train, 3, "none", 1), inner_folds(train, 3, "none", 1))


def test_what_cannot_be_told_apart_is_refused(train):
    with pytest.raises(UserError, match="inner folds by group, but no training row has a group"):
        inner_folds(train, 3, "group", 0)
    with pytest.raises(UserError, match="two groups or more, and all training rows are of one"):
        inner_folds(train.assign(speaker="s"), 3, "speaker", 0)
    with pytest.raises(UserError, match="a dev set out of 24 training rows: all rows belong to one group"):
        with_dev(train.assign(speaker="s"), 0.2, "speaker", 0)


def test_a_dev_set_is_drawn_by_speaker_or_by_class(train):
    rest, dev = with_dev(train, 0.25, "speaker", 0)
    assert sorted([*rest["id"], *dev["id"]]) == sorted(train["id"])
    assert not set(rest["speaker"]) & set(dev["speaker"])
    _, dev = with_dev(train, 0.25, "none", 0)
    assert dev["label"].value_counts().tolist() == [3, 3]


def test_rows_without_a_main_label_follow_their_speaker_and_never_steer_alone(train):
    unlabelled = train.assign(label=train["label"].mask(train["id"].isin(train["id"][::2])))
    rest, dev = with_dev(unlabelled, 0.25, "speaker", 0)
    assert not set(rest["speaker"]) & set(dev["speaker"])
    assert dev["label"].isna().any()
    assert dev["label"].notna().any()
    with pytest.raises(UserError, match="no row has a label, so none can steer"):
        with_dev(train.assign(label=pd.NA), 0.25, "none", 0)
    with pytest.raises(UserError, match="kept apart by group, but no row to split has a group"):
        with_dev(train, 0.25, "group", 0)
