"""`emospeech ablate … --slurm` and `tune … --slurm` as typed: one array, a job after it that makes the table, and never
anything twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .conftest import ROOT, Job, job_path, slurm

pytestmark = [pytest.mark.slurm, pytest.mark.usefixtures("_cluster")]
RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [tfidf], model: logistic_regression}
"""
GRID = """
axes:
  classical.model: [logistic_regression, svm_linear, lda]
  classical.offsets: [null, 2]
"""
ROWS = [f"{model}, offsets={n}" for model in ("logistic_regression", "svm_linear", "lda") for n in ("none", 2)]

Command = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of the ablation; what is left of its jobs is ended afterwards."""
    folder = tmp_path / "small-six"
    yield folder
    for one in submissions(folder):
        slurm("scancel", one["array"], one["collect"])


@pytest.fixture
def ablate(corpus: Path, tmp_path: Path) -> Command:
    """The command from the project's folder, with further words; what it prints."""
    (tmp_path / "small.yaml").write_text(RECIPE.replace("ROOT", str(corpus)), encoding="utf-8")
    (tmp_path / "six.yaml").write_text(GRID, encoding="utf-8")
    return command("ablate", str(tmp_path / "small.yaml"), str(tmp_path / "six.yaml"), f"runs_dir={tmp_path}")


def command(*words: str) -> Command:
    variables = {**os.environ, "PATH": job_path(), "OMP_NUM_THREADS": "1"}

    def given(*further: str) -> str:
        line = [sys.executable, "-m", "emospeech", *words, *further]
        done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=variables, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return given


def submissions(run: Path) -> list[dict[str, Any]]:
    path = run / "slurm.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def collected(run: Path) -> Job:
    """The last job that collects, once it has ended."""
    return Job(submissions(run)[-1]["collect"]).wait()


def scores(run: Path) -> pd.DataFrame:
    return pd.read_csv(run / "table.csv").drop(columns="seconds")


def test_six_ablations(ablate: Command, run: Path, tmp_path: Path) -> None:
    assert ablate("--slurm", "--tasks", "3").startswith("6 units are missing: array ")
    job = collected(run)
    assert job.exit_code == 0, job.log
    (one,) = submissions(run)
    assert (one["tasks"], one["units"]) == (3, 6)
    logs = {path.name: path.read_text(encoding="utf-8") for path in (run / "logs").iterdir()}
    expected = [*(f"ablations-{one['array']}_{task}.log" for task in range(3)), f"collect-{one['collect']}.log"]
    assert sorted(logs) == sorted(expected)
    begun = [line for text in logs.values() for line in text.splitlines() if line.startswith("-- ")]
    assert len(begun) == len(set(begun)) == 6, "no row is trained twice"
    # as if one process had done it all
    ablate("name=alone")
    pd.testing.assert_frame_equal(scores(run), scores(tmp_path / "alone"))
    assert scores(run)["system"].tolist() == ROWS
    apart = scores(run)["macro_f1"] - scores(run)["macro_f1"][0]
    assert scores(run)["macro_f1_to_base"].tolist() == pytest.approx(apart.tolist())

    assert ablate("--slurm").startswith("all 6 units are done; nothing is submitted\nsplit: 21 rows tested, 1 fold\n")
    assert len(submissions(run)) == 1
    for path in sorted((run / "split").rglob("dev/predictions.csv"))[:2]:
        path.unlink()
    assert ablate("--slurm").startswith("2 units are missing: array ")
    assert submissions(run)[-1]["tasks"] == 2
    assert collected(run).exit_code == 0
    pd.testing.assert_frame_equal(scores(run), scores(tmp_path / "alone"))


def test_a_search(ablate: Command, run: Path, tmp_path: Path) -> None:
    """Three tasks go through its rounds together, and find what one process alone finds."""
    space = tmp_path / "six.yaml"
    space.write_text("trials: 4\nround: 2\nspace: {classical.model.c: {low: 0.1, high: 10.0}}\n", encoding="utf-8")
    tune = command("tune", str(tmp_path / "small.yaml"), str(space), f"runs_dir={tmp_path}")
    assert tune("--slurm", "--tasks", "3").startswith("15 units are missing: array ")
    job = collected(run)
    assert job.exit_code == 0, job.log
    tune("name=alone")
    own, alone = (pd.read_csv(one / "trials.csv").drop(columns="seconds") for one in (run, tmp_path / "alone"))
    pd.testing.assert_frame_equal(own, alone)
    begun = [line for path in (run / "logs").iterdir() for line in path.read_text().splitlines() if line[:2] == "--"]
    assert len(begun) == len(set(begun)) == 15, "nothing is tried twice"
    assert tune("--slurm").startswith("all 15 units are done; nothing is submitted\n5 trials on 3 inner folds")


def test_a_cancelled_array(ablate: Command, run: Path) -> None:
    """Held at first, so that nothing of it is done when the command is given again, and when it is cancelled."""
    ablate("--slurm", "--sbatch=--hold")
    (one,) = submissions(run)
    told = ablate("--slurm")
    assert told == (
        f"array {one['array']} has not ended (6 pending), and job {one['collect']} makes the table then; "
        "nothing is submitted\n"
    )
    assert len(submissions(run)) == 1
    slurm("scancel", one["array"])
    slurm("scontrol", "release", one["collect"])
    job = collected(run)
    assert job.exit_code == 1
    assert "6 of 6 units are missing" in job.log
    assert not (run / "table.csv").exists()
    assert ablate("--slurm").startswith("6 units are missing: array ")
    job = collected(run)
    assert job.exit_code == 0, job.log
    assert scores(run)["system"].tolist() == ROWS
    assert [one["units"] for one in submissions(run)] == [6, 6]


def test_a_task_is_told_to_make_room(ablate: Command, run: Path, tmp_path: Path, corpus: Path) -> None:
    """It keeps what its trainings have come to and goes back into the queue; the table waits for it, and is as if
    nobody had disturbed it."""
    (tmp_path / "small.yaml").write_text(
        f"data: {{corpus: emospeech2024, root: {corpus}}}\n"
        "text: {encoder: subword_transformer, options: {vocabulary: 120, width: 16, depth: 1, heads: 2}}\n"
        "train: {epochs: 40, batch_size: 16}\n",
        encoding="utf-8",
    )
    (tmp_path / "six.yaml").write_text("axes: {model.pooling: [attention, mean]}\n", encoding="utf-8")
    ablate("--slurm", "--tasks", "1")
    task = Job(f"{submissions(run)[0]['array']}_0")
    task.wait(until=lambda: any(run.rglob("metrics.jsonl")))
    slurm("scancel", "--signal=USR1", task.id)
    job = collected(run)
    assert job.exit_code == 0, job.log
    assert (task.field("Restarts"), task.exit_code) == ("1", 0)
    ablate("name=alone")
    pd.testing.assert_frame_equal(scores(run), scores(tmp_path / "alone"))
    own, alone = (sorted(one.rglob("dev/predictions.csv")) for one in (run, tmp_path / "alone"))
    assert [path.read_bytes() for path in own] == [path.read_bytes() for path in alone]
    assert len(own) == 2
