"""One fold of one system: what it is fitted to, what it leaves behind, what is damaged."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from emospeech.config import validate
from emospeech.experiments.protocols.folds import Fold
from emospeech.experiments.protocols.units import Unit
from emospeech.runtime.errors import UserError, WorkError

PLAIN = {
    "name": "r",
    "data": {"corpus": "audiofolder", "root": "unused"},
    "system": "classical",
    "classical": {"features": ["tfidf"]},
}


@pytest.fixture
def unit(material, tmp_path):
    """Twelve rows of four speakers; the last three are tested."""

    def unit(dev=None, **more):
        speakers = [f"s{k // 3}" for k in range(12)]
        found = material(["joy", "anger", "fear"] * 4, speaker=speakers, transcription=["x"] * 12)
        test = np.arange(12) >= 9
        own = Fold("s3", ~test if dev is None else ~test & ~dev, test, dev)
        return Unit("loso", "svm", 0, own, validate(PLAIN, "recipe"), found, tmp_path / "loso/svm/s3", **more)

    return unit


def ids(*numbers):
    return [f"r{k}" for k in numbers]


def test_a_unit_starts_from_scratch_and_is_done_once_written(unit, recorder):
    one = unit()
    assert not one.done
    one.run()
    one.run()
    assert one.done
    assert len(recorder.made) == 2, "each run makes a system of its own"
    for made in recorder.made:
        assert made.fits == [(ids(*range(9)), None)]
        assert made.predicted == [ids(9, 10, 11)]
    frame = one.predictions()
    assert frame["id"].tolist() == ids(9, 10, 11)
    assert frame["label"].tolist() == ["anger", "fear", "joy"]  # 9, 10, 11 modulo 3 of the labels in their order
    assert set(frame["fold"]) == {"s3"}
    record = json.loads((one.folder / "fold.json").read_text())
    assert (record["train"], record["dev"], record["test"]) == (9, 0, 3)
    assert sorted(path.name for path in one.folder.iterdir()) == ["fold.json", "predictions.csv"]


def test_a_model_is_kept_if_asked(unit, recorder):
    one = unit(keep_model=True)
    one.run()
    assert (one.folder / "model").is_dir()


def test_who_needs_a_dev_set_gets_one_of_other_speakers(unit, recorder, monkeypatch):
    monkeypatch.setattr(recorder, "needs_dev", True)
    unit().run()
    ((train, dev),) = recorder.made[0].fits
    assert sorted([*train, *dev]) == sorted(ids(*range(9)))
    assert len(dev) == 3
    assert {int(id[1:]) // 3 for id in dev}.isdisjoint({int(id[1:]) // 3 for id in train})
    one = unit(by="none")
    for seed in range(3):  # a draw may happen on one speaker alone
        rule = one.recipe.data.split.model_copy(update={"seed": seed})
        data = one.recipe.data.model_copy(update={"split": rule})
        dataclasses.replace(one, recipe=one.recipe.model_copy(update={"data": data})).run()
    drawn = [made.fits[0] for made in recorder.made[1:]]
    assert any(
        not {int(id[1:]) // 3 for id in dev}.isdisjoint({int(id[1:]) // 3 for id in train}) for train, dev in drawn
    )


def test_the_protocols_own_dev_set(unit, recorder, monkeypatch):
    dev = np.arange(12) < 2
    unit(dev=dev).run()
    assert recorder.made[0].fits == [(ids(*range(2, 9), 0, 1), None)], "who needs none trains on it"
    monkeypatch.setattr(recorder, "needs_dev", True)
    unit(dev=dev).run()
    assert recorder.made[1].fits == [(ids(*range(2, 9)), ids(0, 1))]


def test_working_files_go_when_the_fold_is_done(unit, recorder, monkeypatch):
    def fit(self, train, dev, folder):
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "metrics.jsonl").write_text("{}")

    monkeypatch.setattr(recorder, "fit", fit)
    one = unit()
    one.run()
    assert sorted(path.name for path in one.folder.iterdir()) == ["fold.json", "predictions.csv"]


@pytest.mark.parametrize("kind", [UserError, WorkError])
def test_a_failing_system_is_named(unit, recorder, monkeypatch, kind):
    def fit(self, train, dev, folder):
        raise kind("no numbers")

    monkeypatch.setattr(recorder, "fit", fit)
    one = unit()
    with pytest.raises(kind, match="loso, svm, s3, seed 0: no numbers"):
        one.run()
    assert not one.done


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda frame: frame.iloc[:2], "does not hold the 3 rows of this fold"),
        (lambda frame: frame.iloc[::-1], "does not hold the 3 rows of this fold"),
        (lambda frame: frame.drop(columns="label"), "has no column label"),
        (lambda frame: frame.assign(label="rage"), "label: unknown rage"),
        (lambda frame: pd.DataFrame(), "No columns to parse"),
    ],
)
def test_damaged_predictions_are_told_with_what_to_do(unit, recorder, spoil, message):
    one = unit()
    one.run()
    path = one.folder / "predictions.csv"
    spoil(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(WorkError, match=message) as told:
        one.predictions()
    assert f"remove the folder {one.folder} and go on with --resume" in str(told.value)
    path.write_bytes(b'id,label\n"r9')
    with pytest.raises(WorkError, match="is damaged"):
        one.predictions()
    (one.folder / "fold.json").unlink()
    with pytest.raises(WorkError, match=r"fold\.json is damaged"):
        one.record()


def test_words_that_look_like_numbers_or_nothing_stay_words(unit, recorder):
    one = unit()
    names = ["NA", "1.0", "null"]
    manifest = one.material.manifest.assign(
        id=pd.Series([*(f"{k:02d}" for k in range(9)), "009", "1e3", "NA"], dtype="string"),
        label=pd.Series(names * 4, dtype="string"),
    )
    one = dataclasses.replace(
        one, material=dataclasses.replace(one.material, manifest=manifest, tasks={"label": names})
    )
    recorder.predict = lambda self, m: pd.DataFrame({"id": m["id"].tolist(), "label": names, "p_NA": [0.0, 0.5, 1.0]})
    one.run()
    frame = one.predictions()
    assert frame["id"].tolist() == ["009", "1e3", "NA"]
    assert frame["label"].tolist() == names


def test_a_real_system_without_a_class(unit):
    """No row of fear trains: its probability is there, and 0."""
    one = unit()
    unheard = one.material.manifest["label"].ne("fear").to_numpy(dtype=bool)
    own = dataclasses.replace(one.fold, train=one.fold.train & unheard)
    texts = one.material.manifest.assign(transcription=one.material.manifest["label"])
    one = dataclasses.replace(one, fold=own, material=dataclasses.replace(one.material, manifest=texts))
    one.run()
    frame = one.predictions()
    assert frame["p_fear"].tolist() == [0.0] * 3
    assert frame["label"].tolist()[:2] == ["joy", "anger"]
