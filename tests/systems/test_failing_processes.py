"""Two processes of a training, started as torchrun does: what only one of them fails with, and who writes."""

import os
import subprocess
import sys

import pytest

# `emospeech` with a fault in one process, or without the right to write into the runs in all but the main one
SCRIPT = """
import functools, importlib, os, sys
from emospeech.cli import main as cli
from emospeech.runtime import distributed
from emospeech.runtime.errors import UserError

case, runs = sys.argv[1:3]
del sys.argv[1:3]
# case -> process, what breaks, at which call, how
FAULTS = {
    "reading": (1, "emospeech.experiments.rows", "load", 1, UserError("it broke")),
    "extraction": (1, "emospeech.encoders.store.extraction", "extract", 1, UserError("it broke")),
    "a step": (1, "emospeech.training.loop", "_Run.step", 3, UserError("it broke")),
    "validation": (1, "emospeech.training.evaluation", "_logits", 1, UserError("it broke")),
    "a bug": (1, "emospeech.training.loop", "_Run.step", 2, KeyError("it broke")),
    "a journal": (0, "emospeech.systems.fitting.stages", "write_metrics", 1, OSError(28, "it broke")),
    "writing": (0, "emospeech.systems.saved", "replacing_folder", 1, OSError(28, "it broke")),
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def breaking(work, calls, error):
    @functools.wraps(work)
    def wrapped(*args, **options):
        calls.append(1)
        if len(calls) == at:
            raise error
        return work(*args, **options)
    return wrapped

def refuse(event, args):
    changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod")
    if not changes and not (event == "open" and args[2] & WRITES):
        return
    if any(os.path.abspath(os.fsdecode(path)).startswith(runs) for path in args if isinstance(path, (str, bytes))):
        raise PermissionError(13, f"{event} {args}")

if case in FAULTS:
    who, module, name, at, error = FAULTS[case]
    if distributed.rank() == who:
        *owners, last = name.split(".")
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        setattr(owner, last, breaking(getattr(owner, last), [], error))
elif distributed.rank():
    sys.addaudithook(refuse)
    for attempt in (lambda: open(runs + "/x", "w"), lambda: os.mkdir(runs + "/x")):
        try:
            attempt()
        except PermissionError:
            continue
        raise AssertionError("it could write")
cli.run()
"""
RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
text: {encoder: ENCODER}
cache: {folder: store}
model: {dropout: 0.0, head: {blocks: 1, width: 16, dropout: 0.0}}
train: {epochs: 2, batch_size: 7, eval_batch_size: 2, optimizer: {lr: 0.01}, trackers: [tensorboard]}
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def launched(tmp_path, challenge, tiny_xlmr):
    recipe = RECIPE.replace("ROOT", str(challenge)).replace("ENCODER", str(tiny_xlmr))
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")

    def launch(case: str, *words: str) -> subprocess.CompletedProcess:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "script.py"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        return subprocess.run(
            [*launcher, case, str(tmp_path / "runs"), "train", "recipe.yaml", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    return launch


@pytest.mark.parametrize(
    ("case", "code", "said"),
    [
        ("reading", 2, "process 1: error: it broke"),
        ("extraction", 2, "error: it broke"),  # the others finish their part first, and know it then
        ("a step", 2, "process 1: error: it broke"),
        ("validation", 2, "process 1: error: it broke"),
        ("a journal", 1, "failed: [Errno 28] it broke"),
        ("writing", 1, "failed: [Errno 28] it broke"),
    ],
)
def test_what_one_fails_with_ends_all(launched, case, code, said):
    """Within the two minutes that a hang would need to show."""
    done = launched(case)
    lines = done.stderr.splitlines()
    assert lines.count(said) == 1, done.stderr
    assert sum("error: " in line or "failed: " in line for line in lines) == 1, done.stderr
    assert done.stderr.count("Traceback") == 1  # torchrun's own
    assert f"exitcode  : {code} " in done.stderr


def test_a_bug_of_one_is_told_once(launched):
    done = launched("a bug")
    assert done.stderr.count("process 1: Traceback") == 1
    assert done.stderr.count("KeyError: 'it broke'") == 1
    assert done.stderr.count("Traceback") == 2, done.stderr  # and torchrun's own
    assert "process 0: " not in done.stderr
    assert "Connection closed by peer" not in done.stderr


def test_only_the_main_process_writes_into_the_run(launched, tmp_path):
    """The other one could not, and did not try."""
    done = launched("forbidden", "data.refit=train+dev")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs/recipe"
    assert {"config.yaml", "scores.json", "model", "checkpoints", "tensorboard"} <= {
        path.name for path in run.iterdir()
    }
