"""The classical system through its recipe: fit, predict, save, load."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from emospeech.runtime import console
from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems import build
from emospeech.systems.classical import features
from emospeech.systems.classical.adapting import by_speaker
from emospeech.systems.classical.lda import Lda
from emospeech.systems.classical.member import joined
from emospeech.systems.classical.models import MODELS

from .conftest import LABELS, TASKS

SMALL = {"trees": 5}, {"epochs": 5}
MODEL_OPTIONS = {name: {"trees": 5} for name in ("random_forest", "extra_trees", "xgboost")}
MODEL_OPTIONS |= {name: {"epochs": 5} for name in MODELS if name == "mlp" or name.startswith("net_")}


def halves(rows):
    return rows[:40].reset_index(drop=True), rows[40:].reset_index(drop=True)


def chances(predictions, labels=LABELS):
    return predictions[[f"p_{label}" for label in labels]].to_numpy()


def test_our_vectors_are_a_pipeline_of_scikit_learn(rows, numbers, fitted):
    train, test = halves(rows)
    ours = fitted(train, model={"name": "svm_rbf", "c": 3}).predict(test)
    theirs = make_pipeline(StandardScaler(), SVC(C=3, class_weight="balanced", break_ties=True))
    theirs.fit(numbers.of(train).astype(float), train["label"])
    assert ours["label"].tolist() == theirs.predict(numbers.of(test).astype(float)).tolist()
    assert ours.columns.tolist() == ["id", "label", *(f"p_{label}" for label in LABELS)]
    assert ours["id"].tolist() == test["id"].tolist()


def test_our_text_is_a_pipeline_of_scikit_learn(rows, fitted):
    train, test = halves(rows)
    system = fitted(train, {"name": "tfidf", "accents": "folded"}, {"name": "logistic_regression", "c": 2})
    options = {"sublinear_tf": True, "min_df": 2, "strip_accents": "unicode"}
    union = make_union(
        TfidfVectorizer(ngram_range=(1, 2), **options),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options),
    )
    theirs = make_pipeline(union, LogisticRegression(C=2, class_weight="balanced", max_iter=2000))
    theirs.fit(train["transcription"], train["label"])
    expected = theirs.predict_proba(test["transcription"])
    np.testing.assert_allclose(chances(system.predict(test)), expected, atol=1e-12)


def test_features_end_to_end(rows, numbers, fitted):
    """Dense ones are standardised, TF-IDF is not."""
    train, test = halves(rows)
    system = fitted(train, ["functionals", {"name": "tfidf", "characters": None}])
    scaler, words = StandardScaler(), TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    both = [
        np.hstack([scale(numbers.of(part).astype(float)), vectorise(part["transcription"]).toarray()])
        for part, scale, vectorise in (
            (train, scaler.fit_transform, words.fit_transform),
            (test, scaler.transform, words.transform),
        )
    ]
    theirs = LogisticRegression(class_weight="balanced", max_iter=2000).fit(both[0], train["label"])
    np.testing.assert_allclose(chances(system.predict(test)), theirs.predict_proba(both[1]), atol=1e-6)


@pytest.mark.parametrize("model", MODELS)
def test_each_model_comes_back_as_it_was(model, rows, fitted, tmp_path):
    train, test = halves(rows)
    read = ["tfidf"] if model == "complement_bayes" else ["functionals", "tfidf"]  # it takes nothing negative
    system = fitted(train, read, {"name": model, **MODEL_OPTIONS.get(model, {})})
    predictions = system.predict(test)
    system.save(tmp_path / "model")
    again = build.load(tmp_path / "model").predict(test)
    pd.testing.assert_frame_equal(again, predictions, check_exact=True)


@pytest.mark.parametrize("transform", ["clip", "pca", "svd", "anova", "length"])
def test_each_transform_comes_back_as_it_was(transform, rows, fitted, tmp_path):
    train, test = halves(rows)
    system = fitted(train, transforms=["clip", {"name": transform}])
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), system.predict(test), check_exact=True)


def test_a_vote_is_the_weighted_mean_of_its_members(rows, fitted, tmp_path):
    train, test = halves(rows)
    members = [
        {"features": ["functionals"], "model": "lda", "transforms": [{"name": "clip", "at": 2.0}], "weight": 3.0},
        {"features": [1], "model": {"name": "svm_linear"}},
    ]
    system = fitted(train, ["functionals", "tfidf"], vote=members)
    one = fitted(train, model="lda", transforms=[{"name": "clip", "at": 2.0}]).predict(test)
    other = fitted(train, "tfidf", "svm_linear").predict(test)
    found = system.predict(test)
    assert chances(found) == pytest.approx(0.75 * chances(one) + 0.25 * chances(other))
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), found, check_exact=True)


def test_a_vote_of_scores_by_hand(rows, fitted, tmp_path):
    """Each member's centred scores over their deviation on the training rows, averaged; at their mean deviation."""
    train, test = halves(rows)
    system = fitted(
        train, ["functionals", "tfidf"], vote=[{"features": [0], "model": "lda"}, {"weight": 3}], pool="scores"
    )
    found = chances(system.predict(test))
    sure, other = system.votes["label"].members

    def centred(member, part):
        scores = member.fitted.scores(joined(system.prepared.of(part), member.plan.features))
        return scores - scores.mean(axis=1, keepdims=True)

    spreads = [centred(member, train).std() for member in (sure, other)]
    assert spreads[1] > 1.2 * spreads[0], "one is surer of itself, and has no more to say for that"
    mean = sum(w * centred(m, test) / s for w, m, s in zip((1, 3), (sure, other), spreads, strict=True)) / 4
    powers = np.exp(mean * (spreads[0] + 3 * spreads[1]) / 4)
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), atol=1e-9)
    system.save(tmp_path / "model")
    np.testing.assert_array_equal(chances(build.load(tmp_path / "model").predict(test)), found)


def test_scores_tell_apart_where_probabilities_are_all_0_or_1():
    """Discriminants of many features: logits of hundreds, whose probabilities are 1 and, to a computer, 0 and 0."""
    model = Lda(np.array([[0.0, -900.0, -1800.0]]), np.zeros(3))
    assert model.chances(np.ones((1, 1))).tolist() == [[1, 0, 0]]
    assert model.scores(np.ones((1, 1))).tolist() == [[0, -900, -1800]]


def test_offsets_are_chosen_on_inner_folds_and_come_back(rows, fitted, tmp_path):
    train, test = halves(rows)
    plain, moved = fitted(train), fitted(train, offsets=3)
    shift = moved.votes["label"].offsets
    assert shift.shape == (3,)
    powers = chances(plain.predict(test)) * np.exp(shift)
    np.testing.assert_allclose(chances(moved.predict(test)), powers / powers.sum(axis=1, keepdims=True), atol=1e-9)
    moved.save(tmp_path / "model")
    again = build.load(tmp_path / "model").predict(test)
    pd.testing.assert_frame_equal(again, moved.predict(test), check_exact=True)


def test_a_member_may_do_without_copies(rows, fitted):
    train, test = halves(rows)
    mixed = fitted(train, vote=[{"speeds": [0.9]}, {"model": "lda"}], normalise="speaker").predict(test)
    one = fitted(train, speeds=[0.9], normalise="speaker").predict(test)
    other = fitted(train, model="lda", normalise="speaker").predict(test)
    assert chances(mixed) == pytest.approx((chances(one) + chances(other)) / 2)


def test_speakers_are_normalised_by_what_comes_together(rows, numbers, fitted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_said", set())
    train, test = halves(rows)
    system = fitted(train, normalise="speaker")
    assert capsys.readouterr().err.count("test clips too") == 1
    predictions = system.predict(test)
    assert "test clips too" not in capsys.readouterr().err, "said once"

    def scaled(part):
        values = pd.DataFrame(numbers.of(part).astype(float)).groupby(part["speaker"].to_numpy())
        return values.transform(lambda column: (column - column.mean()) / column.std(ddof=0))

    theirs = LogisticRegression(class_weight="balanced", max_iter=2000).fit(scaled(train), train["label"])
    np.testing.assert_allclose(chances(predictions), theirs.predict_proba(scaled(test)), atol=1e-6)
    shifted = {id: 2 * value + 7 for id, value in numbers.known.items()}
    numbers.known = {**numbers.known, **{id: shifted[id] for id in test["id"]}}
    np.testing.assert_allclose(chances(system.predict(test)), chances(predictions), atol=1e-5)
    system.save(tmp_path / "model")
    assert "test clips too" in json.loads((tmp_path / "model" / "config.json").read_text())["normalise"]
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), system.predict(test), check_exact=True)


@pytest.mark.parametrize("normalise", ["corpus", "speaker"])
def test_copies_at_other_speeds_train_beside_their_clips(normalise, rows, numbers, fitted, tmp_path):
    """A copy is 0.9 or 1.1 times its clip here, so that normalised by speaker it is the clip over again."""
    train, test = halves(rows)
    system = fitted(train, speeds=[0.9, 1.1], normalise=normalise)
    found = system.predict(test)
    if normalise == "corpus":
        own = numbers.of(train).astype(float)
        theirs = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
        theirs.fit(np.concatenate([own, 0.9 * own, 1.1 * own]), [*train["label"]] * 3)
        np.testing.assert_allclose(chances(found), theirs.predict_proba(numbers.of(test)), atol=1e-5)
    else:
        tripled = fitted(train, normalise="speaker", model={"name": "logistic_regression", "c": 3})
        np.testing.assert_allclose(chances(found), chances(tripled.predict(test)), atol=1e-3)
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), found, check_exact=True)


def test_copies_through_channels_train_beside_their_clips(rows, numbers, fitted):
    train, test = halves(rows)
    own = numbers.of(train).astype(float)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=2000))
    theirs.fit(np.concatenate([own, 0.9 * own, 2 * own, 3 * own]), [*train["label"]] * 4)
    found = chances(fitted(train, speeds=[0.9], channels=2).predict(test))
    np.testing.assert_allclose(found, theirs.predict_proba(numbers.of(test)), atol=1e-5)
    alone = fitted(train, channels=2, vote=[{"channels": 0}]).predict(test)
    np.testing.assert_allclose(chances(alone), chances(fitted(train).predict(test)), atol=1e-9)


def test_a_feature_that_hears_through_no_channel(rows, make_recipe, monkeypatch):
    monkeypatch.setitem(features.FEATURES, "functionals", lambda recipe, revisions, *, speed=1.0: None)
    with pytest.raises(UserError, match=r"classical\.channels: functionals hears through no other channel"):
        build.build(make_recipe(channels=1), TASKS)


def test_adapted_predictions_use_what_comes_together_and_come_back(rows, fitted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(console, "_said", set())
    train, test = halves(rows)
    plain, system = fitted(train).predict(test), fitted(train, adapt=True)
    found = system.predict(test)
    assert "classical.adapt: each clip's probabilities depend" in capsys.readouterr().err
    np.testing.assert_allclose(chances(found), by_speaker(chances(plain), test["speaker"]), atol=1e-9)
    assert not np.allclose(chances(found), chances(plain))
    np.testing.assert_allclose(chances(system.predict(test[:1])), chances(plain)[:1], atol=1e-9)
    system.save(tmp_path / "model")
    assert "test clips too" in json.loads((tmp_path / "model" / "config.json").read_text())["adapt"]
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), found, check_exact=True)
    with pytest.raises(UserError, match=r"classical\.adapt=true, but 20 of 20 rows have no speaker.*adapt=false"):
        system.predict(test.assign(speaker=pd.NA))


def test_a_feature_that_hears_at_one_speed_alone(rows, make_recipe, monkeypatch):
    monkeypatch.setitem(features.FEATURES, "functionals", lambda recipe, revisions: None)
    with pytest.raises(UserError, match=r"classical\.speeds: functionals hears at one speed alone"):
        build.build(make_recipe(speeds=[0.9]), TASKS)


def test_one_clip_of_a_speaker_is_scaled_as_the_corpus(rows, fitted, capsys):
    train, test = halves(rows)
    alone = test[:1].assign(speaker="new")
    found = fitted(train, normalise="speaker").predict(alone)
    assert "speaker new has fewer than 3 clips" in capsys.readouterr().err
    assert chances(found).sum() == pytest.approx(1)
    with pytest.raises(UserError, match="1 of 1 rows have no speaker"):
        fitted(train, normalise="speaker").predict(alone.assign(speaker=pd.NA))


@pytest.mark.parametrize("model", ["logistic_regression", "svm_rbf", "xgboost", "lda", "mlp"])
def test_a_class_without_a_training_row_has_no_chance(model, rows, fitted, tmp_path):
    train, test = halves(rows)
    system = fitted(train[train["label"] != "joy"].reset_index(drop=True), model=model)
    predictions = system.predict(test)
    assert (predictions["p_joy"] == 0).all()
    assert chances(predictions).sum(axis=1) == pytest.approx(1)
    assert set(predictions["label"]) <= {"anger", "sadness"}
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), predictions, check_exact=True)


def test_one_class_alone(rows, fitted):
    with pytest.raises(UserError, match=r"label: the training rows need two different labels at least, .* all are joy"):
        fitted(rows[rows["label"] == "joy"].reset_index(drop=True))


def test_ties_go_to_the_first_label(rows, numbers, fitted):
    numbers.known = dict.fromkeys(numbers.known, np.ones(6))
    predictions = fitted(rows).predict(rows)
    assert set(predictions["label"]) == {LABELS[0]}


def test_further_tasks_are_told_beside_the_label(rows, fitted, tmp_path):
    """Rows without a gender teach nothing of it; each task as if it were alone."""
    train, test = halves(rows)
    tasks = {**TASKS, "gender": ("female", "male")}
    system = fitted(train, tasks=tasks)
    found = system.predict(test)
    assert found.columns.tolist()[5:] == ["gender", "p_gender_female", "p_gender_male"]
    assert found[["p_gender_female", "p_gender_male"]].sum(axis=1).tolist() == pytest.approx([1] * len(test))
    pd.testing.assert_frame_equal(found.iloc[:, :5], fitted(train).predict(test))
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path / "model").predict(test), found, check_exact=True)
    untold = train.assign(gender=train["gender"].where(train["gender"] == "male"))
    with pytest.raises(UserError, match="gender: the training rows need two different labels"):
        fitted(untold, tasks=tasks)


def test_features_that_are_no_numbers_are_named(rows, numbers, fitted):
    numbers.known["c3"] = np.array([1, 2, np.nan, 4, 5, 6])
    with pytest.raises(WorkError, match=r"1 of 6 features are no numbers \(functionals:2\) for 1 of 60 clips: c3"):
        fitted(rows)


def test_a_text_without_a_repeated_word(rows, fitted):
    train = rows[:3].assign(transcription=["uno", "dos", "tres"])
    with pytest.raises(UserError, match=r"tfidf: no n-gram of word \[1, 2\] is in 2 of the 3 training rows"):
        fitted(train, {"name": "tfidf", "characters": None})


def test_what_it_needs(make_recipe, numbers):
    heard, read = (build.build(make_recipe(name), TASKS) for name in ("functionals", "tfidf"))
    both = build.build(make_recipe(["functionals", "tfidf"]), TASKS)
    assert [(s.needs_audio, s.needs_text) for s in (heard, read, both)] == [(True, False), (False, True), (True, True)]
    assert not any(s.needs_dev or s.may_lack for s in (heard, read, both))


def test_extract_says_whether_there_is_something_to_keep(rows, make_recipe):
    heard, read = (build.build(make_recipe(name), TASKS) for name in ("functionals", "tfidf"))
    assert heard.extract([rows], [rows]) is True
    assert read.extract([rows], [rows]) is False


def test_dev_rows_teach_nothing(rows, make_recipe, tmp_path):
    train, test = halves(rows)
    found = []
    for dev in (None, test):
        system = build.build(make_recipe(), TASKS)
        system.fit(train, dev, tmp_path)
        found.append(system.predict(test))
    pd.testing.assert_frame_equal(*found, check_exact=True)
