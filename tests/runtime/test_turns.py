"""One writer a run folder; a job that Slurm starts anew takes over from its former start."""

import subprocess
import sys

import pytest

from emospeech.runtime import locks, runs, turns
from emospeech.runtime.errors import UserError
from emospeech.runtime.interrupt import stop_on_signal
from emospeech.runtime.runs import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from emospeech.runtime.interrupt import stop_on_signal
from emospeech.runtime.runs import RunFolder
from emospeech.runtime.turns import locked
with locked(RunFolder(Path(sys.argv[1]))), stop_on_signal() as stop:
    print("locked", flush=True)
    while not stop:
        time.sleep(0.05)
    print(int(stop), flush=True)
"""


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(turns, "POLL", 0.05)


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "runs" / "a")


@pytest.fixture
def holder(run):
    """Another process that works in the folder, until it is asked to stop."""
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        yield other
        other.kill()


def test_one_process_at_a_time(run, holder):
    with pytest.raises(UserError, match=rf"working in .*runs/a \(process {holder.pid} on .*\)"), turns.locked(run):
        pass
    with turns.locked(run, hold=False):  # the other processes of the same training do not ask
        pass
    holder.kill()
    holder.wait(timeout=20)
    with turns.locked(run):  # the lock ends with its process
        pass
    with turns.locked(run):  # and with its block
        pass


def test_a_requeued_job_takes_over_from_its_former_start(run, monkeypatch, request, capsys):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    former = request.getfixturevalue("holder")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    with turns.locked(run), stop_on_signal() as stop:
        assert former.wait(timeout=20) == 0
        assert former.stdout.read() == "15\n", "the former start stops as by SIGTERM"
        assert not stop, "the request is gone with it"
    assert f"process {former.pid}" in capsys.readouterr().err


@pytest.mark.parametrize(("job", "restarts"), [("18", "1"), ("17", "0")])
def test_no_other_job_takes_over(run, monkeypatch, request, job, restarts):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    request.getfixturevalue("holder")
    monkeypatch.setenv("SLURM_JOB_ID", job)
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    with pytest.raises(UserError, match="another process is working in"), turns.locked(run):
        pass


def test_a_former_start_that_hangs_is_not_waited_for_without_end(run, monkeypatch, request):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    former = request.getfixturevalue("holder")
    former.send_signal(19)  # it sleeps, and keeps its lock
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    monkeypatch.setattr(turns, "PATIENCE", 0.3)
    with pytest.raises(UserError, match="a former start of this job does not leave"), turns.locked(run):
        pass


def test_a_file_system_without_locks(run, monkeypatch, capsys):
    def refuse(stream, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with turns.locked(run):
        assert "cannot be locked" in capsys.readouterr().err


# -- what a requeued job's command means -------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(False, False), (False, True), (True, False)])
def test_a_requeued_job_goes_on_with_what_it_began(run, monkeypatch, words):
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    runs.begin(run, "name: a\n", seed=1, hardware={})
    assert turns.asked_anew([run], *words) == words, "its first start"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert turns.asked_anew([run], *words) == (True, False)


@pytest.mark.parametrize("words", [(False, False), (False, True), (True, False)])
def test_what_another_job_began_is_as_it_was_asked(run, monkeypatch, words):
    """A job that was stopped before it could overwrite an old run must not take that for its own."""
    monkeypatch.setenv("SLURM_JOB_ID", "16")
    runs.begin(run, "name: a\n", seed=1, hardware={})
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert turns.asked_anew([run], *words) == words
    assert turns.asked_anew([RunFolder(run.path.parent / "b")], *words) == words
