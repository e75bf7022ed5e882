"""The soak with bad input, short: `benchmarks/serving_fuzz.py` finds nothing wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .small_runs import trained

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serving_fuzz.py"


@pytest.mark.slow
def test_a_server_bears_it(tmp_path):
    runs = trained(tmp_path, "demo", "demo_text")
    command = [sys.executable, str(SCRIPT), *map(str, runs), "--seconds", "15", "--seed", "3"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    assert told["5xx"].strip().startswith("0, violations of the schema: 0")
    assert all(int(told[kind].split()[0]) > 20 for kind in ("by schema", "attacks", "good"))
