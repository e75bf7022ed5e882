"""Pooled scores, spreads over folds and seeds, tasks and corpora: by hand, and against scikit-learn."""

import statistics
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from emospeech.config import validate
from emospeech.experiments.protocols import outcomes
from emospeech.experiments.protocols.folds import Fold
from emospeech.experiments.protocols.units import Unit
from emospeech.experiments.scoring import calibrated
from emospeech.metrics.calibration import cross_tempered, reliability
from emospeech.metrics.scores import chance_macro_f1
from emospeech.metrics.statistics import interval
from emospeech.systems.base import MAIN_TASK

from .test_units import PLAIN


@pytest.fixture
def scored(tmp_path):
    """Material, folds as lists of row numbers, predictions (seed -> task -> labels of all rows) -> outcomes by task."""

    def scored(material, folds, predicted, published=None, pairs=None):
        count, units = len(material.manifest), []
        for seed, by_task in predicted.items():
            for k, rows in enumerate(folds):
                test = np.isin(np.arange(count), rows)
                trained, tested = pairs[k] if pairs else ("", "")
                fold = Fold(f"f{k}", ~test, test, None, trained, tested)
                recipe = validate(PLAIN, "recipe")
                unit = Unit("k", "net", seed, fold, recipe, material, tmp_path / f"{seed}/f{k}")
                unit.folder.mkdir(parents=True)
                frame = pd.DataFrame({"id": material.manifest["id"][test]})
                for task, labels in by_task.items():
                    frame[task] = np.asarray(labels, dtype=object)[test]
                frame.assign(fold=fold.name).to_csv(unit.folder / "predictions.csv", index=False)
                (unit.folder / "fold.json").write_text('{"seconds": 1.5}')
                units.append(unit)
        return list(outcomes.outcomes(units, outcomes.predictions_of(units), published))

    return scored


LABELS = ("anger", "fear", "joy")


def drawn(count, seed, labels=LABELS):
    return np.random.default_rng(seed).choice(labels, size=count, p=np.arange(len(labels), 0, -1) / 6).tolist()


def test_pooled_scores_are_scikit_learns_on_all_predictions(material, scored):
    truth, guess = drawn(60, 0), drawn(60, 1)
    folds = [list(range(k, 60, 4)) for k in range(4)]
    (one,) = scored(material(truth), folds, {0: {MAIN_TASK: guess}}, {"paper": 0.4})
    (pooled,) = one.pooled
    assert pooled.macro_f1 == pytest.approx(f1_score(truth, guess, average="macro"))
    assert pooled.weighted_f1 == pytest.approx(f1_score(truth, guess, average="weighted"))
    assert pooled.accuracy == pytest.approx(accuracy_score(truth, guess))
    assert pooled.uar == pytest.approx(balanced_accuracy_score(truth, guess))
    assert np.array_equal(pooled.confusion, confusion_matrix(truth, guess, labels=LABELS))
    of_folds = [f1_score([truth[k] for k in f], [guess[k] for k in f], average="macro") for f in folds]
    assert one.over_folds() == pytest.approx((statistics.fmean(of_folds), statistics.stdev(of_folds)))
    assert list(one.by_fold().values()) == pytest.approx(of_folds)
    assert one.over_seeds() is None
    assert one.interval == interval(truth, [guess], LABELS)
    assert one.published == {"paper": 0.4}
    assert one.seconds == 6.0


def test_an_interval_by_speaker_or_recording(material, scored):
    """By that of which there are fewer; of each corpus its own, and none where it is not told."""
    truth, guess = drawn(60, 0), drawn(60, 1)
    speakers, videos = [f"s{k % 6}" for k in range(60)], [f"v{k % 12}" for k in range(60)]
    folds = [list(range(k, 60, 4)) for k in range(4)]
    (one,) = scored(material(truth, speaker=speakers, group=videos), folds, {0: {MAIN_TASK: guess}})
    assert (one.clustered.by, one.clustered.count) == ("speaker", 6)
    assert one.clustered.interval == interval(truth, [guess], LABELS, clusters=speakers)
    assert one.interval == interval(truth, [guess], LABELS)
    corpora, known = ["a", "b"] * 30, [f"s{k // 2 % 3}" if k % 2 == 0 else None for k in range(60)]
    found = scored(material(truth, corpora=corpora, speaker=known), folds, {1: {MAIN_TASK: guess}})
    by = {one.tested_on: one.clustered for one in found}
    assert (by["a"].count, by["b"], by[""]) == (3, None, None), "of half of all clips nobody is told"


def test_how_far_out_of_fold_probabilities_can_be_believed(material, tmp_path):
    """By fold: each one's temperature is fitted to the others; a class that a fold does not tell has none of it."""
    truth, rng = drawn(90, 0), np.random.default_rng(1)
    chances = rng.dirichlet([1, 1, 1], size=90)
    codes, folds = np.array([LABELS.index(one) for one in truth]), np.arange(90) % 3
    frame = pd.DataFrame(chances, columns=[f"p_{label}" for label in LABELS]).assign(fold=folds)
    found = calibrated.over_folds(frame, truth, LABELS, MAIN_TASK, 1)
    assert found.plain == reliability(chances, codes)
    assert found.tempered == reliability(cross_tempered(chances, codes, folds), codes)
    assert found.temperature is None
    assert calibrated.over_folds(frame.assign(fold="f"), truth, LABELS, MAIN_TASK, 1).tempered is None
    lacking = calibrated.chances_of(frame.assign(p_joy=np.nan), LABELS)
    assert lacking[:, 2].tolist() == [0.0] * 90
    assert calibrated.over_folds(frame[["fold"]], truth, LABELS, MAIN_TASK, 1) is None
    assert calibrated.of_values(asdict(found)) == found


def test_several_seeds_by_hand(material, scored):
    truth = ["joy", "joy", "fear", "fear"]
    first, second = ["joy", "joy", "fear", "fear"], ["joy", "fear", "fear", "joy"]
    folds = [[0, 2], [1, 3]]
    (one,) = scored(material(truth), folds, {7: {MAIN_TASK: first}, 2: {MAIN_TASK: second}})
    assert sorted(pooled.macro_f1 for pooled in one.pooled) == [0.5, 1.0]
    assert one.mean() == 0.75
    assert one.over_seeds() == pytest.approx((2 * 0.25**2) ** 0.5)  # over n - 1
    # fold 0 is right under both seeds, fold 1 wrong under one of them: (1 + 0) / 2
    assert one.by_fold() == {"f0": 1.0, "f1": 0.5}
    assert one.over_folds() == pytest.approx((0.75, 0.125**0.5))
    assert one.seconds == 6.0
    assert one.interval.low <= one.mean() <= one.interval.high


def test_one_fold_has_no_spread(material, scored):
    (one,) = scored(material(["joy", "fear"] * 3), [[4, 5]], {0: {MAIN_TASK: ["joy"] * 6}})
    assert one.over_folds() == (pytest.approx(1 / 3), 0.0)


def test_by_corpus_and_by_task(material, scored):
    """The labels of a further task are missing for some rows; the main ones for others."""
    found = material(
        ["joy", "fear", "joy", None],
        corpora=["de", "de", "es", "es"],
        tasks={"gender": ("female", "male")},
        gender=["female", None, "male", "male"],
    )
    guess = {MAIN_TASK: ["joy", "joy", "joy", "fear"], "gender": ["female", "female", "female", "male"]}
    by = {(one.task, one.tested_on): one for one in scored(found, [[0, 2], [1, 3]], {0: guess}, {"paper": 0.4})}
    assert list(by) == [(task, corpus) for task in (MAIN_TASK, "gender") for corpus in ("", "de", "es")]
    assert {key: one.pooled[0].count for key, one in by.items()} == {
        (MAIN_TASK, ""): 3, (MAIN_TASK, "de"): 2, (MAIN_TASK, "es"): 1,
        ("gender", ""): 3, ("gender", "de"): 1, ("gender", "es"): 2,
    }  # fmt: skip
    assert by["gender", "es"].mean("accuracy") == 0.5
    assert by["gender", ""].mean("accuracy") == pytest.approx(2 / 3)
    assert [key for key, one in by.items() if one.published] == [(MAIN_TASK, "")]
    assert [key for key, one in by.items() if one.overall] == [(MAIN_TASK, ""), ("gender", "")]


def test_a_target_is_a_task_of_that_name(material, scored):
    (one,) = scored(material(["f", "m"], target="gender"), [[0], [1]], {0: {MAIN_TASK: ["f", "f"]}})
    assert one.task == "gender"


def test_a_task_that_no_tested_row_has(material, scored):
    found = material(["joy", "fear"] * 2, tasks={"accent": ("a", "b")}, accent=["a", "b", None, None])
    (one,) = scored(found, [[2, 3]], {0: {MAIN_TASK: ["joy"] * 4, "accent": ["a"] * 4}})
    assert one.task == MAIN_TASK


def test_pairs_of_corpora(material, scored):
    found = material(["joy", "fear"] * 2, corpora=["a", "a", "b", "b"])
    pairs = [("a", "b"), ("b", "a"), ("a", "a"), ("a", "a")]
    guess = {0: {MAIN_TASK: ["joy", "fear", "joy", "joy"]}}
    by = {(one.trained_on, one.tested_on): one for one in scored(found, [[2, 3], [0, 1], [0], [1]], guess, pairs=pairs)}
    assert set(by) == {("a", "b"), ("b", "a"), ("a", "a")}
    assert by["a", "b"].mean() == pytest.approx(1 / 3)
    assert by["b", "a"].mean() == by["a", "a"].mean() == 1.0
    assert len(by["a", "a"].folds) == 2


def test_chance_guesses_the_classes_that_occur_somewhere(material, scored):
    """A class of the label space that no row has is guessed by nobody."""
    truth = ["joy", "fear", "joy", "joy"]
    found = material(truth, corpora=["a", "a", "b", "b"], tasks={MAIN_TASK: ("anger", "fear", "joy")})
    every, _, b = scored(found, [[0, 1], [2, 3]], {0: {MAIN_TASK: ["joy"] * 4}})
    assert every.chance == pytest.approx((2 * 0.25 * 0.5 / 0.75 + 2 * 0.75 * 0.5 / 1.25) / 2)
    assert b.chance == pytest.approx((0 + 2 * 1 * 0.5 / 1.5) / 2), "fear is guessed there, too"
    rng = np.random.default_rng(0)
    truth = ["joy"] * 30_000 + ["fear"] * 10_000
    drawn = f1_score(truth, rng.choice(["joy", "fear"], len(truth)), average="macro")
    assert chance_macro_f1(truth, ["joy", "fear"]) == pytest.approx(drawn, abs=0.01)
