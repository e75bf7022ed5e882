"""slurm/launch.py told to stop, as by a Slurm that tracks processes by cgroups: it alone hears of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
text: {encoder: subword_transformer, options: {vocabulary: 120, width: 16, depth: 1, heads: 2}}
train: {epochs: 100000, batch_size: 16, early_stopping: null, trackers: []}
"""


@pytest.fixture
def recipe(challenge, tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    return tmp_path / "r.yaml"


def launch(recipe, processes=1):
    """A training under way, and what it was started with."""
    variables = {**os.environ, "EMOSPEECH_CPU_PROCESSES": str(processes), "OMP_NUM_THREADS": "1"}
    variables.pop("SLURM_STEP_ID", None)
    command = [sys.executable, str(ROOT / "slurm/launch.py"), "train", str(recipe), f"runs_dir={recipe.parent}"]
    # a session of its own: no signal reaches this test
    return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize(
    ("processes", "number", "everyone"),
    [
        pytest.param(1, signal.SIGUSR1, False, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGTERM, True, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGUSR1, False, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGTERM, False, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGINT, True, marks=pytest.mark.slow),
        pytest.param(2, signal.SIGINT, True, marks=pytest.mark.slow),
    ],
)
def test_told_alone_or_with_its_group(recipe, processes, number, everyone):
    with launch(recipe, processes) as launched:
        try:
            deadline = time.monotonic() + 120
            while not (recipe.parent / "r/metrics.jsonl").exists():
                assert launched.poll() is None, launched.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.1)
            (os.killpg if everyone else os.kill)(launched.pid, number)
            _, told = launched.communicate(timeout=120)
        finally:
            launched.kill()
    assert launched.returncode == (1 if number == signal.SIGINT else 128 + number), told
    assert list((recipe.parent / "r/checkpoints").rglob("*.pt")), told
    assert "Traceback" not in told
    assert "--resume goes on from there" in told


def test_told_before_there_is_anything_to_save(recipe):
    """In the seconds that torch takes to load, too."""
    with launch(recipe) as launched:
        time.sleep(1)
        launched.send_signal(signal.SIGUSR1)
        launched.communicate(timeout=120)
    assert launched.returncode in (138, -signal.SIGUSR1)
