"""Classical systems as a user types them: train, predict, evaluate, submit, extract."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from emospeech import config
from emospeech.cli.main import main

TEXT = str(config.recipes_folder() / "classical_text.yaml")
SPEECH = """
system: classical
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: SPEECH, layers: 2}
classical:
  features: [functionals, {name: speech, statistics: [mean, std]}]
  model: svm_rbf
  transforms: [clip]
cache: {folder: STORE}
"""


@pytest.fixture
def spoken(tmp_path, challenge, tiny_xlsr, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_xlsr, "encoder")
    path = tmp_path / "spoken.yaml"
    text = SPEECH.replace("ROOT", str(challenge)).replace("SPEECH", "encoder")
    path.write_text(text.replace("STORE", str(tmp_path / "store")), encoding="utf-8")
    return path


def test_text_from_recipe_to_leaderboard_file(challenge, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = challenge / "EmoSPeech_phase_2_test_public.csv"
    asked = [TEXT, f"data.root={challenge}", "classical.model.c=2.0"]
    assert main(["train", *asked]) == 0
    assert capsys.readouterr().out.endswith("run: runs/classical_text\n")
    run = Path("runs/classical_text")
    assert {path.name for path in (run / "model").iterdir()} == {"config.json", "estimator.skops"}
    assert json.loads((run / "model/config.json").read_text())["recipe"]["classical"]["model"]["c"] == 2
    versions = json.loads((run / "environment.json").read_text())[0]["versions"]
    assert versions["skops"]
    assert versions["xgboost-cpu"]

    assert main(["predict", str(run), str(table), "-o", "p.csv"]) == 0
    assert main(["submit", str(run), "--test", str(table), "-o", "s.csv"]) == 0
    assert pd.read_csv("p.csv")["label"].tolist() == pd.read_csv("s.csv")["label"].tolist()
    dev = pd.read_csv(run / "split.csv").query("split == 'dev'")["id"]
    whole = pd.read_csv(challenge / "EmoSPeech_phase_2_train.csv")
    whole[whole["id"].isin(dev)].to_csv("dev.csv", index=False)
    capsys.readouterr()
    assert main(["evaluate", str(run), "dev.csv"]) == 0
    assert "trained or steered the run" in capsys.readouterr().err

    assert main(["train", *asked]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert main(["train", *asked, "--resume"]) == 0
    assert "is finished" in capsys.readouterr().err
    assert main(["extract", *asked]) == 2
    assert "nothing to store" in capsys.readouterr().err


def test_an_interrupted_fit_begins_again(challenge, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    asked = ["train", TEXT, f"data.root={challenge}"]
    assert main(asked) == 0
    scores = Path("runs/classical_text/scores.json")
    before = scores.read_text()
    scores.unlink()
    shutil.rmtree("runs/classical_text/model")
    assert main([*asked, "--resume"]) == 0
    assert scores.read_text() == before


def test_sound_and_a_frozen_encoder(spoken, challenge, tmp_path, capsys):
    assert main(["extract", str(spoken)]) == 0
    assert "the features of 48 utterances are ready" in capsys.readouterr().out
    assert main(["train", str(spoken)]) == 0
    assert "computing" not in capsys.readouterr().err, "all of it was kept"
    arguments = [str(challenge / "EmoSPeech_phase_2_test_public.csv"), "--audio", str(challenge / "test_segments")]
    assert main(["predict", "runs/spoken", *arguments, "-o", "p.csv"]) == 0
    predictions = pd.read_csv("p.csv")
    gold = pd.read_csv(challenge / "test_gold.csv")
    assert (predictions["label"] == gold["label"]).mean() > 0.5, "the pitch of a tone tells its label"
    stored = json.loads(Path("runs/spoken/model/config.json").read_text())["encoders"]["speech"]
    assert stored["name"] == str(Path("encoder").resolve())
    assert len(stored["sha256"]) == 64

    settings = Path("encoder/config.json")
    settings.write_text(settings.read_text() + "\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["predict", "runs/spoken", *arguments, "-o", "q.csv"]) == 2
    assert "the speech encoder in" in capsys.readouterr().err


def test_copies_at_other_speeds_are_kept_too(spoken, capsys):
    asked = [str(spoken), "classical.features=[functionals]", "classical.speeds=[0.9]", "classical.model=lda"]
    assert main(["extract", *asked]) == 0
    assert main(["train", *asked]) == 0
    said = capsys.readouterr().err
    assert "30 training rows and copies (speed 0.9); features: functionals" in said
    assert said.count("computing functionals") == 2
    assert main(["train", *asked, "name=deaf", "classical.features=[speech]"]) == 2
    assert "classical.speeds: speech hears at one speed alone; others: functionals" in capsys.readouterr().err


def test_rows_without_words_or_sound(challenge, make_challenge, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    silent = make_challenge(tmp_path / "silent", audio=False)
    assert main(["train", TEXT, f"data.root={silent}", "classical.features=[functionals]"]) == 2
    said = capsys.readouterr().err
    assert "rows have no audio" in said
    assert "name other classical.features" in said
    assert "speech=null" not in said
    table = pd.read_csv(silent / "EmoSPeech_phase_2_train.csv")
    table.loc[3, "transcription"] = " "
    table.to_csv(silent / "EmoSPeech_phase_2_train.csv", index=False)
    assert main(["train", TEXT, f"data.root={silent}"]) == 2
    said = capsys.readouterr().err
    assert "1 of 48 rows have an empty transcription" in said
    assert "name other classical.features" in said


def test_real_text_is_told_above_chance(data_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", TEXT, f"data.root={data_folder / 'emospeech2024'}", "data.limit=400", "data.refit=null"]) == 0
    assert json.loads(Path("runs/classical_text/scores.json").read_text())["dev"]["macro_f1"] > 0.3


def test_speakers_that_nobody_knows(spoken, capsys):
    asked = ["train", str(spoken), "classical.normalise=speaker", "classical.features=[functionals]"]
    assert main(asked) == 2
    assert "rows have no speaker" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("classical.model=svm", "unknown classical model 'svm'; known: logistic_regression"),
        (
            "classical.features=[mfcc]",
            "unknown classical features 'mfcc'; known: functionals, contours, covariances, egemaps, compare",
        ),
        ("speech.layers=weighted", "a classical system learns no layer weights"),
        ("speech=null", "speech is there, but the section speech is null"),
    ],
)
def test_words_that_are_wrong(override, says, spoken, capsys):
    assert main(["train", str(spoken), override]) == 2
    assert says in capsys.readouterr().err
    assert not Path("runs").exists()


def test_a_recipe_is_read_without_the_libraries_behind_it(tmp_path):
    """scikit-learn, librosa and the like load when something is fitted or heard."""
    code = (
        "import sys\nfrom emospeech import config\n"
        f"config.load({TEXT!r}, ['data.root={tmp_path}'])\n"
        "from emospeech.systems.classical import system, transforms\n"
        "print([name for name in ('sklearn', 'librosa', 'xgboost', 'skops', 'opensmile') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stdout
