"""Classes, and labels that something else than the clip tells."""

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import f1_score

from emospeech.data import manifest
from emospeech.data.audit.shortcuts import majority_guess, predictive


def test_class_counts_and_rare_classes(clean, findings):
    rare = clean.assign(
        label=clean["label"].mask(clean["id"] == clean.loc[clean["split"] == "dev", "id"].iloc[0], "fear")
    )
    found = {one.parts: one for one in findings(rare, with_audio=False)["class balance"]}
    assert found["train"].severity == "note"
    assert found["train"].details["clips"].tolist() == [40, 40, 40]
    assert found["dev"].severity == "warning"
    assert "fear 1" in found["dev"].sentence


def test_a_class_that_train_lacks_is_an_error_and_one_that_test_lacks_is_not(clean, findings):
    def without(part):
        return clean.assign(label=clean["label"].mask((clean["split"] == part) & (clean["label"] == "joy"), "anger"))

    absent = findings(without("train"), with_audio=False)["absent class"][0]
    assert (absent.severity, absent.parts, absent.count) == ("error", "train", 20)
    absent = findings(without("test"), with_audio=False)["absent class"][0]
    assert (absent.severity, absent.parts) == ("warning", "test")
    assert absent.sentence == "no clip of joy, which other parts have, so they are not scored"


def test_unlabelled_parts_are_not_short_of_classes(clean, findings):
    found = findings(clean.assign(label=clean["label"].mask(clean["split"] == "test")), with_audio=False)
    assert "absent class" not in found
    assert {one.parts for one in found["class balance"]} == {"train", "dev"}


# -- guesses from metadata ---------------------------------------------------------------------------------------


def test_the_majority_of_the_recording():
    known = pd.DataFrame(
        {"group": ["v", "v", "v", "w", "w", None], "label": ["joy", "fear", "joy", "fear", "joy", "joy"]}
    )
    asked = pd.DataFrame({"group": ["v", "w", "x", None]})
    assert majority_guess(known, asked, "group") == ["joy", "fear", "joy", "joy"], "a tie: the one met first"


def test_a_recording_that_tells_the_label_is_a_warning(clean, findings):
    pure = clean.assign(group="video of " + clean["label"])
    found = {one.parts: one for one in findings(pure, with_audio=False)["guess by recording"]}
    assert found["train | test"].severity == "warning"
    assert "scores macro-F1 1.000" in found["train | test"].sentence
    assert found["train | test"].count == 30


def test_the_guess_is_scored_as_scikit_learn_would(findings):
    rng = np.random.default_rng(1)
    labels, groups = rng.choice(["a", "b", "c"], 300, p=[0.5, 0.3, 0.2]), rng.integers(0, 60, 300).astype(str)
    rows = manifest.make(
        id=[str(k) for k in range(300)], label=labels, group=groups, split=["train"] * 200 + ["test"] * 100
    )
    train, test = rows[:200], rows[200:]
    usual = DummyClassifier(strategy="most_frequent").fit(np.zeros(200), labels[:200]).predict(np.zeros(100))
    guess = [
        train.loc[train["group"] == group, "label"].value_counts(sort=True).index[0]
        if (train["group"] == group).any()
        else usual[0]
        for group in test["group"]
    ]
    expected = f1_score(test["label"].tolist(), guess, average="macro")
    found = findings(rows, with_audio=False)["guess by recording"][0]
    assert f"scores macro-F1 {expected:.3f} " in found.sentence
    assert f"a for all {f1_score(test['label'].tolist(), usual, average='macro'):.3f}" in found.sentence


def test_speakers_that_are_not_seen_tell_nothing(clean, findings):
    assert "guess by speaker" not in findings(clean, with_audio=False)


# -- length and loudness -----------------------------------------------------------------------------------------


def test_a_number_that_tells_the_label_and_one_that_does_not():
    rng = np.random.default_rng(0)
    labels = rng.choice(["a", "b"], 400)
    tells = predictive(rng.normal(size=400) + 2 * (labels == "a"), labels, None)
    assert tells.scores.mean() > 0.75 > tells.shuffled.max()
    silent = predictive(rng.normal(size=400), labels, None)
    assert abs(silent.scores.mean() - silent.shuffled.mean()) < 0.1
    assert tells.constant == pytest.approx(
        f1_score(labels, np.full(400, max("ab", key=list(labels).count)), average="macro")
    )


def test_what_one_speaker_alone_does_is_not_counted_when_speakers_are_apart():
    """Each speaker has lengths and one label of his own: by speaker they tell nothing of others."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(8), 50)
    labels = np.array(["a", "b"])[np.arange(8) // 2 % 2][speakers]
    length = np.arange(8)[speakers] + 0.01 * rng.normal(size=400)
    assert predictive(length, labels, None).scores.mean() > 0.9
    assert predictive(length, labels, speakers.astype(str)).scores.mean() < 0.6


def test_durations_that_tell_the_label_are_a_warning(clean, findings):
    seconds = clean["label"].map({"neutral": 1.0, "joy": 2.0, "anger": 3.0}) + np.linspace(0, 0.5, 180)
    found = findings(clean.assign(duration=seconds.astype("Float64")), with_audio=False)
    assert [one.severity for one in found["duration alone"]] == ["warning"]
