"""slurm/xlsr_roberta.sh: what a job leaves in its run folder, and how it ends."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from .conftest import ROOT, Submit, bare_path, slurm

pytestmark = pytest.mark.slurm


def settings(corpus: Path, runs: Path, **more: str) -> list[str]:
    """A small training: three steps of 16 an epoch, two epochs."""
    chosen = {"data.root": corpus, "runs_dir": runs, "train.epochs": "2", "train.batch_size": "16", **more}
    return ["configs/demo.yaml", *(f"{key}={value}" for key, value in chosen.items())]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def assert_complete(run: Path, corpus: Path) -> None:
    """The run is finished, and every dev row was predicted exactly once."""
    dev = pd.read_csv(corpus / "dev_split.csv")["id"].tolist()
    predictions = pd.read_csv(run / "dev_predictions.csv")
    assert sorted(predictions["id"]) == sorted(dev)
    assert predictions.filter(like="p_").sum(axis=1).to_numpy() == pytest.approx(1)
    scores = read_json(run / "scores.json")["dev"]
    assert scores["count"] == len(dev)
    assert 0 <= scores["macro_f1"] <= 1
    assert {"config.json", "model.safetensors"} <= {path.name for path in (run / "model").iterdir()}


def validated_steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_trains_a_recipe(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    job = submit(*settings(corpus, tmp_path)).wait()
    assert job.exit_code == 0, job.log
    assert_complete(tmp_path / "demo", corpus)
    (environment,) = read_json(tmp_path / "demo" / "environment.json")
    assert environment["hardware"]["processes"] == 1
    assert environment["slurm"]["SLURM_JOB_ID"] == job.id
    assert Path(job.field("StdOut")).parent == ROOT / "logs"


def test_two_jobs_of_two_processes_at_once(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    """On one node, each with a part of it; they would meet on a port that is not free."""
    names = ["first", "second"]
    part = ["--nodelist=n1", "--oversubscribe", "--cpus-per-task=1", "--mem=1000"]
    # six dev batches, the last of one clip; a training batch in which the two processes have unequal shares
    more = {"train.eval_batch_size": "4", "train.batch_size": "15"}
    jobs = [
        submit(*settings(corpus, tmp_path, name=name, **more), options=part, EMOSPEECH_CPU_PROCESSES="2")
        for name in names
    ]
    for job, name in zip(jobs, names, strict=True):
        assert job.wait().exit_code == 0, job.log
        assert_complete(tmp_path / name, corpus)
        (environment,) = read_json(tmp_path / name / "environment.json")
        assert environment["hardware"]["processes"] == 2
        assert validated_steps(tmp_path / name) == [4, 8]
    assert [job.field("NodeList") for job in jobs] == ["n1", "n1"]
    assert max(job.field("StartTime") for job in jobs) < min(job.field("EndTime") for job in jobs), "not at once"


def test_a_users_mistake_ends_the_job_with_its_exit_code(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    job = submit(*settings(corpus, tmp_path), "train.epoch=3").wait()
    assert job.field("JobState") == "FAILED"
    assert job.exit_code == 2, job.log
    assert "train.epoch: unknown key; did you mean epochs?" in job.log
    assert "Traceback" not in job.log
    assert not (tmp_path / "demo").exists()


def test_a_requeued_job_goes_on(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    run, epochs = tmp_path / "demo", 16
    chosen = settings(corpus, tmp_path, **{"train.epochs": str(epochs), "train.early_stopping": "null"})
    job = submit(*chosen, "--overwrite").wait(until=(run / "metrics.jsonl").exists)
    slurm("scontrol", "requeue", job.id)
    assert job.wait().exit_code == 0, job.log
    assert job.field("Restarts") == "1"
    assert len(read_json(run / "environment.json")) == 2, "started afresh rather than resumed"
    assert validated_steps(run) == [3 * epoch for epoch in range(1, epochs + 1)]
    assert_complete(run, corpus)


def test_outside_the_project(submit: Submit, tmp_path: Path) -> None:
    job = submit(folder=tmp_path, options=["--output=job.log"]).wait()
    assert job.exit_code == 2
    assert f"{tmp_path} is not the emospeech project" in job.log


def test_without_an_environment(submit: Submit, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "slurm", tmp_path / "slurm")
    job = submit(folder=tmp_path, options=["--output=job.log"], PATH=bare_path()).wait()
    assert job.exit_code == 2
    assert "run 'make install'" in job.log
