"""Whose turn it is in a run folder: one writer at a time, and what a Slurm job has begun it goes on with itself."""

import json
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from emospeech.runtime import locks
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.interrupt import stop_when
from emospeech.runtime.runs import RunFolder

GIVE_WAY = ".give_way"
POLL = 1.0  # seconds between two looks
PATIENCE = 900.0  # seconds that a job waits for its own former start, which leaves between two batches


@contextmanager
def locked(run: RunFolder, hold: bool = True) -> Iterator[None]:
    """One writer a folder, also across programs; the lock ends with the process that holds it.

    Of several processes of one training, one holds it for all (`hold`). If a node is lost, Slurm starts its job anew
    elsewhere, though the old processes may live on: the new start asks them to give way, and waits for them.

    Raises:
        UserError: if another process holds it.
    """
    if not hold:
        yield
        return
    run.path.mkdir(parents=True, exist_ok=True)
    with _waited_for(run), stop_when(_Asked(run.path / GIVE_WAY)):
        yield


def _waited_for(run: RunFolder) -> ExitStack:
    """The lock, and in its file who holds it."""
    asked: float | None = None
    while (held := _taken(run)) is None:
        holder = _holder(run)
        if not _is_our_former_start(holder):
            raise UserError(
                f"another process is working in {run.path}{_named(holder)}; wait for it, or choose another name=…"
            )
        if asked is None:
            asked = time.monotonic()
            say(f"a former start of this job still works in {run.path}{_named(holder)}; it is asked to give way")
            (run.path / GIVE_WAY).touch()
        if time.monotonic() - asked > PATIENCE:
            raise UserError(
                f"a former start of this job does not leave {run.path}{_named(holder)}; end it there, or if that "
                f"machine is gone, remove {run.lock}; then submit the job again with --resume"
            )
        time.sleep(POLL)
    with held:
        (run.path / GIVE_WAY).unlink(missing_ok=True)
        own = {"host": socket.gethostname(), "process": os.getpid(), "job": job(), "start": start()}
        run.lock.write_text(json.dumps(own), encoding="utf-8")
        return held.pop_all()


def _taken(run: RunFolder) -> ExitStack | None:
    """The lock, which goes as the stack is closed; None if another process holds it."""
    with ExitStack() as stack:
        held = stack.enter_context(locks.locked(run.lock))
        if held is False:
            return None
        if held is None:  # as Lustre on some clusters
            say(f"note: {run.path} cannot be locked there; let no other process work in it")
        return stack.pop_all()


class _Asked:
    """Whether somebody has left the request; a file system is asked no more than once a second."""

    def __init__(self, request: Path) -> None:
        self.request = request
        self.looked = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self.looked < POLL:
            return False
        self.looked = time.monotonic()
        return self.request.exists()


def _holder(run: RunFolder) -> dict[str, Any]:
    try:
        found = json.loads(run.lock.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # it has only just taken it, or left
        return {}
    return found if isinstance(found, dict) else {}


def _named(holder: dict[str, Any]) -> str:
    return f" (process {holder['process']} on {holder['host']})" if {"process", "host"} <= set(holder) else ""


def _is_our_former_start(holder: dict[str, Any]) -> bool:
    return job() is not None and holder.get("job") == job() and holder.get("start", 0) < start()


def job() -> str | None:
    """The Slurm job that this process belongs to."""
    return os.environ.get("SLURM_JOB_ID")


def told() -> str:
    """The job, and which of its starts this is, for a log."""
    return "" if job() is None else f", job {job()}, start {start() + 1}"


def start() -> int:
    """How often this job has been put back into the queue."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0)


def asked_anew(folders: Sequence[RunFolder], resume: bool, overwrite: bool) -> tuple[bool, bool]:
    """(resume, overwrite) of a command that a requeued job gives again: what it has begun itself, it goes on with."""
    if start() and any(_begun_by_this_job(run) for run in folders):
        return True, False
    return resume, overwrite


def _begun_by_this_job(run: RunFolder) -> bool:
    if not (run.started and run.environment.exists()):
        return False
    starts = json.loads(run.environment.read_text(encoding="utf-8"))
    return any(one.get("slurm", {}).get("SLURM_JOB_ID") == job() for one in starts)
