"""`finetune.py` works at a tiny size, also on a bare machine; what it measures there says nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/finetune.py"
# what a bare machine with a GPU lacks, as a program that is run before the benchmark
BARE = """
import importlib.machinery, runpy, sys
LACKING = {"soundfile", "soxr", "pydantic", "omegaconf", "typer", "rich", "matplotlib"}
class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in LACKING else super().find_spec(name, path, target)
sys.meta_path[:] = [Finder if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
sys.argv = sys.argv[1:]
sys.path[0] = sys.argv[0].rpartition("/")[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def ran(*words: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_row_on_a_bare_machine():
    out = ran("-c", BARE, str(SCRIPT), "--small", "--seconds", "0.5", "--one", "full, checkpointed", "bf16")
    found = json.loads(out.splitlines()[-1])
    assert found["trained"] > 0
    assert found["seconds"] > 0
    assert found["peak"] > 0.1


@pytest.mark.slow
def test_the_table():
    lines = ran(str(SCRIPT), "--small", "--seconds", "0.5", "--rows", "top:4", "lora").splitlines()
    assert [line.split("|")[1:3] for line in lines[4:]] == [
        [f" {row} ", f" {precision} "] for row in ("top:4", "lora") for precision in ("fp32", "bf16")
    ]
