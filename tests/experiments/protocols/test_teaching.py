"""Folds that lack classes: what is refused, what is left out, what is told."""

import pandas as pd
import pytest

from emospeech.experiments.protocols import teaching
from emospeech.runtime.errors import UserError


def truth(*labels):
    return pd.Series(labels, dtype="string")


def taught(folds, labels, **further):
    manifest = pd.DataFrame({"label": labels, **{task: truth(*values) for task, values in further.items()}})
    return teaching.taught(folds, manifest, dict.fromkeys(["label", *further], ()))


def test_a_fold_of_speakers_that_trains_one_class_is_refused(fold):
    labels = truth("joy", "joy", "fear", "joy")
    with pytest.raises(UserError, match="one class alone trains") as told:
        taught([fold("++-+", "s1"), fold("-+++", "s2"), fold("--.-", "s3")], labels)
    assert "s1 trains joy alone" in str(told.value)
    assert "s3 trains no labelled row" in str(told.value)
    assert "s2" not in str(told.value)


def test_corpora_that_cannot_teach_are_left_out_with_a_note(fold):
    labels = truth("joy", "fear", "low", "high", None)
    folds = [
        fold("++---", "a to b", trained_on="a", tested_on="b"),
        fold("-.++.", "b to a", trained_on="b", tested_on="a"),
        fold("+-...", "a fold 1", trained_on="a", tested_on="a"),
        fold("----+", "c to all", trained_on="c", tested_on="b"),
        fold("+++-.", "d", tested_on="d"),
    ]
    labels_too = truth("joy", "fear", "low", "joy", None)
    kept, notes = taught(folds, labels)
    assert (kept, notes) == ([], ["left out, as no fold trains what it tests"])
    kept, notes = taught(folds, labels_too)
    assert [one.name for one in kept] == ["a to b", "b to a", "d"]
    assert notes == [
        "a fold 1: left out, as it trains joy alone",
        "c to all: left out, as it trains no labelled row",
    ]


def test_classes_that_folds_lack_are_told_once(fold):
    labels = truth("joy", "fear", "joy", "anger", "fear")
    folds = [fold("++--+", "f1"), fold("+++-+", "f2"), fold("-++.+", "f3"), fold("+-+++", "f4")]
    assert teaching.gaps(folds, labels, ["joy", "fear", "anger", "disgust"]) == [
        "no row is labelled disgust",
        "f1, f2: no row of anger trains, though it is tested",
        "f3: no row of anger trains",
    ]
    assert (
        teaching.gaps([fold("++.-.", "one for the other", tested_on="b")], truth("a", "b", "c", "a", "c"), "abc") == []
    )
    assert teaching.gaps([fold("+++-+")], truth("a", "b", "a", "a", "b"), ["a", "b"]) == []


def test_notes_of_all_systems_are_told_without_names():
    notes = {"svm": ["odd"], "net": ["odd", "rare"], "tree": ["odd", "rare"]}
    assert teaching.by_system(notes) == ["odd", "net, tree: rare"]


def test_a_corpus_without_the_main_labels_is_asked_for_what_it_has(fold):
    labels, gender = truth("joy", "fear", None, None), ("f", "m", "f", "m")
    kept, notes = taught(
        [fold("++--", "a to b", tested_on="b"), fold("--++", "b to a", tested_on="a")], labels, gender=gender
    )
    assert [one.name for one in kept] == ["a to b"]
    assert notes == ["b to a: left out, as it trains no labelled row"]
    kept, _ = taught([fold("++--", "a to b", tested_on="b")], labels, accent=("x", "x", "x", "y"))
    assert kept == [], "of the accents it trains one alone"
