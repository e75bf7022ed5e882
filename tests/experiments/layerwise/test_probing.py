"""Folds of probes: who chooses the layer, on what, and what is written."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from emospeech.config import Protocol
from emospeech.experiments.layerwise.scores import probed
from emospeech.runtime.errors import WorkError

TELLS = 2
BALANCED = {"class_weight": "balanced", "max_iter": 2000}


def test_inner_folds_choose_the_layer_that_tells(units):
    own = units()
    for unit in own:
        assert not unit.done
        unit.run()
        assert unit.done
    found = probed(own)
    assert set(found.choices) == {"s0", "s1", "s2", "s3"}
    assert set(found.choices.values()) == {TELLS}
    assert found.best == found.often == TELLS
    assert found.layers[TELLS].pooled.macro_f1 == found.chosen.pooled.macro_f1 == 1
    assert all(found.layers[layer].pooled.macro_f1 < 0.6 for layer in (0, 1, 3))
    assert found.last is found.layers[3]
    assert found.chance == pytest.approx(1 / 3)


def test_labels_that_are_tested_have_no_say(units, manifest, tmp_path):
    """Other labels in the fold that is tested: the same choice, inner scores and predictions."""
    own = units()[0]
    own.run()
    changed = manifest.copy()
    tested = own.fold.test
    changed.loc[tested, "label"] = np.random.default_rng(1).permutation(changed.loc[tested, "label"])
    assert (changed["label"] != manifest["label"]).any()
    other = units(changed, tmp_path / "other")[0]
    other.run()
    same = {"layer", "inner_macro_f1", "inner_folds"}
    assert {key: other.record()[key] for key in same} == {key: own.record()[key] for key in same}
    assert (other.folder / "predictions.csv").read_bytes() == (own.folder / "predictions.csv").read_bytes()


@pytest.mark.parametrize("statistics", [["mean"], ["std"], ["mean", "std"]])
def test_a_probe_is_what_scikit_learn_makes_of_a_layer(units, pooled, manifest, statistics):
    unit = units(statistics=statistics)[1]
    unit.run()
    x = np.stack([pooled[id] for id in manifest["id"]])[:, 1, [("mean", "std").index(name) for name in statistics]]
    x = x.reshape(len(manifest), -1).astype(float)
    oracle = make_pipeline(StandardScaler(), LogisticRegression(**BALANCED))
    oracle.fit(x[unit.fold.train], manifest["label"][unit.fold.train])
    rows = unit.predictions()
    rows = rows[rows["layer"] == 1]
    expected = oracle.predict_proba(x[unit.fold.test])
    given = rows[[f"p_{label}" for label in oracle.classes_]].to_numpy()
    np.testing.assert_allclose(given, expected, atol=1e-4)
    assert rows["label"].tolist() == oracle.predict(x[unit.fold.test]).tolist()
    assert rows["id"].tolist() == manifest["id"][unit.fold.test].tolist()


def test_inner_scores_are_of_speakers_that_the_probe_has_not_heard(units, pooled, manifest):
    unit = units()[0]
    unit.run()
    train = manifest[unit.fold.train].reset_index(drop=True)
    inner = unit._inner_folds(train)
    assert set(pd.Series(inner).groupby(train["speaker"]).nunique()) == {1}, "a speaker on both sides"
    x = np.stack([pooled[id] for id in train["id"]])[:, TELLS, 0].astype(float)
    told = np.empty(len(train), dtype=object)
    for number in set(inner):
        oracle = make_pipeline(StandardScaler(), LogisticRegression(**BALANCED))
        told[inner == number] = oracle.fit(x[inner != number], train["label"][inner != number]).predict(
            x[inner == number]
        )
    expected = f1_score(train["label"].tolist(), told.tolist(), average="macro")
    assert unit.record()["inner_macro_f1"][str(TELLS)] == pytest.approx(expected)


def test_all_training_rows_of_one_speaker(units, manifest, capsys):
    unit = units(manifest[manifest["speaker"].isin(["s0", "s1"])].reset_index(drop=True))[0]
    unit.run()
    assert "s0 trains one speaker alone" in capsys.readouterr().err
    assert unit.record()["inner_folds"] == 3


def test_a_class_that_nobody_trains(units, manifest):
    table = manifest[(manifest["speaker"] == "s1") | (manifest["label"] != "joy")].reset_index(drop=True)
    own = units(table)
    for unit in own:
        unit.run()
    without = own[1].predictions()
    assert set(without["p_joy"]) == {0.0}
    assert set(without["label"]) == {"fear", "anger"}
    assert probed(own).layers[TELLS].pooled.macro_f1 < 1


def test_a_speaker_of_one_clip(units, manifest):
    table = manifest[(manifest["speaker"] != "s3") | (manifest.index == len(manifest) - 1)].reset_index(drop=True)
    own = units(table)
    for unit in own:
        unit.run()
    found = probed(own)
    assert own[3].fold.test.sum() == 1
    assert found.chosen.pooled.count == len(table)
    assert len(found.chosen.folds) == 4


def test_inner_folds_that_train_one_class(units, manifest):
    """Of two speakers that train, each has one class: all inner answers are wrong, and of equals the first is taken."""
    own = manifest["speaker"].map({"s0": "joy", "s1": "fear"})
    table = manifest.assign(label=own.fillna(manifest["label"]).astype("string"))
    unit = units(table[table["speaker"] != "s3"].reset_index(drop=True))[2]
    unit.run()
    assert set(unit.record()["inner_macro_f1"].values()) == {0.0}
    assert unit.record()["layer"] == 0


def test_features_that_are_no_numbers(units, pooled):
    pooled["s0_00"][1, 0, 3] = np.nan
    with pytest.raises(WorkError, match=r"loso, tiny, lr, s0: 1 of 6 features are no numbers \(layer 1, mean 3\)"):
        units()[0].run()


def test_chosen_scores_are_of_each_folds_own_layer(units):
    """Hand-made files: fold s0 chose layer 0, the others layer 1."""
    own = units(layers=[0, 1])
    manifest = own[0].corpus.material.manifest
    for k, unit in enumerate(own):
        truth = manifest["label"][unit.fold.test].tolist()
        right = {0: truth, 1: truth[1:] + truth[:1]} if k == 0 else {0: truth[1:] + truth[:1], 1: truth}
        frames = [
            pd.DataFrame({"id": manifest["id"][unit.fold.test], "fold": unit.fold.name, "layer": n, "label": told})
            for n, told in right.items()
        ]
        unit._write({"layer": min(k, 1), "seconds": 1.5}, pd.concat(frames))
    found = probed(own)
    assert found.choices == {"s0": 0, "s1": 1, "s2": 1, "s3": 1}
    assert found.chosen.pooled.macro_f1 == 1
    assert found.layers[0].pooled.accuracy == pytest.approx(0.25)
    assert found.layers[1].over_folds == (pytest.approx(0.75), pytest.approx(0.5))
    assert (found.often, found.best, found.last, found.seconds) == (1, 1, None, 6.0)


def test_damaged_predictions(units):
    unit = units()[0]
    unit.run()
    path = unit.folder / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    with pytest.raises(WorkError, match="is damaged: it does not hold the 12 rows of this fold for each layer"):
        unit.predictions()
    assert set(json.loads((unit.folder / "fold.json").read_text())) >= {"layer", "train", "test", "seconds"}


def test_probes_are_the_classical_models(units):
    probes = {"svm": {"name": "svm_rbf"}, "net": {"name": "mlp", "widths": [16], "epochs": 300, "lr": 0.01}}
    for name in probes:
        unit = units(probes={name: probes[name]}, protocol=Protocol(folds=2, by="speaker"), layers=[TELLS])[0]
        unit.run()
        truth = unit.corpus.material.manifest["label"][unit.fold.test].tolist()
        assert np.mean(np.array(truth) == unit.predictions()["label"].to_numpy()) > 0.9
        (unit.folder / "predictions.csv").unlink()
