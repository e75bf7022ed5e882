"""The SE&R 2022 winner's recipe, as typed: CORAA SER, EMOVO and RAVDESS as small files under the corpora's own names,
and the real BAVED."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech import config
from emospeech.cli.main import main
from emospeech.corpora import coraa_ser
from emospeech.experiments import rows as data_rows
from emospeech.labels import CORAA_SER
from emospeech.runtime.errors import UserError
from emospeech.systems.build import load_recipe

RECIPE = config.recipes_folder() / "xlsr_finetune_multicorpus.yaml"
ACTORS = {"emovo": ("f1", "m1"), "ravdess": ("Actor_01", "Actor_02")}
RECORDINGS = ("bfamcv02", "bfamdl21", "bpubcv01", "bpubdl02", "bfammn05")


def write(path, seed):
    """A tone in noise of 0.3 s; loud or quiet."""
    rng = np.random.default_rng(seed)
    tone = np.sin(2 * np.pi * rng.uniform(100, 800) * np.arange(4800) / 16_000)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.uniform(0.01, 0.5) * (tone + 0.1 * rng.standard_normal(4800)), 16_000)


def write_coraa(root):
    """Three classes in five recordings, and a test of three."""
    clips = [
        f"{recording}_segment{k}_{label}.wav"
        for recording in RECORDINGS
        for k, label in enumerate((*CORAA_SER, "neutral"))
    ]
    for seed, name in enumerate(clips):
        write(root / "train" / name, seed)
    lines = ["file,label,wav_file"]
    for k, label in enumerate(CORAA_SER):
        write(root / f"test_ser/{k}.wav", 100 + k)
        lines.append(f"bpubdl03_segment{k}_{label}.wav,{label},{k}.wav")
    (root / coraa_ser.TEST_TABLE).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def corpora(tmp_path, data_folder, monkeypatch):
    """data/ of the recipe: of two actors of each corpus every file that its public listing has."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    for name, actors in ACTORS.items():
        file = data_folder / "listings" / f"{name}.tsv"
        if not file.is_file():
            pytest.skip(f"no listing {file}")
        with file.open(encoding="utf-8", newline="") as stream:
            paths = [Path(row["path"]) for row in csv.DictReader(stream, delimiter="\t")]
        chosen = [path for path in paths if path.parent.name in actors][::5]
        for seed, path in enumerate(chosen):
            write(data / name / path, 1000 + seed)
    write_coraa(data / "coraa_ser")
    if not (data_folder / "baved").is_dir():
        pytest.skip(f"baved is not in {data_folder}")
    (data / "baved").symlink_to((data_folder / "baved").resolve())
    return data


def loaded(*overrides):
    return data_rows.load(load_recipe(RECIPE, overrides))


def test_each_corpus_in_the_three_classes(corpora):
    """As theirs: BAVED's level 1, RAVDESS' 01 and EMOVO's neu are neutral, all else is not; by the name's gender."""
    rows = loaded()
    assert rows.labels == CORAA_SER

    def expected(id):
        corpus, _, name = id.partition("/")
        parts = Path(name).stem.split("-")
        if corpus == "coraa_ser":
            return Path(name).stem.rpartition("_")[2]
        neutral, woman = {
            "emovo": lambda: (parts[0] == "neu", parts[1][0] == "f"),
            "ravdess": lambda: (parts[2] == "01", int(parts[6]) % 2 == 0),
            "baved": lambda: (parts[4] == "1", parts[1] == "f"),
        }[corpus]()
        return "neutral" if neutral else f"non-neutral-{'female' if woman else 'male'}"

    assert rows.train["label"].tolist() == [expected(id) for id in rows.train["id"]]
    corpus = rows.train["id"].str.partition("/")[0]
    for name in ("emovo", "ravdess", "baved"):
        assert set(rows.train["label"][corpus == name]) == set(CORAA_SER), name
    assert (corpus == "baved").sum() == 1935
    assert set(rows.dev["corpus"]) == set(rows.test["corpus"]) == {"coraa_ser"}, "the others only train"
    assert rows.test["label"].tolist() == list(CORAA_SER)
    own = rows.train[corpus == "coraa_ser"]
    assert not set(own["group"]) & set(rows.dev["group"]), "a recording is on one side"
    assert len(own) + len(rows.dev) == 4 * len(RECORDINGS)


def test_levels_that_nobody_explains(corpora, tmp_path):
    text = RECIPE.read_text(encoding="utf-8").replace("extends: base.yaml", f"extends: {RECIPE.with_name('base.yaml')}")
    for old, new in (("low: non-neutral, ", ""), ("high: non-neutral", "high: loud")):
        changed = tmp_path / "changed.yaml"
        assert old in text
        changed.write_text(text.replace(old, new), encoding="utf-8")
        what = (
            "are no emotions.* say with label_map what each of them is" if not new else "no map knows the labels loud"
        )
        with pytest.raises(UserError, match=f"baved: .*{what}"):
            data_rows.load(load_recipe(changed))


SMALL = ["data.limit=12", "train.epochs=2", "train.trackers=[]"]


def test_the_whole_road(corpora, tiny_xlsr, capsys):
    """Train, evaluate and predict through the recipe, with a tiny checkpoint of XLS-R's kind."""
    assert main(["train", str(RECIPE), f"speech.encoder={tiny_xlsr}", "train.sampler=balanced", *SMALL]) == 0
    said = capsys.readouterr().err
    run = Path("runs/xlsr_finetune_multicorpus")
    kept = json.loads((run / "model/config.json").read_text(encoding="utf-8"))
    assert kept["tasks"]["label"] == list(CORAA_SER)
    level = kept["recipe"]["speech"]["gain_dbfs"]
    assert f"speech.gain_dbfs: auto: {level} dBFS, the mean of" in said
    assert "brings each clip to one level itself" in said
    assert "sampler balanced: an epoch hears neutral" in said
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert scores["test"]["count"] == 3

    assert main(["data", "index", "baved", "data/baved", "-o", "baved.csv"]) == 0
    lines = Path("baved.csv").read_text(encoding="utf-8").splitlines()
    Path("few.csv").write_text("\n".join(lines[:9]) + "\n", encoding="utf-8")
    assert main(["evaluate", str(run), "few.csv"]) == 0, "levels of BAVED in the words of the run"
    assert "8 clips" in capsys.readouterr().out
    clips = [str(path) for path in sorted((corpora / "emovo").rglob("*.wav"))[:4]]
    assert main(["predict", str(run), *clips, "-o", "predictions.csv"]) == 0
    found = pd.read_csv("predictions.csv")
    assert set(found["label"]) <= set(CORAA_SER)
    np.testing.assert_allclose(found.filter(like="p_").sum(axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("cause", ["lr", "encoder"])
def test_a_loss_that_is_no_number(corpora, tiny_xlsr, tmp_path, cause, capsys):
    """With sampler and accumulation: it stops, names the step's clips, and what was kept stays."""
    overrides = [f"speech.encoder={tiny_xlsr}", "train.optimizer.lr=3.0e18", "train.validate_every=1"]
    overrides += ["train.schedule=constant", "train.schedule.warmup_steps=0", "train.clip_norm=null"]
    if cause == "encoder":
        import torch
        from transformers import AutoFeatureExtractor, AutoModel

        model = AutoModel.from_pretrained(tiny_xlsr)
        torch.nn.init.constant_(model.encoder.layer_norm.weight, float("nan"))
        model.save_pretrained(tmp_path / "spoiled")
        AutoFeatureExtractor.from_pretrained(tiny_xlsr).save_pretrained(tmp_path / "spoiled")
        overrides = [f"speech.encoder={tmp_path / 'spoiled'}", "cache=null"]
    assert main(["train", str(RECIPE), "train.sampler=balanced", *SMALL, *overrides]) == 1
    said = capsys.readouterr().err
    checkpoints = Path("runs/xlsr_finetune_multicorpus/checkpoints/dev")
    steps = sorted(checkpoints.glob("step-*.pt"))
    assert "not finite at step" in said
    named = said.split("its clips: ")[1].split(". Of the weights")[0].split(", ")
    assert len(named) == 8
    assert all(name.partition("/")[0] in ("coraa_ser", "emovo", "ravdess", "baved") for name in named)
    assert ("none was kept yet" in said) == (not steps) == (cause == "encoder")
    for path in steps:
        import torch

        weights = torch.load(path, weights_only=False)["weights"]
        assert all(torch.isfinite(values).all() for values in weights.values())
