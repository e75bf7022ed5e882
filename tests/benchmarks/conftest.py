"""Benchmarks as they are typed, here or on a bare machine."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
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


def output_of(script: str, *words: str, bare: bool = False) -> str:
    command = [sys.executable, *(["-c", BARE] if bare else []), str(BENCHMARKS / script), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
