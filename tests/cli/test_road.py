"""The main road as a user types it, on a small challenge folder: train, predict, evaluate, submit, score."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main

TINY = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 16, bands: 16, channels: [4, 8]}, crop_seconds: 0.5, augment: {}}
text: {encoder: subword_transformer, options: {width: 16, vocabulary: 120, depth: 1, heads: 2}}
model: {head: {blocks: 1, width: 16}}
train: {epochs: 3, batch_size: 8, optimizer: {lr: 0.01}}
"""


@pytest.fixture
def recipe(tmp_path, challenge, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.replace("ROOT", str(challenge)), encoding="utf-8")
    return path


def test_from_recipe_to_leaderboard_file(painted, recipe, challenge, capsys, tmp_path):
    test_table = challenge / "EmoSPeech_phase_2_test_public.csv"
    assert main(["train", str(recipe), "data.refit=train+dev"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("dev   macro-F1 ")
    assert said.out.endswith("run: runs/tiny\n")
    assert "synthetic" in said.err, "that augmentation is synthetic must be said"
    run = tmp_path / "runs/tiny"
    made = {path.name for path in run.iterdir()}
    assert made >= {
        "config.yaml", "environment.json", "metrics.jsonl", "checkpoints", "model", "dev_predictions.csv",
        "scores.json", "figures", "split.csv", "tensorboard",
    }  # fmt: skip
    assert {path.name for path in (run / "figures").iterdir()} == {
        "dev_confusion.png", "dev_reliability.png", "learning_curves.png",
    }  # fmt: skip
    assert list((run / "tensorboard").rglob("events*"))
    environment = json.loads((run / "environment.json").read_text())[0]
    assert environment["versions"]["torch"]
    assert environment["hardware"]["processes"] == 1

    assert main(["submit", "runs/tiny", "--test", str(test_table), "-o", "out/sub.csv"]) == 0
    submission = pd.read_csv("out/sub.csv")
    assert submission.columns.tolist() == ["id", "label"]
    assert submission["id"].tolist() == pd.read_csv(test_table)["id"].tolist()

    assert main(["score", "out/sub.csv", str(challenge / "test_gold.csv"), "--json", "score.json"]) == 0
    gold = pd.read_csv(challenge / "test_gold.csv")
    expected = f1_score(gold["label"], submission["label"], average="macro")
    assert json.loads(Path("score.json").read_text())["macro_f1"] == pytest.approx(expected)
    assert f"macro-F1 {expected:.4f}" in capsys.readouterr().out

    arguments = [str(test_table), "--audio", str(challenge / "test_segments")]
    assert main(["predict", "runs/tiny", *arguments, "-o", "p.csv"]) == 0
    predictions = pd.read_csv("p.csv")
    assert predictions["label"].tolist() == submission["label"].tolist()
    assert main(["submit", "p.csv", "--test", str(test_table), "-o", "again.csv"]) == 0
    assert Path("again.csv").read_bytes() == Path("out/sub.csv").read_bytes()


def test_the_shared_tasks_own_file(recipe, challenge, capsys):
    """Two runs, one file, its zip; each column has the score of the run that wrote it."""
    assert main(["train", str(recipe), "name=fused"]) == 0
    assert main(["train", str(recipe), "name=text", "speech=null"]) == 0
    table, gold = str(challenge / "EmoSPeech_phase_2_test_public.csv"), challenge / "test_gold.csv"
    runs = ["--task-1", "runs/text", "--task-2", "runs/fused"]
    capsys.readouterr()
    assert main(["submit", "--format", "results", *runs, "--test", table, "-o", "out/results.csv", "--zip"]) == 0
    assert capsys.readouterr().out.endswith("out/results.csv, out/results.zip\n")
    results = pd.read_csv("out/results.csv")
    assert results.columns.tolist() == ["id", "task_1", "task_2"]
    assert (results["id"] + ".mp3").tolist() == pd.read_csv(table)["id"].tolist()
    assert pd.read_csv("out/results.zip").equals(results)
    truth = pd.read_csv(gold)["label"]
    for column, run in (("task_1", "text"), ("task_2", "fused")):
        assert main(["submit", f"runs/{run}", "--test", table, "-o", f"{run}.csv"]) == 0
        assert pd.read_csv(f"{run}.csv")["label"].tolist() == results[column].tolist()
        assert main(["score", "out/results.csv", str(gold), "--column", column, "--json", f"{run}_scores.json"]) == 0
        expected = f1_score(truth, results[column], average="macro")
        assert json.loads(Path(f"{run}_scores.json").read_text())["macro_f1"] == pytest.approx(expected)
    assert results["task_1"].tolist() != results["task_2"].tolist()
    # predictions files serve as well as runs
    files = ["--task-1", "text.csv", "--task-2", "fused.csv"]
    assert main(["submit", "--format", "results", *files, "--test", table, "-o", "again.csv"]) == 0
    assert Path("again.csv").read_bytes() == Path("out/results.csv").read_bytes()


def test_ablations_and_evaluate(recipe, challenge, capsys):
    for modality in ("speech", "text"):
        assert main(["train", str(recipe), f"{modality}=null", f"name=no_{modality}", "train.epochs=1"]) == 0
    table = challenge / "EmoSPeech_phase_2_train.csv"
    capsys.readouterr()
    assert main(["evaluate", "runs/no_speech", str(table), "--json", "e.json"]) == 0
    assert "36 clips" in capsys.readouterr().out
    assert json.loads(Path("e.json").read_text())["count"] == 36
    assert main(["evaluate", "runs/no_text", str(table)]) == 2
    assert "36 of 36 rows have no audio" in capsys.readouterr().err
    clip = str(challenge / "test_segments/test0000.mp3")
    assert main(["predict", "runs/no_text", clip, clip.replace("0000", "0003"), "-o", "clips.csv"]) == 0
    assert pd.read_csv("clips.csv")["id"].tolist() == ["test0000.mp3", "test0003.mp3"]
    assert main(["predict", "runs/no_speech", clip, "-o", "t.csv"]) == 2
    assert "no row has a transcription" in capsys.readouterr().err
    assert not Path("t.csv").exists()


def test_the_winners_recipe_with_tiny_checkpoints(challenge, tiny_xlsr, tiny_xlmr, tmp_path, monkeypatch):
    """Every value as shipped but the encoders and the number of epochs."""
    from emospeech.config import recipes_folder

    monkeypatch.chdir(tmp_path)
    shipped = str(recipes_folder() / "xlsr_roberta.yaml")
    encoders = [f"speech.encoder={tiny_xlsr}", f"text.encoder={tiny_xlmr}"]
    assert main(["train", shipped, f"data.root={challenge}", *encoders, "train.epochs=2"]) == 0
    assert json.loads(Path("runs/xlsr_roberta/scores.json").read_text())["dev"]["count"] == 6


def test_a_run_is_never_overwritten_unasked(recipe, capsys):
    arguments = ["train", str(recipe), "speech=null", "train.epochs=1"]
    assert main(arguments) == 0
    first = Path("runs/tiny/dev_predictions.csv").read_bytes()
    assert main(arguments) == 2
    assert "--resume, replace it with --overwrite" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    assert "is finished" in capsys.readouterr().err
    assert main([*arguments, "train.seed=3", "--resume"]) == 2
    assert "+  seed: 3" in capsys.readouterr().err
    assert main([*arguments, "train.seed=3", "--overwrite"]) == 0
    assert Path("runs/tiny/dev_predictions.csv").read_bytes() != first
    assert main([*arguments, "--resume", "--overwrite"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_and_resumed_is_the_same_run(how, recipe, tmp_path):
    """As typed in a shell, and stopped from outside, whenever that falls."""
    overrides = ["speech=null", "train.epochs=30", "data.refit=train+dev"]
    command = [sys.executable, "-m", "emospeech", "train", str(recipe), *overrides]
    subprocess.run([*command, "name=whole"], check=True, capture_output=True)
    process = subprocess.Popen([*command, "name=cut"], stderr=subprocess.PIPE, text=True)
    metrics = tmp_path / "runs/cut/metrics.jsonl"
    while process.poll() is None and not metrics.exists():
        time.sleep(0.01)
    process.send_signal(how)
    _, said = process.communicate()
    if how != signal.SIGKILL:
        assert process.returncode == {signal.SIGINT: 1, signal.SIGTERM: 143}[how]
        assert "--resume goes on" in said
        assert "Traceback" not in said
    subprocess.run([*command, "name=cut", "--resume"], check=True, capture_output=True)
    for name in ("dev_predictions.csv", "metrics.jsonl", "scores.json", "model/model.safetensors"):
        whole, cut = (tmp_path / "runs" / run / name for run in ("whole", "cut"))
        assert cut.read_bytes() == whole.read_bytes(), name


def test_index_and_list(challenge, capsys, tmp_path):
    assert main(["data", "list"]) == 0
    assert "emospeech2024" in capsys.readouterr().out
    output = tmp_path / "m.csv"
    assert main(["data", "index", "emospeech2024", str(challenge), "-o", str(output)]) == 0
    assert "48 rows, 48 with audio, 36 labelled" in capsys.readouterr().out
    assert len(pd.read_csv(output)) == 48
    assert main(["data", "index", "emospeech2024", str(challenge), "-o", str(output)]) == 2
    assert main(["data", "index", "emospeech2025", str(challenge), "-o", str(tmp_path / "n.csv")]) == 2
    assert "known: emospeech2024" in capsys.readouterr().err


def test_audiofolder_with_unseen_speakers(make_tone, tmp_path, monkeypatch, capsys):
    import soundfile

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sounds"
    folder.mkdir()
    rows = []
    for speaker in ("ana", "luis", "eva", "josé"):
        for k, label in enumerate(["joy", "fear", "anger"] * 3):
            name = f"{speaker} {k}.flac"
            soundfile.write(folder / name, make_tone(label, k), 16_000)
            rows.append((name, label, speaker))
    pd.DataFrame(rows, columns=["file_name", "label", "speaker"]).to_csv(folder / "metadata.csv", index=False)
    from emospeech.config import recipes_folder

    shipped = str(recipes_folder() / "audio_only_scratch.yaml")
    arguments = ["train", shipped, f"data.root={folder}", "train.epochs=1", "data.split.dev_speakers=[eva]"]
    assert main([*arguments, "data.split.test_speakers=[josé]"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  new speakers: all of these clips"
    assert lines[3].startswith("test  macro-F1")
    split = pd.read_csv("runs/audio_only_scratch/split.csv").set_index("id")["split"]
    assert {id.split()[0]: part for id, part in split.items()} == {
        "ana": "train", "luis": "train", "eva": "dev", "josé": "test",
    }  # fmt: skip
    assert main([*arguments, "name=x", "data.split.test_speakers=[nobody]"]) == 2
    assert "unknown speaker 'nobody'" in capsys.readouterr().err
