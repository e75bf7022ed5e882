"""Deep spectrum as a user types it: train, predict, look at attention, compare; real voices where they are at hand."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.data import audio
from emospeech.encoders.deepspectrum import layouts
from emospeech.encoders.deepspectrum.vgg16 import VGG16
from emospeech.experiments import attention

TINY = """
data: {corpus: emospeech2024, root: ROOT}
speech:
  encoder: deep_spectrum
  options: {attention: true, size: 32, bands: 16, width: 2, fc_width: 8, batch_norm: true}
model: {head: {blocks: 0}}
train: {epochs: 2, batch_size: 8, optimizer: {lr: 0.01}, trackers: []}
"""
PRETRAINED = "speech.options={weights: vgg.pth, attention: false, batch_norm: false, train: %s}"


@pytest.fixture
def recipe(tmp_path, challenge, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace("ROOT", str(challenge)), encoding="utf-8")
    return path


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(3)
    net, names = VGG16(2, 8), layouts.expected("torchvision", False)
    parts = {key: key.rpartition(".") for key in net.state_dict()}
    state = {f"{names[layer]}.{kind}": net.state_dict()[key] for key, (layer, _, kind) in parts.items()}
    torch.save(state, tmp_path / "vgg.pth")
    return state


def clips(challenge):
    return [str(path) for path in sorted((challenge / "test_segments").iterdir())[:3]]


def test_train_predict_and_look(recipe, challenge, capsys, tmp_path):
    assert main(["train", str(recipe)]) == 0
    assert main(["predict", "runs/tiny", *clips(challenge), "-o", "p.csv"]) == 0
    capsys.readouterr()
    assert main(["attention", "runs/tiny", *clips(challenge), "-o", "looks"]) == 0
    assert capsys.readouterr().out == "3 figures: looks\n"
    names = pd.read_csv("p.csv")["id"].tolist()
    assert sorted(path.name for path in (tmp_path / "looks").iterdir()) == sorted(f"{name}.png" for name in names)
    assert main(["attention", "runs/tiny", *clips(challenge), "-o", "looks"]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_reloaded_model_predicts_the_same_alone_and_together(recipe, challenge):
    assert main(["train", str(recipe)]) == 0
    for number, some in enumerate((clips(challenge), clips(challenge)[1:2])):
        assert main(["predict", "runs/tiny", *some, "-o", f"{number}.csv"]) == 0
    together, alone = pd.read_csv("0.csv"), pd.read_csv("1.csv")
    pd.testing.assert_frame_equal(together[1:2].reset_index(drop=True), alone, atol=1e-5, check_exact=False)


@pytest.fixture
def drawn(monkeypatch):
    """The spectrograms that figures are made of, dB (bands, frames) each."""
    found = []
    original = attention.attention_maps

    def watched(spectrogram, *rest):
        found.append(spectrogram)
        return original(spectrogram, *rest)

    monkeypatch.setattr(attention, "attention_maps", watched)
    return found


def test_figures_show_what_the_net_hears(recipe, challenge, drawn, tmp_path):
    """At the run's level, and silence where a clip cannot be read but may be silent."""
    assert main(["train", str(recipe), "train.epochs=1"]) == 0
    assert main(["train", str(recipe), "train.epochs=1", "speech.gain_dbfs=-50", "name=faint"]) == 0
    clip = clips(challenge)[0]
    assert main(["attention", "runs/tiny", clip, "-o", "as_it_is"]) == 0
    assert main(["attention", "runs/faint", clip, "-o", "at_level"]) == 0
    level = 10 * np.log10((audio.load(clip) ** 2).mean())
    assert drawn[0].max() - drawn[1].max() == pytest.approx(level + 50, abs=0.1)
    (tmp_path / "broken.mp3").write_bytes(b"no sound")
    assert main(["attention", "runs/tiny", "broken.mp3", "-o", "broken"]) == 2
    assert main(["attention", "runs/tiny", "broken.mp3", "-o", "broken", "--on-bad-audio", "silence"]) == 0
    assert drawn[2].max() == drawn[2].min()


def test_models_without_attention(recipe, challenge, capsys):
    assert main(["train", str(recipe), "speech.options.attention=false"]) == 0
    capsys.readouterr()
    assert main(["attention", "runs/tiny", *clips(challenge), "-o", "looks"]) == 2
    assert "this run has no attention over spectrograms; train one with speech.encoder=deep" in capsys.readouterr().err


def test_fine_tuning_starts_from_weights_and_needs_them_no_more(recipe, challenge, weights, tmp_path):
    assert main(["train", str(recipe), PRETRAINED % "classifier"]) == 0
    told = json.loads((tmp_path / "runs/tiny/model/config.json").read_text())
    assert told["started_from"]["name"] == str(tmp_path / "vgg.pth")
    assert len(told["started_from"]["sha256"]) == 64
    from safetensors.torch import load_file

    saved = load_file(tmp_path / "runs/tiny/model/model.safetensors")
    assert torch.equal(saved["speech.net.blocks.4.convolutions.2.weight"], weights["features.28.weight"])
    assert not torch.equal(saved["speech.net.fc2.weight"], weights["classifier.3.weight"])
    shutil.move(tmp_path / "vgg.pth", tmp_path / "elsewhere.pth")
    assert main(["predict", "runs/tiny", *clips(challenge), "-o", "p.csv"]) == 0


def test_weights_are_checked_before_any_work(recipe, weights, capsys, tmp_path):
    torch.save({f"net.{key}": value for key, value in weights.items()}, tmp_path / "vgg.pth")
    assert main(["train", str(recipe), PRETRAINED % "all"]) == 2
    assert "are not VGG-16's under the names of torchvision" in capsys.readouterr().err
    assert not (tmp_path / "runs/tiny/checkpoints").exists()
    (tmp_path / "vgg.pth").unlink()
    assert main(["train", str(recipe), PRETRAINED % "all"]) == 2
    assert "speech.options: weights: no file or folder" in (said := capsys.readouterr().err)
    assert "'vgg.pth'; give a Hub id" in said


@pytest.fixture
def actors(data_folder, tmp_path):
    """A few real clips of four speakers and two emotions."""
    table = pd.read_csv(data_folder / "es_acted" / "metadata.csv")
    some = table[table["label"].isin(["anger", "sadness"]) & table["speaker"].isin(["s00", "s01", "s02", "s03"])]
    some = some.groupby(["speaker", "label"]).head(3)
    (tmp_path / "actors").mkdir()
    for name in some["file_name"]:
        (tmp_path / "actors" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(data_folder / "es_acted" / name, tmp_path / "actors" / name)
    some.to_csv(tmp_path / "actors" / "metadata.csv", index=False)
    return str(tmp_path / "actors")


TINY_NET = ["speech.options.size=32", "speech.options.bands=16", "speech.options.width=2", "speech.options.fc_width=8"]
FROM_SCRATCH = ["speech.options.weights=null", "speech.options.train=all", *TINY_NET]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("svm", ["classical.features=[{name: deep_spectrum, size: 32, bands: 16, width: 2, fc_width: 8}]"]),
        ("fully_connected", FROM_SCRATCH),
        ("attention", FROM_SCRATCH),
    ],
)
def test_the_published_recipes_compare_both_protocols(name, more, actors, tmp_path, monkeypatch, capsys):
    """Shrunken and from scratch, on real voices: folds of clips and of speakers, side by side."""
    monkeypatch.chdir(tmp_path)
    path = str(recipes_folder() / "deep_spectrum" / f"{name}.yaml")
    changes = [f"benchmark.protocols.10 folds of {kind}.folds=2" for kind in ("clips", "speakers")]
    changes += ["data.corpus=audiofolder", f"data.root={actors}", "cache.folder=store", *more]
    if name == "svm":
        changes += ["benchmark.workers=1", "benchmark.rows.SVM.tune.grid={classical.model.c: [0.01, 0.1]}"]
    else:
        changes += ["train.epochs=1", "train.trackers=[]"]
    assert main(["benchmark", path, *changes]) == 0
    said = capsys.readouterr().out
    assert "10 folds of clips: 24 rows tested, 2 folds" in said
    assert "10 folds of speakers: 24 rows tested, 2 folds" in said


def test_across_corpora_both_ways(data_folder, tmp_path, monkeypatch, capsys):
    """The shipped recipe on a few clips of German and Spanish actors."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("emodb", "es_acted"):
        (tmp_path / "data" / name).symlink_to((data_folder / name).resolve())
    quick = ["data.limit=20", "train.epochs=1", "train.trackers=[]", "benchmark.protocols.cross-corpus.folds=2"]
    path = str(recipes_folder() / "deep_spectrum" / "cross_corpus.yaml")
    assert main(["benchmark", path, *quick, *TINY_NET]) == 0
    table = pd.read_csv(tmp_path / "runs/cross_corpus/cross_corpus.csv")
    assert {*zip(table["trained_on"], table["tested_on"], strict=True)} >= {
        ("emodb", "es_acted"),
        ("es_acted", "emodb"),
    }
    assert "fully connected" in capsys.readouterr().out
