"""Jobs that are told to make room, out of time, pushed aside or lose their node: put back into the queue until done,
with the result of a run that nothing has disturbed, bit for bit."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, Job, Submit, by_hand, slurm
from .test_xlsr_roberta import assert_complete, read_json, settings, validated_steps

pytestmark = pytest.mark.slurm
EPOCHS, MORE = 60, 240  # of three steps, each with its validation; at least so many more
ALIKE = ["model/model.safetensors", "dev_predictions.csv", "metrics.jsonl", "scores.json"]


def long_settings(corpus: Path, runs: Path, epochs: int = EPOCHS, seed: str = "0") -> list[str]:
    chosen = {"train.epochs": str(epochs), "train.early_stopping": "null", "train.seed": seed}
    return settings(corpus, runs, **chosen)


def by_itself(corpus: Path, runs: Path, epochs: int, processes: int = 1, seed: str = "0") -> Path:
    """The run that nothing disturbs."""
    by_hand("train", *long_settings(corpus, runs, epochs, seed), processes=processes)
    return runs / "demo"


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_itself(corpus, tmp_path_factory.mktemp("undisturbed"), EPOCHS)


@pytest.fixture(scope="module")
def more(undisturbed: Path) -> int:
    """Epochs of two minutes and a half, on whatever machine this is: the shortest time limit there is, a minute, ends a
    job up to a minute late, and what it ends must still be training."""
    begun, trained = ((undisturbed / name).stat().st_mtime for name in ("environment.json", "dev_predictions.csv"))
    return max(MORE, round(EPOCHS * 150 / (trained - begun)))


@pytest.fixture(scope="module")
def longer_undisturbed(corpus: Path, more: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return by_itself(corpus, tmp_path_factory.mktemp("undisturbed"), more)


def assert_alike(run: Path, undisturbed: Path) -> None:
    for name in ALIKE:
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes(), name


def assert_requeued(job: Job, run: Path, corpus: Path, times: int | None = 1) -> None:
    assert job.wait().exit_code == 0, job.log
    restarts = int(job.field("Restarts"))
    assert restarts == times if times else restarts >= 1
    assert starts(run) == [str(number) for number in range(restarts + 1)], "each start goes on with the run"
    assert_complete(run, corpus)


def starts(run: Path) -> list[str]:
    return [one["slurm"].get("SLURM_RESTART_COUNT", "0") for one in read_json(run / "environment.json")]


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


def test_made_room_under_the_second_of_two_seeds(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    """The first is left as it is, the second goes on, and their table is made."""
    seeds, epochs = "[1,2]", 40
    undisturbed = by_itself(corpus, tmp_path / "undisturbed", epochs, seed=seeds)
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path, epochs, seeds)).wait(until=lambda: training(run / "seed_2"))
    slurm("scancel", "--signal=USR1", job.id)
    assert_requeued(job, run / "seed_2", corpus)
    assert starts(run / "seed_1") == ["0"]
    assert_complete(run / "seed_1", corpus)
    for name in ("seed_1", "seed_2"):
        assert_alike(run / name, undisturbed / name)
    assert (run / "seeds.json").read_bytes() == (undisturbed / "seeds.json").read_bytes()
    assert [one["seed"] for one in read_json(run / "seeds.json")["seeds"]] == [1, 2]


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


def test_cancelled_by_a_person(submit: Submit, corpus: Path, undisturbed: Path, tmp_path: Path) -> None:
    """It keeps a checkpoint and does not come back; a later job goes on from it."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path)).wait(until=lambda: training(run))
    slurm("scancel", job.id)
    job.wait()
    assert job.field("JobState") == "CANCELLED"
    stopped = re.search(r"stopped at step (\d+) of", job.log)
    assert stopped, job.log
    time.sleep(8)  # as long as a requeued job would wait
    assert job.field("JobState") == "CANCELLED"
    later = submit(*long_settings(corpus, tmp_path), "--resume").wait()
    assert later.exit_code == 0, later.log
    assert f"resuming at step {stopped[1]}\n" in later.log
    assert [one["slurm"]["SLURM_JOB_ID"] for one in read_json(run / "environment.json")] == [job.id, later.id]
    assert_complete(run, corpus)
    assert_alike(run, undisturbed)


def test_out_of_time(submit: Submit, corpus: Path, longer_undisturbed: Path, more: int, tmp_path: Path) -> None:
    """Nobody warned it: SIGTERM at the limit, and five seconds to go; as often as it takes."""
    job = submit(*long_settings(corpus, tmp_path, more), options=["--time=1", "--signal=CONT@1"])
    assert_requeued(job, tmp_path / "demo", corpus, times=None)
    assert_alike(tmp_path / "demo", longer_undisturbed)


@pytest.mark.parametrize("partition", ["main", "low"])
def test_pushed_aside(
    submit: Submit, corpus: Path, longer_undisturbed: Path, more: int, tmp_path: Path, partition: str
) -> None:
    """By a job of a partition that goes first and wants both nodes: with ten seconds to leave, and with none."""
    run = tmp_path / "demo"
    chosen = [f"--partition={partition}"]
    job = submit(*long_settings(corpus, tmp_path, more), options=chosen).wait(until=lambda: training(run))
    wanted = ["--partition=urgent", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 3"]
    urgent = Job(slurm("sbatch", "--parsable", *wanted).strip())
    # more than once, if it has begun anew before both nodes were the other's
    assert_requeued(job, run, corpus, times=None)
    assert_alike(run, longer_undisturbed)
    assert urgent.exit_code == 0
    assert urgent.field("EndTime") <= job.field("StartTime"), "the last start came after it"


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
def test_a_node_is_lost(submit: Submit, corpus: Path, longer_undisturbed: Path, more: int, tmp_path: Path) -> None:
    """Its slurmd ends, its processes live on: they give way to the job's next start, on the other node."""
    run = tmp_path / "demo"
    job = submit(*long_settings(corpus, tmp_path, more)).wait(until=lambda: training(run))
    lost, holder = job.field("NodeList"), read_json(run / ".lock")["process"]
    daemon = int((Path(os.environ["SLURM_CONF"]).parent / f"slurmd-{lost}.pid").read_text())
    os.kill(daemon, signal.SIGKILL)
    # Slurm takes half a minute to miss the node, in which a fast machine would be done
    os.kill(holder, signal.SIGSTOP)
    try:
        job.wait(until=lambda: job.field("Restarts") == "1" and job.field("JobState") == "RUNNING")
        assert Path(f"/proc/{holder}").exists(), job.log
    finally:
        os.kill(holder, signal.SIGCONT)
    assert_requeued(job, run, corpus)
    assert job.field("NodeList") != lost
    assert f"still works in {run} (process {holder} on {socket.gethostname()}); it is asked to give way" in job.log
    assert 3 < int(re.findall(r"resuming at step (\d+)", job.log)[-1]) < 3 * more, "each start has done its part"
    assert not Path(f"/proc/{holder}").exists()
    assert validated_steps(run) == [3 * epoch for epoch in range(1, more + 1)], "never two at once have written"
    assert_alike(run, longer_undisturbed)
