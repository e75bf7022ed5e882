"""Killed (kill -9) at twenty points and resumed each time, a training ends with every byte that it ends with unharmed.

The points are drawn, with a seed: ten at a change of the run's files, wherever that falls; four at a moment; and six
while the last of them are made. What is killed is a fork of a program that has imported everything, as twenty starts of
Python would take most of the time.
"""

import json
import os
import random
import subprocess
import sys

import pytest

from emospeech.corpora import demo

CLIPS = {"train": 48, "dev": 21, "test": 12}
KILLS = 20
SCRIPT = '''
import contextlib, json, os, random, signal, sys, threading, time
import accelerate, matplotlib.pyplot, sklearn.metrics, torch, transformers
from emospeech.cli import main as cli
from emospeech.experiments import run as experiments
from emospeech.systems import build

words, runs, points = json.loads(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def dying(name, count):
    """Of the changes of files whose path holds this name, the process does not survive the one of this number."""
    seen = []
    def look(event, args):
        if not (event in ("os.mkdir", "os.rename", "os.remove") or (event == "open" and args[2] & WRITES)):
            return
        paths = [os.path.abspath(os.fsdecode(one)) for one in args[:2] if isinstance(one, (str, bytes))]
        if any(path.startswith(runs) and name in path for path in paths):
            seen.append(1)
            if len(seen) == count:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(look)

def attempt(more, point):
    child = os.fork()
    if child:
        if isinstance(point, float):
            time.sleep(point)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if isinstance(point, list):
        dying(*point)
    os._exit(cli.main([*words, *more]))

assert attempt(["name=whole"], None) == 0
codes = [attempt(["name=killed", "--resume"], point) for point in points]
print("CODES", json.dumps([*codes, attempt(["name=killed", "--resume"], None)]))
'''


def drawn(seed: int) -> list[float | list]:
    """Where to kill: after so many seconds; or at a change of a file, by a part of its path, and the how manieth."""
    rng = random.Random(seed)
    early = [["", rng.randrange(1, 80)] for _ in range(KILLS // 2)] + [rng.uniform(0.2, 2.5) for _ in range(4)]
    rng.shuffle(early)
    last = [
        ("checkpoints/refit/", 2),
        ("/.model.", 2),
        ("/model", 1),
        ("dev_predictions", 3),
        ("figures", 2),
        ("scores", 2),
    ]
    return early + [[name, rng.randint(1, most)] for name, most in last]


@pytest.mark.slow
def test_killed_twenty_times_is_uninterrupted_bit_for_bit(tmp_path):
    corpus, runs = tmp_path / "corpus", tmp_path / "runs"
    demo.make(corpus, CLIPS)
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    settings = {
        "data.root": corpus, "runs_dir": runs, "data.refit": "train+dev", "train.epochs": 24, "train.batch_size": 16,
        "train.validate_every": 2, "train.early_stopping": "null", "train.trackers": "[]", "speech.crop_seconds": 0.5,
        "speech.options.channels": "[4, 8]", "speech.augment": "{probability: 0.5}",
    }  # fmt: skip
    words = ["train", "configs/demo.yaml", *(f"{key}={value}" for key, value in settings.items())]
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), json.dumps(words), str(runs), json.dumps(drawn(8))],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=560, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    codes = json.loads(done.stdout.splitlines()[-1].removeprefix("CODES "))
    assert codes == [-9] * KILLS + [0], done.stderr
    whole, killed = runs / "whole", runs / "killed"
    for name in ("model/model.safetensors", "dev_predictions.csv", "metrics.jsonl", "scores.json", "split.csv"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), name
    assert len((whole / "metrics.jsonl").read_text().splitlines()) == 36
    # nor is anything left of what was being written
    assert files(killed) == files(whole)


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.name != ".lock")
