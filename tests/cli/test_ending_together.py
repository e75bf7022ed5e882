"""Several processes that fail: one tells why, all end with its exit code, and none waits for ever."""

import os
import subprocess
import sys
import time

import pytest
import torch.distributed

from emospeech.runtime import distributed

# a command of our own in place of typer's: what each process does in a case
SCRIPT = """
import sys
from emospeech.cli import main as cli
from emospeech.runtime import distributed
from emospeech.runtime.errors import UserError, WorkError

class Odd(ValueError):
    def __init__(self, one, two):
        super().__init__(one + two)

def wait():
    import torch.distributed
    torch.distributed.barrier()

def fail(error):
    raise error

def main_alone():
    fail(UserError("a wrong word")) if distributed.is_main() else wait()

def another_alone():
    wait() if distributed.is_main() else fail(UserError("no such folder here"))

def all_of_them():
    fail(UserError("a wrong word"))

def in_one_s_turn():
    distributed.on_main(lambda: fail(WorkError("the disk is full")))

def an_odd_error_in_one_s_turn():
    distributed.on_main(lambda: fail(Odd("o", "dd")))

def a_bug():
    wait() if distributed.rank() != 1 else 1 / 0

def app(args, prog_name):
    distributed.start()
    globals()[args[0]]()

cli.app = app
cli.run()
"""


@pytest.fixture
def ended(tmp_path):
    """What the processes of a case leave: (exit code, standard error) of each, and the seconds until the last ended."""
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    # as torchrun's agent does, which outlives all of them
    store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)

    def run(case: str, count: int, patience: float = 60.0) -> tuple[list[tuple[int, str]], float]:
        common = {
            **os.environ,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(store.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "GLOO_SOCKET_IFNAME": "lo",
            "OMP_NUM_THREADS": "1",
        }
        started = [
            subprocess.Popen(
                [sys.executable, str(tmp_path / "script.py"), case],
                env={**common, "RANK": str(k), "LOCAL_RANK": str(k)}, stderr=subprocess.PIPE, text=True,
            )
            for k in range(count)
        ]  # fmt: skip
        ends, first = [], None
        deadline = time.monotonic() + patience
        try:
            while any(one.poll() is None for one in started):
                assert time.monotonic() < deadline, "a process hangs"
                if first is None and any(one.poll() is not None for one in started):
                    first = time.monotonic()
                time.sleep(0.05)
            ends = [(one.returncode, one.stderr.read()) for one in started]
        finally:
            for one in started:
                one.kill()
                one.wait()
        return ends, time.monotonic() - (first or time.monotonic())

    return run


@pytest.mark.parametrize(
    ("case", "count", "code", "teller", "said"),
    [
        ("main_alone", 2, 2, 0, "error: a wrong word\n"),
        ("another_alone", 2, 2, 1, "process 1: error: no such folder here\n"),
        pytest.param("all_of_them", 3, 2, 0, "error: a wrong word\n", marks=pytest.mark.slow),
        pytest.param("in_one_s_turn", 2, 1, 0, "failed: the disk is full\n", marks=pytest.mark.slow),
    ],
)
def test_one_tells_and_all_end_with_its_code(ended, case, count, code, teller, said):
    ends, seconds = ended(case, count)
    assert [end[0] for end in ends] == [code] * count
    # what a library warns of is not ours to count
    told = {k: text for k, (_, text) in enumerate(ends) if "error:" in text or "failed:" in text or "Error" in text}
    assert told.keys() == {teller}
    assert told[teller].endswith(said)
    assert seconds < 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "teller", "said"),
    [("a_bug", 1, "ZeroDivisionError: division by zero"), ("an_odd_error_in_one_s_turn", 0, "Odd: odd")],
)
def test_a_traceback_is_that_of_the_first(ended, case, teller, said):
    ends, _ = ended(case, 3)
    assert [end[0] for end in ends] == [1, 1, 1]
    told = {k: text for k, (_, text) in enumerate(ends) if "Traceback" in text or "Error" in text}
    assert told.keys() == {teller}
    assert told[teller].rstrip().endswith(said)
    assert told[teller].count("Traceback") == 1


@pytest.mark.parametrize(("rank", "said"), [("0", "error: a"), ("1", "process 1: error: a")])
def test_one_that_fails_before_the_others_meet_speaks_for_itself(monkeypatch, rank, said):
    """The main one at once; another once the launcher would have ended it, had the main one failed, too."""
    waited, told = [], []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr(distributed.time, "sleep", waited.append)
    assert distributed.end_together(2, "error: a", told.append) == 2
    assert told == [said]
    assert waited == ([] if rank == "0" else [distributed.PATIENCE])
