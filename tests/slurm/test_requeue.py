"""Jobs that are told to make room, out of time, pushed aside or lose their node: put back into the queue until done,
with the result of a run that nothing has disturbed, bit for bit."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, Job, Submit, by_hand, slurm
from .test_xlsr_roberta import assert_complete, read_json, settings

pytestmark = pytest.mark.slurm
EPOCHS, MORE = 60, 240  # of three steps, each with its validation: half a minute, and more than two on a busy machine
ALIKE = ["model/model.safetensors", "dev_predictions.csv", "metrics.jsonl", "scores.json"]


def long_settings(corpus: Path, runs: Path, epochs: int = EPOCHS) -> list[str]:
    return settings(corpus, runs, **{"train.epochs": str(epochs), "train.early_stopping": "null"})


def by_itself(corpus: Path, runs: Path, epochs: int, processes: int = 1) -> Path:
    """The run that nothing disturbs."""
    by_hand("train", *long_settings(corpus, runs, epochs), processes=processes)
    return runs / "demo"


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_itself(corpus, tmp_path_factory.mktemp("undisturbed"), EPOCHS)


@pytest.fixture(scope="module")
def longer_undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_itself(corpus, tmp_path_factory.mktemp("undisturbed"), MORE)


def assert_alike(run: Path, undisturbed: Path) -> None:
    for name in ALIKE:
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name


def assert_requeued(job: Job, run: Path, corpus: Path, times: int | None = 1) -> None:
    assert job.wait().exit_code == 0, job.log
    restarts = int(job.field("Restarts"))
    assert restarts == times if times else restarts >= 1
    starts = [one["slurm"].get("SLURM_RESTART_COUNT", "0") for one in read_json(run / "environment.json")]
    assert starts == [str(number) for number in range(restarts + 1)], "each start goes on with the run"
    assert_complete(run, corpus)


def training(run: Path) -> bool:
    return (run / "metrics.jsonl").exists()


@pytest.mark.parametrize("how", [[], ["--batch"], ["--full"]])
def test_told_to_make_room(submit: Submit, corpus: Path, undisturbed: Path, tmp_path: Path, how: list[str]) -> None:
    """USR1, to the step, to the script, to both: as `--signal` of sbatch sends it before the end."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path)).wait(until=lambda: training(run))
    slurm("scancel", "--signal=USR1", *how, job.id)
    assert_requeued(job, run, corpus)
    assert_alike(run, undisturbed)


@pytest.fixture(scope="module")
def undisturbed_pair(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_itself(corpus, tmp_path_factory.mktemp("undisturbed"), EPOCHS, processes=2)


@pytest.mark.parametrize(("script", "processes"), [("xlsr_roberta.sh", "2"), ("multinode.sh", "1")])
def test_two_processes_told_to_make_room(
    submit: Submit, corpus: Path, undisturbed_pair: Path, tmp_path: Path, script: str, processes: str
) -> None:
    """On one node, and on one each: all keep the same step."""
    run = tmp_path / "demo"
    words = long_settings(corpus, tmp_path)
    job = submit(*words, script=ROOT / "slurm" / script, EMOSPEECH_CPU_PROCESSES=processes)
    job.wait(until=lambda: training(run))
    slurm("scancel", "--signal=USR1", job.id)
    assert_requeued(job, run, corpus)
    assert_alike(run, undisturbed_pair)


TASK = """#!/bin/bash
. slurm/common.sh
echo "$SLURM_ARRAY_TASK_ID ${SLURM_RESTART_COUNT:-0}" >> STARTS
code=0
[ "$SLURM_JOB_ID" != "$SLURM_ARRAY_JOB_ID" ] || [ "${SLURM_RESTART_COUNT:-0}" != 0 ] || code=138
job_step bash -c "sleep 4; exit $code"
"""


def test_a_task_of_an_array_goes_back_alone(submit: Submit, tmp_path: Path) -> None:
    """One of the tasks has the id of the whole array, which must not be taken for it."""
    starts, script = tmp_path / "starts", tmp_path / "task.sh"
    script.write_text(TASK.replace("STARTS", str(starts)), encoding="utf-8")
    job = submit(script=script, options=["--array=0-2", f"--output={tmp_path}/%a.log", "--requeue"])
    tasks = [Job(f"{job.id}_{number}") for number in range(3)]
    for task in tasks:
        assert task.wait().exit_code == 0
    restarts = {line.split()[0]: 0 for line in starts.read_text().splitlines()}
    for line in starts.read_text().splitlines():
        restarts[line.split()[0]] = max(restarts[line.split()[0]], int(line.split()[1]))
    assert sorted(restarts.values()) == [0, 0, 1]
    assert len(starts.read_text().splitlines()) == 4


def test_cancelled_by_a_person(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    """It keeps a checkpoint and does not come back."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path)).wait(until=lambda: training(run))
    slurm("scancel", job.id)
    job.wait()
    assert job.field("JobState") == "CANCELLED"
    assert list((run / "checkpoints").rglob("*.pt")), job.log
    time.sleep(8)  # as long as a requeued job would wait
    assert job.field("JobState") == "CANCELLED"


def test_out_of_time(submit: Submit, corpus: Path, longer_undisturbed: Path, tmp_path: Path) -> None:
    """Nobody warned it: SIGTERM at the limit, and five seconds to go; as often as it takes."""
    job = submit(*long_settings(corpus, tmp_path, MORE), options=["--time=1", "--signal=CONT@1"])
    assert_requeued(job, tmp_path / "demo", corpus, times=None)
    assert_alike(tmp_path / "demo", longer_undisturbed)


def test_pushed_aside(submit: Submit, corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    """By a job of a partition that goes first; both nodes are full, and it wants them."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path)).wait(until=lambda: training(run))
    slurm("sbatch", "--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3")
    assert_requeued(job, run, corpus)
    assert_alike(run, undisturbed)


@pytest.fixture
def slurmds() -> Iterator[None]:
    """Afterwards both nodes are back."""
    yield
    conf = Path(os.environ["SLURM_CONF"])
    for node in ("n1", "n2"):
        try:
            os.kill(int((conf.parent / f"slurmd-{node}.pid").read_text()), 0)
        except (OSError, ValueError):
            subprocess.run(["slurmd", "-f", str(conf), "-N", node], check=True)
    deadline = time.monotonic() + 60
    while set(slurm("sinfo", "-h", "-N", "-p", "main", "-o", "%T").split()) != {"idle"}:
        assert time.monotonic() < deadline, slurm("sinfo", "-R")
        time.sleep(0.5)


@pytest.mark.usefixtures("slurmds")
def test_a_node_is_lost(submit: Submit, corpus: Path, longer_undisturbed: Path, tmp_path: Path) -> None:
    """Its slurmd ends, its processes live on: they give way to the job's next start, on the other node."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path, MORE)).wait(until=lambda: training(run))
    lost = job.field("NodeList")
    daemon = int((Path(os.environ["SLURM_CONF"]).parent / f"slurmd-{lost}.pid").read_text())
    os.kill(daemon, signal.SIGKILL)
    assert_requeued(job, run, corpus)
    assert job.field("NodeList") != lost
    assert_alike(run, longer_undisturbed)
