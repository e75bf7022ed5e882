"""`speech.gain_dbfs` from the recipe to predictions, as typed."""

import json
import signal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.config import validate
from emospeech.data.audio.level import dbfs
from emospeech.encoders.store.shards import Shard
from emospeech.experiments import rows as data_rows
from emospeech.experiments.protocols.benchmark import _differs_by_fold
from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.fitting import gain

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
speech:
  encoder: log_mel_cnn
  options: {width: 8, bands: 16, channels: [4], dropout: 0.0, normalise: false}
  gain_dbfs: auto
model: {dropout: 0.0, head: {blocks: 0}}
train: {epochs: 2, batch_size: 8, trackers: []}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch, make_challenge):
    """Clips of different levels: that of the training clips is not that of all."""
    monkeypatch.chdir(tmp_path)
    root = make_challenge(tmp_path / "challenge")
    for k, path in enumerate(sorted(root.rglob("*.mp3"))):
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples * (0.1 + 0.02 * k), rate)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(root)), encoding="utf-8")
    return tmp_path


def train(*overrides):
    return main(["train", "recipe.yaml", *overrides])


def kept(folder, name="recipe"):
    return json.loads((folder / f"runs/{name}/model/config.json").read_text())["recipe"]["speech"]["gain_dbfs"]


def mean_level(rows):
    return float(np.mean([dbfs(soundfile.read(path)[0]) for path in rows["audio"]]))


def test_the_level_is_the_training_clips_alone(folder, capsys):
    assert train("data.refit=train+dev") == 0
    said = capsys.readouterr().err
    rows = data_rows.load(build.load_recipe("recipe.yaml"))
    assert kept(folder) == pytest.approx(mean_level(rows.train), abs=0.01)
    assert abs(kept(folder) - mean_level(rows.dev)) > 0.02
    assert said.count("speech.gain_dbfs: auto:") == 1, "a second fit on more rows keeps the first one's level"
    assert f"{kept(folder)} dBFS, the mean of {len(rows.train)} training clips" in said
    assert "gain_dbfs: auto" in (folder / "runs/recipe/config.yaml").read_text()


def test_a_prediction_does_not_ask_how_loud_a_clip_is(folder):
    assert train() == 0
    clip = next((folder / "challenge/test_segments").glob("*.mp3"))
    samples, rate = soundfile.read(clip)
    for name, factor in (("loud", 1.0), ("quiet", 0.05)):
        soundfile.write(folder / f"{name}.wav", samples * factor, rate, subtype="FLOAT")
    assert main(["predict", "runs/recipe", "loud.wav", "quiet.wav", "-o", "predictions.csv"]) == 0
    found = pd.read_csv("predictions.csv").filter(like="p_").to_numpy()
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert train("name=plain", "speech.gain_dbfs=null") == 0
    assert main(["predict", "runs/plain", "loud.wav", "quiet.wav", "-o", "plain.csv"]) == 0
    plain = pd.read_csv("plain.csv").filter(like="p_").to_numpy()
    assert np.abs(plain[0] - plain[1]).max() > 1e-3


def test_a_resumed_run_keeps_the_level_that_it_began_with(folder, monkeypatch, capsys):
    from emospeech.runtime.interrupt import StopRequest

    asked = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__int__", lambda self: int(signal.SIGTERM) if next(asked) == 2 else 0)
        assert train("train.epochs=4") != 0
    record = folder / "runs/recipe/checkpoints" / gain.RECORD
    level = json.loads(record.read_text())["gain_dbfs"]
    capsys.readouterr()
    assert train("train.epochs=4", "--resume") == 0
    assert "gain_dbfs: auto:" not in capsys.readouterr().err, "it is not measured again"
    assert kept(folder) == level


def test_a_number_of_ones_own(folder):
    assert train("speech.gain_dbfs=-31.19") == 0
    assert kept(folder) == -31.19


@pytest.mark.parametrize("value", ["loud", "3", "-200", "true"])
def test_what_is_no_level(folder, value, capsys):
    assert train(f"speech.gain_dbfs={value}") == 2
    assert "speech.gain_dbfs: should be auto, a level between -100 and 0 dBFS, or null, got" in capsys.readouterr().err


def test_the_store_keeps_each_level_apart(folder, tiny_xlsr):
    """Pre-trained, frozen: the tiny XLS-R normalises, so states agree while their keys do not."""

    def keys(store):
        return {key for path in (folder / store).rglob("*.safetensors") for key in Shard(path).keys}

    speech = f"speech={{encoder: {tiny_xlsr}, options: null, gain_dbfs: LEVEL}}"
    for name, level in (("none", "null"), ("loud", "-20")):
        assert train(speech.replace("LEVEL", level), f"name={name}", "cache={folder: store}") == 0
    rows = data_rows.load(build.load_recipe("recipe.yaml"))
    clips = len(rows.train) + len(rows.dev) + len(rows.test)
    assert len(keys("store")) == 2 * clips
    measured = [speech.replace("LEVEL", "auto"), "cache={folder: store}"]
    assert main(["extract", "recipe.yaml", *measured]) == 0
    ready = keys("store")
    assert len(ready) >= 3 * clips
    assert train("name=measured", *measured) == 0
    assert keys("store") == ready, "training finds the level that extraction found"


def test_stored_states_are_of_the_level(folder, tiny_xlsr, tmp_path):
    """With a checkpoint that does not normalise, a run from the store is the run without it."""
    import shutil

    plain = shutil.copytree(tiny_xlsr, tmp_path / "loudness")
    settings = json.loads((plain / "preprocessor_config.json").read_text())
    (plain / "preprocessor_config.json").write_text(json.dumps({**settings, "do_normalize": False}))
    speech = f"speech={{encoder: {plain}, options: null, gain_dbfs: auto}}"
    found = {}
    for name, cache in (("stored", "cache={folder: store, dtype: fp32}"), ("anew", "cache=null")):
        assert train(speech, f"name={name}", cache) == 0
        found[name] = pd.read_csv(f"runs/{name}/dev_predictions.csv").filter(like="p_").to_numpy()
    np.testing.assert_allclose(found["stored"], found["anew"], atol=1e-4)


def test_an_encoder_that_levels_clips_itself_is_told_of(folder, tiny_xlsr, capsys):
    assert train(f"speech={{encoder: {tiny_xlsr}, options: null, gain_dbfs: -30}}", "cache=null") == 0
    assert "brings each clip to one level itself" in capsys.readouterr().err
    assert train("name=scratch") == 0
    assert "brings each clip" not in capsys.readouterr().err


def test_each_fold_of_a_benchmark_measures_its_own(folder):
    recipe = build.load_recipe("recipe.yaml")
    assert _differs_by_fold(recipe)
    assert not _differs_by_fold(build.load_recipe("recipe.yaml", ["speech.gain_dbfs=-20"]))
    (folder / "recipe.yaml").write_text(
        (folder / "recipe.yaml").read_text()
        + "benchmark: {protocols: {folds: {kind: k-fold, folds: 2, by: none}}, keep_models: true}\n"
    )
    assert main(["benchmark", "recipe.yaml", "train.epochs=1"]) == 0
    found = [
        json.loads(path.read_text())["recipe"]["speech"]["gain_dbfs"]
        for path in folder.glob("runs/**/model/config.json")
    ]
    assert len(found) == 2
    assert found[0] != found[1]


def test_nothing_to_measure():
    recipe = validate(
        {
            "name": "r",
            "data": {"corpus": "demo", "root": "x"},
            "speech": {"encoder": "log_mel_cnn", "gain_dbfs": "auto"},
        },
        "test",
    )
    silent = SimpleNamespace(load=lambda path: np.zeros(100, dtype=np.float32))
    rows = pd.DataFrame({"audio": pd.Series(["a.wav", pd.NA], dtype="string")})
    with pytest.raises(UserError, match=r"speech\.gain_dbfs: auto: no training clip has sound to measure"):
        gain.settled(recipe, rows, silent.load)


def test_classical_systems_hear_clips_as_they_are(folder, tiny_xlsr, capsys):
    assert train("system=classical", "classical={features: [speech], model: logistic_regression}",
                 f"speech={{encoder: {tiny_xlsr}, options: null, gain_dbfs: -30}}") == 2  # fmt: skip
    assert "speech.gain_dbfs: a classical system hears clips as loud as they are" in capsys.readouterr().err
