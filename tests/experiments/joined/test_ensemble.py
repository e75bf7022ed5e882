"""`emospeech ensemble` of folders, as typed: runs, several seeds, a benchmark's systems."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.experiments.joined.ensemble import OutOfFold

from ..conftest import write_corpus, write_recipe

CLASSES = ["p_anger", "p_joy", "p_neutral"]
BENCHMARK = """
benchmark:
  keep_models: true
  protocols: {loso: {kind: loso}}
  rows: {one: {}, two: {classical.model: svm_linear}}
"""


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory) -> Path:
    """Two runs, and `new.csv` to be answered, with its gold."""
    folder = tmp_path_factory.mktemp("two")
    write_recipe(folder)
    with contextlib.chdir(folder):
        train_two(folder)
    return folder


@pytest.fixture(scope="module")
def with_a_benchmark(two_runs, tmp_path_factory) -> Path:
    folder = shutil.copytree(two_runs, tmp_path_factory.mktemp("benchmark"), dirs_exist_ok=True)
    with contextlib.chdir(folder):
        assert main(["benchmark", "lo.yaml"]) == 0
        gold = pd.read_csv("corpus/metadata.csv").rename(columns={"file_name": "id"})
        gold[["id", "label", "speaker"]].to_csv("gold.csv", index=False)
    return folder


def copied(runs, folder, monkeypatch):
    """To be changed."""
    shutil.copytree(runs, folder, dirs_exist_ok=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def trained(two_runs, tmp_path, monkeypatch):
    return copied(two_runs, tmp_path, monkeypatch)


@pytest.fixture
def benchmark(with_a_benchmark, tmp_path, monkeypatch):
    copied(with_a_benchmark, tmp_path, monkeypatch)
    return Path("runs/lo/loso")


def train_two(folder):
    text = Path("r.yaml").read_text().partition("benchmark:")[0]
    Path("r.yaml").write_text(text)
    Path("lo.yaml").write_text(f"extends: r.yaml\n{BENCHMARK}")
    root = write_corpus(folder / "other", speakers=2, prefix="t")
    rows = pd.read_csv(root / "metadata.csv").rename(columns={"file_name": "id"})
    rows["id"] = "new" + rows["id"]
    rows.loc[::3, "transcription"] = "anger joy"  # something to be unsure of
    rows.drop(columns="label").to_csv("new.csv", index=False)
    for name, c in (("a", 1.0), ("b", 0.01)):
        words = [f"name={name}", "data.split.dev_speakers=[s03]", f"classical.model={{name: svm_linear, c: {c}}}"]
        assert main(["train", "r.yaml", *words]) == 0


def ensemble(*words, output="out.csv"):
    return main(["ensemble", *map(str, words), "-o", output])


def predicted(run, output, manifest="new.csv"):
    assert main(["predict", str(run), manifest, "-o", output]) == 0
    return pd.read_csv(output)


def test_runs_answer_as_their_files_would(trained, capsys):
    for name in "ab":
        predicted(f"runs/{name}", f"{name}.csv")
    assert ensemble("a.csv", "b.csv") == 0
    assert ensemble("runs/a", "runs/b", "--on", "new.csv", output="folders.csv") == 0
    assert ensemble("a.csv", "runs/b", "--on", "new.csv", output="mixed.csv") == 0
    files = pd.read_csv("out.csv")
    for output in ("folders.csv", "mixed.csv"):
        pd.testing.assert_frame_equal(pd.read_csv(output), files, atol=1e-9)
    record = json.loads(Path("folders.json").read_text())
    assert list(record["members"]) == ["runs/a", "runs/b"]
    assert len(record["members"]["runs/a"]["runs/a"]) == 64
    assert list(record["on"]) == ["new.csv"]
    before = Path("folders.csv").read_bytes()
    assert ensemble("runs/a", "runs/b/model", "--on", "new.csv", output="again.csv") == 0
    assert Path("again.csv").read_bytes() == before


def test_each_seed_is_a_member(trained):
    words = ["data.split.dev_speakers=[s03]", "name=seeds", "train.seed=[0,1]"]
    words.append("classical.model={name: random_forest, trees: 5}")
    assert main(["train", "r.yaml", *words]) == 0
    assert ensemble("runs/seeds", "--on", "new.csv") == 0
    two = [predicted(f"runs/seeds/seed_{n}", f"{n}.csv")[CLASSES] for n in (0, 1)]
    np.testing.assert_allclose(pd.read_csv("out.csv")[CLASSES], (two[0] + two[1]) / 2, atol=1e-9)
    assert list(json.loads(Path("out.json").read_text())["members"]) == ["runs/seeds/seed_0", "runs/seeds/seed_1"]
    shutil.rmtree("runs/seeds/seed_1/model")
    assert ensemble("runs/seeds", "--on", "new.csv", output="again.csv") == 2


def test_each_fold_of_a_system_is_a_member(benchmark):
    assert ensemble(benchmark / "one", "runs/a", "--on", "new.csv") == 0
    parts = [predicted(benchmark / "one" / f"s0{k}", f"{k}.csv") for k in range(4)] + [predicted("runs/a", "a.csv")]
    expected = np.mean([part[CLASSES] for part in parts], axis=0)
    np.testing.assert_allclose(pd.read_csv("out.csv")[CLASSES], expected, atol=1e-9)


def test_a_system_brings_its_own_out_of_fold_predictions(benchmark, capsys):
    fitted = ("--how", "greedy", "--rule", "prior", "--gold", "gold.csv", "--on", "new.csv")
    assert ensemble(benchmark / "one", benchmark / "two", *fitted) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("24 rows, each predicted by what has not seen it")
    # the same by hand: the mean of each system's folds, and its predictions
    for name in ("one", "two"):
        parts = [predicted(benchmark / name / f"s0{k}", f"{name}{k}.csv") for k in range(4)]
        parts[0].assign(**{c: np.mean([p[c] for p in parts], axis=0) for c in CLASSES}).to_csv(f"{name}.csv")
    own = [str(benchmark / name / "predictions.csv") for name in ("one", "two")]
    by_hand = ["--out-of-fold", own[0], "--out-of-fold", own[1], *fitted[:-2]]
    assert ensemble("one.csv", "two.csv", *by_hand, output="by_hand.csv") == 0
    pd.testing.assert_frame_equal(pd.read_csv("out.csv"), pd.read_csv("by_hand.csv"), atol=1e-9)
    # a run beside them has none of its own
    assert ensemble(benchmark / "one", "runs/a", *fitted, output="mixed.csv") == 2
    assert "0 files with --out-of-fold; it takes one for each of runs/a, in this order" in capsys.readouterr().err
    assert ensemble("runs/a", benchmark / "one", "--out-of-fold", own[1], *fitted, output="mixed.csv") == 0
    told = list(json.loads(Path("mixed.json").read_text())["members"])
    assert told == ["runs/a", str(benchmark / "one"), own[1], own[0]]


def test_out_of_fold_predictions_under_several_seeds_are_their_mean(tmp_path):
    one = pd.DataFrame({"id": ["b", "a"], "label": "x", "p_x": [0.5, 0.7], "p_y": [0.5, 0.3], "fold": ["f", "g"]})
    other = one.assign(p_x=[0.9, 0.7], p_y=[0.1, 0.3], seed=1)
    path = tmp_path / "predictions.csv"
    pd.concat([one.assign(seed=0), other]).to_csv(path, index=False)
    found = OutOfFold(path).predictions()
    assert found["id"].tolist() == ["b", "a"]
    assert found["p_x"].tolist() == pytest.approx([0.7, 0.7])
    assert found["fold"].tolist() == ["f", "g"]


def test_rows_that_a_model_knows_are_told(benchmark, capsys):
    frame = pd.read_csv("corpus/metadata.csv").rename(columns={"file_name": "id"})
    frame[["id", "transcription"]].to_csv("known.csv", index=False)
    assert ensemble("runs/a", "runs/b", "--on", "known.csv") == 0
    assert "warning: 24 of these 24 rows trained or steered runs/a" in capsys.readouterr().err
    assert ensemble(benchmark / "one", "--on", "known.csv", output="again.csv") == 0
    assert "warning: 24 of these 24 rows trained or steered runs/lo/loso/one" in capsys.readouterr().err
    fitted = ("--rule", "prior", "--gold", "gold.csv")
    assert ensemble(benchmark / "one", *fitted, "--on", "known.csv", output="fitted.csv") == 2
    assert "24 rows are among those to answer and those it is fitted to" in capsys.readouterr().err


def damage(run):
    for path in (Path(run) / "model").glob("*"):
        if path.name != "config.json":
            path.write_bytes(path.read_bytes()[:20])


def other_classes(run):
    path = Path(run) / "model" / "config.json"
    stored = json.loads(path.read_text())
    stored["tasks"]["label"][0] = "rage"
    path.write_text(json.dumps(stored))


@pytest.mark.parametrize(
    ("spoil", "members", "words", "message"),
    [
        (None, ["runs/a", "runs/b"], [], "runs/a, runs/b: a run folder; name the rows that it is to answer with --on"),
        (None, ["runs/a"], ["--audio", "corpus"], "name the rows that it is to answer with --on"),
        (None, ["new.csv"], ["--on", "new.csv"], "are for members that are run folders; all of these are files"),
        (None, ["runs/a", "runs/c"], ["--on", "new.csv"], "runs/c"),
        (None, ["runs"], ["--on", "new.csv"], "runs holds several runs; name each: runs/a, runs/b"),
        (None, ["corpus"], ["--on", "new.csv"], "corpus holds no trained model"),
        (None, ["runs/a"], ["--on", "none.csv"], "none.csv"),
        (None, ["runs/a"], ["--how", "best", "--on", "new.csv"], "unknown --how 'best'"),
        (None, ["runs/a"], ["--rule", "prior", "--on", "new.csv"], "--rule prior is fitted to predictions"),
        (None, ["runs/a"], ["--on", "new.csv", "--on-bad-audio", "drop"], "--on-bad-audio drop: choose fail"),
        (damage, ["runs/a", "runs/b"], ["--on", "new.csv"], "runs/b/model"),
        (other_classes, ["runs/a", "runs/b"], ["--on", "new.csv"], "runs/b tells rage, joy, neutral apart, runs/a"),
    ],
)
def test_what_cannot_be_members(trained, capsys, spoil, members, words, message):
    if spoil:
        spoil("runs/b")
    assert ensemble(*members, *words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert "Traceback" not in told
    assert not Path("out.csv").exists()


def test_files_are_of_the_same_rows(trained, capsys):
    predicted("runs/a", "a.csv").head(5).to_csv("a.csv", index=False)
    assert ensemble("a.csv", "runs/b", "--on", "new.csv") == 2
    assert "a.csv and --on are not about the same rows" in capsys.readouterr().err


def test_a_benchmark_without_its_models(trained, capsys):
    Path("lo.yaml").write_text(f"extends: r.yaml\n{BENCHMARK}".replace("keep_models: true", "keep_models: false"))
    assert main(["benchmark", "lo.yaml", "benchmark.rows={one: {}}"]) == 0
    capsys.readouterr()
    assert ensemble("runs/lo/loso/one", "--on", "new.csv") == 2
    assert "4 of 4 have no model/: s00, s01, s02 and 1 more; keep them with benchmark.keep_models=true" in (
        capsys.readouterr().err
    )
    for above in ("runs/lo", "runs/lo/loso"):
        assert ensemble(above, "--on", "new.csv") == 2
        assert f"{above} holds a benchmark; name one of its systems: runs/lo/loso/one" in capsys.readouterr().err
