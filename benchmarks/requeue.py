"""How long a job that was told to make room is away: on the cluster of the tests, with the demo's recipe.

    tests/slurm/cluster.sh start DIR
    SLURM_CONF=DIR/slurm.conf python benchmarks/requeue.py [TIMES]
    tests/slurm/cluster.sh stop DIR

From `scancel --signal=USR1` to the first validation of the start that follows, three steps on; and the part of it from
the requeue on, without what the program takes to load (Python, torch, the corpus, the model). A bare job that requeues
itself shows what Slurm takes of it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from emospeech.corpora import demo

ROOT = Path(__file__).parents[1]
BARE = """#!/bin/bash
#SBATCH --output=/dev/null --requeue
date +%s.%N >> STARTS
sleep 2
[ "${SLURM_RESTART_COUNT:-0}" -ge 1 ] || { date +%s.%N >> STARTS; scontrol requeue $SLURM_JOB_ID; }
"""


def main(times: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        demo.make(folder / "corpus", {"train": 48, "dev": 21, "test": 12})
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        for number in range(times):
            print(f"Slurm by itself: {bare(folder / f'starts_{number}'):.1f} s away")
            left, back, loaded, stepped = requeued(folder, f"run_{number}")
            print(f"training: gone after {left:.1f} s, running again after {back:.1f} s, ", end="")
            print(f"loaded after {loaded:.1f} s, first validation after {stepped:.1f} s")
            print(f"from requeue to validation, loading aside: {stepped - left - (loaded - back):.1f} s")


def bare(starts: Path) -> float:
    script = starts.with_suffix(".sh")
    script.write_text(BARE.replace("STARTS", str(starts)), encoding="utf-8")
    subprocess.run(["sbatch", str(script)], check=True, capture_output=True)
    wait(lambda: starts.exists() and len(starts.read_text().split()) == 3)
    _, left, back = map(float, starts.read_text().split())
    return back - left


def requeued(folder: Path, name: str) -> tuple[float, float, float, float]:
    """Seconds until the job is out, runs again, is back in its run folder, and has trained."""
    run = folder / "runs" / name
    words = [f"data.root={folder / 'corpus'}", f"runs_dir={folder / 'runs'}", f"name={name}", "train.epochs=400"]
    words += ["train.early_stopping=null", "train.batch_size=16"]
    job = subprocess.run(
        ["sbatch", "--parsable", f"--output={folder / name}.log", "slurm/xlsr_roberta.sh", "configs/demo.yaml", *words],
        cwd=ROOT,
        env={**os.environ, "EMOSPEECH_CPU_PROCESSES": "1", "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    wait(lambda: (run / "metrics.jsonl").exists())
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    asked = time.monotonic()
    wait(lambda: state(job) != "RUNNING")
    stopped = time.monotonic() - asked
    before = (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n")
    wait(lambda: state(job) == "RUNNING")
    back = time.monotonic() - asked
    wait(lambda: len(json.loads((run / "environment.json").read_text(encoding="utf-8"))) == 2)
    begun = time.monotonic() - asked
    wait(lambda: (run / "metrics.jsonl").read_text(encoding="utf-8").count("\n") > before)
    stepped = time.monotonic() - asked
    subprocess.run(["scancel", job], check=True)
    wait(lambda: state(job) == "")
    return stopped, back, begun, stepped


def state(job: str) -> str:
    return subprocess.run(["squeue", "-h", "-j", job, "-o", "%T"], capture_output=True, text=True).stdout.strip()


def wait(until: Callable[[], bool], patience: float = 300.0) -> None:
    deadline = time.monotonic() + patience
    while not until():
        if time.monotonic() > deadline:
            sys.exit("the cluster did not get there")
        time.sleep(0.1)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
