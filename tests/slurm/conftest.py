"""Jobs on the cluster that SLURM_CONF names: submitted for real, waited for, judged by what they leave behind.

tests/slurm/cluster.sh start DIR
SLURM_CONF=DIR/slurm.conf .venv/bin/python -m pytest -m slurm tests/slurm
tests/slurm/cluster.sh stop DIR
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from emospeech.corpora import demo

ROOT = Path(__file__).parents[2]
CLIPS = {"train": 48, "dev": 21, "test": 12}  # 21: an odd number to share among two processes
PATIENCE = 300.0  # seconds that a job may take
# every other state passes; so does SIGNALING, in which a running job is for a moment when it is told something
ENDED = {
    "CANCELLED", "COMPLETED", "FAILED", "TIMEOUT", "BOOT_FAIL", "DEADLINE", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"
}  # fmt: skip


def slurm(*command: str, **options: object) -> str:
    """What a Slurm command prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Job:
    """A submitted job."""

    id: str

    def field(self, name: str) -> str:
        found = re.search(rf"\b{name}=(\S*)", slurm("scontrol", "show", "job", self.id))
        assert found, f"job {self.id} has no {name}"
        return found[1]

    @property
    def exit_code(self) -> int:
        return int(self.field("ExitCode").split(":")[0])

    @property
    def log(self) -> str:
        path = Path(self.field("StdOut"))
        return path.read_text(encoding="utf-8") if path.exists() else f"(no log {path})"

    def wait(self, until: Callable[[], bool] | None = None) -> "Job":
        """Until the job has ended, or until something else is true."""
        deadline = time.monotonic() + PATIENCE
        while not (until() if until else self.ended()):
            assert time.monotonic() < deadline, f"job {self.id} is {self.field('JobState')}:\n{self.log}"
            assert until is None or not self.ended(), f"job {self.id} ended early:\n{self.log}"
            time.sleep(0.2)
        return self

    def ended(self) -> bool:
        return self.field("JobState") in ENDED


Submit = Callable[..., Job]


@pytest.fixture(scope="session")
def _cluster() -> None:
    if not os.environ.get("SLURM_CONF"):
        pytest.skip("SLURM_CONF names no cluster; tests/slurm/cluster.sh starts one")
    slurm("sinfo")


@pytest.fixture
def submit(_cluster: None) -> Iterator[Submit]:
    """`sbatch` from a folder, the project's by default; afterwards the jobs are ended and their logs removed."""
    jobs: list[Job] = []

    def submit(
        *arguments: str,
        options: Sequence[str] = (),
        script: Path = ROOT / "slurm" / "xlsr_roberta.sh",
        folder: Path = ROOT,
        **environment: str,
    ) -> Job:
        # the GPUs of the cluster are fakes
        variables = {**os.environ, "PATH": job_path(), "OMP_NUM_THREADS": "1", "EMOSPEECH_CPU_PROCESSES": "1"}
        variables |= environment
        command = ["sbatch", "--parsable", *options, str(script), *arguments]
        jobs.append(Job(slurm(*command, cwd=folder, env=variables).strip()))
        return jobs[-1]

    yield submit
    for job in jobs:
        if not job.ended():
            slurm("scancel", job.id)
        if (log := Path(job.field("StdOut"))).is_file():  # and no /dev/null
            log.unlink()


def bare_path() -> str:
    """PATH without any emospeech on it."""
    return os.pathsep.join(f for f in os.environ["PATH"].split(os.pathsep) if not shutil.which("emospeech", path=f))


def job_path() -> str:
    """So that jobs use the project's .venv, or if it has none, the environment of these tests."""
    own = (ROOT / ".venv" / "bin" / "emospeech").exists()
    return bare_path() if own else os.pathsep.join([str(Path(sys.executable).parent), bare_path()])


def by_hand(*words: str, processes: int = 1, **environment: str) -> None:
    """Without Slurm, what a job of one node does: the command in so many processes."""
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "EMOSPEECH_CPU_PROCESSES": str(processes)}
    command = [sys.executable, "slurm/launch.py", *words]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **own, **environment}, check=True, timeout=PATIENCE)


@pytest.fixture(scope="session")
def corpus(_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "demo_corpus"
    demo.make(root, CLIPS)
    return root
