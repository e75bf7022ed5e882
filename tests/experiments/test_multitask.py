"""Several tasks in one run: its predictions and scores, stopped and resumed, on new rows, as typed, and its recipes."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from emospeech.cli.main import app
from emospeech.config import load_benchmark, recipes_folder, validate
from emospeech.data import manifest
from emospeech.experiments import inference
from emospeech.experiments import run as experiments
from emospeech.experiments.scoring import values
from emospeech.metrics.scores import score
from emospeech.outputs import submission
from emospeech.systems import build, neural

SPEAKERS, WORDS = 6, ("joy", "anger", "fear")
TASKS = {"label": ["anger", "fear", "joy"], "gender": ["female", "male"], "intensity": ["high", "low"]}


def write(root, rows, make_tone):
    """Rows of label, speaker and gender -> an audiofolder of tones, whose pitch tells the label."""
    root.mkdir()
    lines = []
    for k, (label, speaker, gender) in enumerate(rows):
        pitch = {"high": "sadness", "low": "neutral"}.get(label, label)
        soundfile.write(root / f"{k:02d}.wav", make_tone(pitch, k, seconds=0.3), 16_000)
        lines.append(f"{k:02d}.wav,{label},{speaker},{gender}")
    (root / "metadata.csv").write_text("\n".join(["file_name,label,speaker,gender", *lines]))
    return str(root)


@pytest.fixture
def mixture(tmp_path, make_tone):
    """Emotions of six speakers, of two of whom nobody knows the gender; and levels of two further ones."""
    genders = ["female", "male", "", "female", "male", ""]
    acted = [(word, f"{k}", genders[k]) for k in range(SPEAKERS) for word in WORDS]
    levels = [(word, name, gender) for name, gender in (("a", "male"), ("b", "female")) for word in ("low", "high")]
    return [
        {
            "corpus": "audiofolder",
            "root": write(tmp_path / "acted", acted, make_tone),
            "name": "acted",
            "split": {"dev_speakers": ["0", "2"], "test_speakers": ["1"]},
        },
        {
            "corpus": "audiofolder",
            "root": write(tmp_path / "levels", levels, make_tone),
            "name": "levels",
            "task": "intensity",
        },
    ]


@pytest.fixture
def recipe(mixture, tmp_path):
    def recipe(name="run", train=None, **data):
        plain = {
            "name": name,
            "runs_dir": str(tmp_path / "runs"),
            "data": {"mixture": mixture, "tasks": ["gender"], **data},
            "speech": {"encoder": "log_mel_cnn", "options": {"width": 8, "bands": 16, "channels": [4]}},
            "model": {"trunk": {"widths": [8], "norm": "batch"}, "head": {"blocks": 0}},
            "train": {
                "epochs": 2,
                "batch_size": 5,
                "validate_every": 2,
                "optimizer": {"name": "Adam", "lr": 0.01},
                "task_weights": "uncertainty",
                "trackers": [],
                **(train or {}),
            },
        }
        return validate(plain, "test", build.CHECKS)

    return recipe


def test_a_run_of_several_tasks(recipe, tmp_path, capsys):
    result = experiments.run(recipe())
    table = pd.read_csv(result.folder.predictions("dev"))
    assert table.columns.tolist() == [
        *("id", "label", "p_anger", "p_fear", "p_joy"),
        *("gender", "p_gender_female", "p_gender_male"),
        *("intensity", "p_intensity_high", "p_intensity_low"),
    ]
    for task, names in TASKS.items():
        prefix = "p_" if task == "label" else f"p_{task}_"
        chances = table[[f"{prefix}{name}" for name in names]].to_numpy()
        assert chances.sum(axis=1) == pytest.approx(1)
        assert table[task].tolist() == [names[k] for k in chances.argmax(axis=1)], "of every row, also of those untold"
    scores = json.loads(result.folder.scores.read_text())
    assert scores["dev"]["count"] == 6
    gender = scores["dev"]["tasks"]["gender"]
    assert gender["count"] == 3, "of the other speaker nobody knows it"
    told = table[table["id"].isin(["acted/00.wav", "acted/01.wav", "acted/02.wav"])]["gender"].tolist()
    assert gender["macro_f1"] == score(["female"] * 3, told, TASKS["gender"]).macro_f1
    assert gender["weighted_f1"] == score(["female"] * 3, told, TASKS["gender"]).weighted_f1
    assert list(gender["by_corpus"]) == ["acted"]
    assert "intensity" not in scores["dev"]["tasks"], "no dev row tells it"
    lines = list(experiments.report(result))
    assert lines[0].startswith("dev   macro-F1")
    assert any(line.startswith("  gender macro-F1") and "weighted F1" in line for line in lines)


def test_saved_and_loaded(recipe, mixture):
    result = experiments.run(recipe())
    assert not [key for key in load_file(result.folder.model / "model.safetensors") if "varianc" in key]
    rows = inference.read_rows([result.folder.path.parents[1] / "acted" / f"{k:02d}.wav" for k in range(3)])
    again = build.load(result.folder.path)
    assert again.tasks == {task: tuple(names) for task, names in TASKS.items()}
    predictions = inference.predict(again, rows)
    assert predictions.columns[5] == "gender"
    labels = {"label": list(WORDS), "gender": ["female", None, "child"], "intensity": None}
    rows = rows.assign(**{task: pd.array(labels[task] or [None] * 3, dtype="string") for task in TASKS})
    scores = inference.evaluate(again, rows)
    assert scores["tasks"]["gender"]["count"] == 1
    assert "intensity" not in scores["tasks"]


def test_new_rows_with_words_that_a_run_does_not_know(recipe, capsys):
    result = experiments.run(recipe())
    path = result.folder.path.parents[1] / "acted" / "00.wav"
    rows = manifest.make(id=["a"], audio=[str(path)], label=["joy"], gender=["child"])
    assert "tasks" not in inference.evaluate(build.load(result.folder.path), rows)
    assert "note: 1 rows count nothing for gender: child; the run knows female, male" in capsys.readouterr().err


def test_resumed_is_uninterrupted_bit_for_bit(recipe, tmp_path, run_in_pieces):
    experiments.run(recipe("whole", refit="train+dev"))
    run_in_pieces(recipe("stopped", refit="train+dev"), 1, 2)
    whole, again = tmp_path / "runs/whole", tmp_path / "runs/stopped"
    one, other = (load_file(run / "model/model.safetensors") for run in (whole, again))
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (whole / "metrics.jsonl").read_text() == (again / "metrics.jsonl").read_text()
    assert "weight_gender" in (whole / "metrics.jsonl").read_text()
    assert json.loads((whole / "scores.json").read_text()) == json.loads((again / "scores.json").read_text())


def test_a_task_without_weight_is_not_learned(recipe):
    result = experiments.run(recipe(train={"task_weights": {"intensity": 0.0, "gender": 0.5}}))
    table = pd.read_csv(result.folder.predictions("dev"))
    assert "gender" in table
    assert "intensity" not in table
    assert "weight_gender" not in result.folder.metrics.read_text()


def test_dev_rows_without_a_main_label_steer_nothing(recipe, tmp_path):
    """Their labels of further tasks are scored; the steering score is that of the others."""
    one = recipe()
    rows = experiments.data_rows.load(one)
    both = pd.concat([rows.dev, rows.train[rows.train["label"].isna()]], ignore_index=True)
    histories = []
    for name, dev in (("alone", rows.dev), ("more", both)):
        system = build.build(one, rows.tasks)
        system.fit(rows.train, dev, tmp_path / name)
        histories.append((tmp_path / name / "metrics.jsonl").read_text())
        scores = values.scores_of_tasks(dev, system.predict(dev), rows.tasks)
    assert histories[0] == histories[1]
    assert (scores["count"], scores["tasks"]["gender"]["count"], scores["tasks"]["intensity"]["count"]) == (6, 7, 4)


def test_scores_by_hand():
    rows = manifest.make(id=list("abc"), label=["joy", None, "fear"], gender=["male", "female", None])
    said = pd.DataFrame({"label": ["joy", "joy", "joy"], "gender": ["male", "male", "male"]})
    tasks = {"label": ["joy", "fear"], "gender": ["female", "male"]}
    scores = values.scores_of_tasks(rows.set_axis([5, 6, 9]), said, tasks, pd.Series(list("xyx"), index=[5, 6, 9]))
    assert scores["accuracy"] == 0.5
    assert scores["tasks"]["gender"]["accuracy"] == 0.5
    by_corpus = {name: of["accuracy"] for name, of in scores["tasks"]["gender"]["by_corpus"].items()}
    assert by_corpus == {"x": 1.0, "y": 0.0}
    assert list(scores["by_corpus"]) == ["x"]


def test_a_submission_takes_tables_of_several_tasks(tmp_path):
    chances = np.full((2, 6), 1 / 6).tolist()
    names = ["neutral", "disgust", "anger", "sadness", "joy", "fear"]
    table = neural.answers.as_predictions(["a", "b"], chances, names, {"gender": ([[0.2, 0.8]] * 2, ["f", "m"])})
    submission.write({"label": table}, ["b", "a"], names, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "id,label\nb,neutral\na,neutral\n"
    table.to_csv(tmp_path / "p.csv", index=False)
    assert submission.read(tmp_path / "p.csv")["label"].tolist() == ["neutral", "neutral"]


# -- as typed ----------------------------------------------------------------------------------------------------


def typed(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    return SimpleNamespace(code=result.exit_code, out=result.output, error=result.exception)


def test_gender_from_text_of_a_real_corpus(data_folder, tmp_path):
    told = typed(
        "train",
        recipes_folder() / "text_only_scratch.yaml",
        "data.corpus=meacorpus2023",
        f"data.root={data_folder / 'meacorpus2023'}",
        *("data.target=gender", "data.limit=64", "data.refit=null", "train.epochs=1", "train.trackers=[]"),
        f"runs_dir={tmp_path}",
    )
    assert told.code == 0, told.error
    scores = json.loads((tmp_path / "text_only_scratch/scores.json").read_text())
    assert scores["dev"]["labels"] == ["female", "male"]
    assert sum(scores["dev"]["support"]) == 64


@pytest.mark.parametrize("row", ["multitask_uncertainty", "emotion_alone", "gender_alone", "corpus_told"])
def test_the_small_recipe_on_emodb_and_baved(row, data_folder, tiny_xlsr, tmp_path, monkeypatch):
    """Every row of its benchmark trains; a few clips of each corpus."""
    (tmp_path / "data").symlink_to(data_folder)
    monkeypatch.chdir(tmp_path)
    overrides = [f"speech.encoder={tiny_xlsr}", "train.epochs=1", "train.trackers=[]", "data.limit=12"]
    path = recipes_folder() / "multitask_demo.yaml"
    benchmark = load_benchmark(path, [*overrides, f"runs_dir={tmp_path}"], build.CHECKS)
    result = experiments.run(benchmark.rows[row])
    further = {"multitask_uncertainty": ["gender", "language"]}.get(row, [])
    assert list(result.scores["dev"].get("tasks", {})) == further


def test_the_published_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("emomatch", "mesd", "inter1sp", "emofilm", "emowisconsin", "meacorpus2023"):
        (tmp_path / "data" / name).mkdir(parents=True)
    rows = load_benchmark(recipes_folder() / "multitask.yaml", (), build.CHECKS).rows
    assert rows["multitask"].further_tasks == ["gender", "accent"]
    assert rows["multitask_uncertainty"].train.task_weights == "uncertainty"
    alone = {name: (one.data.target, one.further_tasks) for name, one in rows.items() if not name.startswith("multi")}
    assert alone == {
        "emotion_alone": ("label", []),
        "gender_alone": ("gender", []),
        "accent_alone": ("accent", []),
        "corpus_told": ("corpus", []),
    }
    assert rows["multitask"].model.trunk.widths == [512, 256, 256]
