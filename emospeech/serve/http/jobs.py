"""Trainings in the background: one after the other, each a process of its own that can be stopped."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder

QUEUED, RUNNING, FINISHED, FAILED, CANCELLED = "queued", "running", "finished", "failed", "cancelled"
ENDED = (FINISHED, FAILED, CANCELLED)
MOST_WAITING = 16
REMEMBERED = 200  # jobs that have ended
GRACE = 60.0  # seconds for a training to save itself
TAIL = 20  # lines of its log
LOG = "train.log"  # in the folder of all logs, behind the job's id
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Job:
    """A training that was asked for."""

    id: str
    recipe: str  # its name among those that may be trained
    name: str  # of the run folder
    overrides: tuple[str, ...]  # key=value
    resume: bool
    state: str = QUEUED
    created: str = field(default_factory=lambda: _now())
    started: str | None = None
    ended: str | None = None
    message: str | None = None  # why it failed


class Busy(RuntimeError):  # noqa: N818 - a state
    """Too many jobs wait."""


class Jobs:
    """The jobs of a server.

    Args:
        recipes: name -> file, those that may be trained.
        runs_dir: where runs go.
        finished: is called with the run folder of each that succeeds; what it raises is the job's message.
        taken: whether something is served under a name already.
        hours: that one may take; then it is stopped, in order.
    """

    def __init__(
        self,
        recipes: Mapping[str, Path],
        runs_dir: Path,
        finished: Callable[[Path], None],
        taken: Callable[[str], bool] = lambda name: False,
        hours: float = 24.0,
    ) -> None:
        self.recipes, self.runs_dir, self._finished, self._taken = dict(recipes), runs_dir, finished, taken
        self.hours = hours
        self._jobs: dict[str, Job] = {}
        self._change = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="trainings", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------- asking

    def submit(self, recipe: str, name: str, overrides: Sequence[str], resume: bool) -> Job:
        """
        Raises:
            UserError: if the name is none, or taken.
            Busy: if too many wait.
        """
        if not NAME.fullmatch(name):
            raise UserError(f"name should be letters, digits, '.', '_' and '-', 64 at most; got {name[:80]!r}")
        with self._change:
            if self._closed or sum(job.state == QUEUED for job in self._jobs.values()) >= MOST_WAITING:
                raise Busy("too many trainings wait")
            if any(job.name == name and job.state not in ENDED for job in self._jobs.values()):
                raise UserError(f"a training of the name {name} is under way")
            if self._taken(name):
                raise UserError(f"a model of the name {name} is served already; choose another name")
            if RunFolder(self.runs_dir / name).started and not resume:
                raise UserError(f"there is a run {name} already; choose another name, or go on with resume=true")
            job = Job(secrets.token_hex(8), recipe, name, tuple(overrides), resume)
            self._jobs[job.id] = job
            self._forget_old()
            self._change.notify_all()
        return job

    def get(self, id: str) -> Job | None:
        return self._jobs.get(id)

    def all(self) -> list[Job]:
        """The latest first."""
        return list(self._jobs.values())[::-1]

    def cancel(self, id: str) -> Job | None:
        """Stop it, as Slurm would: what it has done is kept in its run folder, and `resume` goes on from there."""
        with self._change:
            job = self._jobs.get(id)
            if job is None or job.state in ENDED:
                return job
            process = self._process if job.state == RUNNING else None
            self._jobs[id] = job = replace(job, state=CANCELLED, ended=_now())
        if process is not None:
            threading.Thread(target=_stop, args=(process,), daemon=True).start()
        return job

    def progress(self, job: Job) -> dict[str, Any] | None:
        """The last validation of its run."""
        with suppress(OSError, ValueError, IndexError):
            lines = RunFolder(self.runs_dir / job.name).metrics.read_text(encoding="utf-8").splitlines()
            last: dict[str, Any] = json.loads(lines[-1])
            return last
        return None

    def scores(self, job: Job) -> dict[str, Any] | None:
        if job.state != FINISHED:
            return None
        with suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(RunFolder(self.runs_dir / job.name).scores.read_text(encoding="utf-8"))
            return found
        return None

    def tail(self, job: Job) -> list[str]:
        """The last lines of what it says."""
        with suppress(OSError):
            return self._log(job).read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        return []

    def close(self) -> None:
        """Stop the training that runs, in order; those that wait are given up."""
        with self._change:
            self._closed = True
            process = self._process
            for id, job in self._jobs.items():
                if job.state in (QUEUED, RUNNING):
                    self._jobs[id] = replace(job, state=CANCELLED, ended=_now(), message="the server went down")
            self._change.notify_all()
        if process is not None:
            _stop(process)
        self._thread.join(5)

    # ------------------------------------------------------------- the worker

    def _run(self) -> None:
        while (job := self._next()) is not None:
            try:
                self._train(job)
            except Exception as error:  # a full disk, a folder without rights: the next job has its chance
                self._fail(job.id, f"{type(error).__name__}: {error}")

    def _next(self) -> Job | None:
        with self._change:
            while not self._closed:
                waiting = next((job for job in self._jobs.values() if job.state == QUEUED), None)
                if waiting is not None:
                    return waiting
                self._change.wait()
        return None

    def _train(self, job: Job) -> None:
        command = [sys.executable, "-m", "emospeech", "train", str(self.recipes[job.recipe]), *job.overrides]
        # as JSON, so that a name like 2024 or null stays a word
        command += [f"name={json.dumps(job.name)}", f"runs_dir={json.dumps(str(self.runs_dir))}"]
        command += ["--resume"] if job.resume else []
        log = self._log(job)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as stream:
            with self._change:
                if self._closed or self._jobs[job.id].state != QUEUED:
                    return
                # a session of its own: Ctrl-C is for the server, which then stops it in order
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True
                )
                self._jobs[job.id] = replace(job, state=RUNNING, started=_now())
            code, late = self._waited(self._process)
        with self._change:
            self._process = None
        self._end(job.id, code, late)

    def _waited(self, process: "subprocess.Popen[bytes]") -> tuple[int, bool]:
        """Its exit code, and whether its time was over."""
        try:
            return process.wait(self.hours * 3600), False
        except subprocess.TimeoutExpired:
            _stop(process)
            return process.wait(), True

    def _end(self, id: str, code: int, late: bool) -> None:
        job = self._jobs.get(id)
        if job is None or job.state == CANCELLED:
            return
        state, message = (FINISHED, None) if code == 0 else (FAILED, self._why(job, code))
        if late and code:
            message = f"stopped after {self.hours:g} hours, the most that this server gives; resume=true goes on"
        if code == 0:
            try:
                self._finished(self.runs_dir / job.name)
            except UserError as error:
                message = f"trained, but it cannot be served: {error}"
        with self._change:
            self._jobs[id] = replace(job, state=state, ended=_now(), message=message)

    def _fail(self, id: str, message: str) -> None:
        with self._change:
            self._process = None
            if id in self._jobs and self._jobs[id].state not in ENDED:
                self._jobs[id] = replace(self._jobs[id], state=FAILED, ended=_now(), message=message)

    def _why(self, job: Job, code: int) -> str:
        lines = self.tail(job)
        told = next((k for k, line in enumerate(lines) if line.startswith(("error:", "failed:"))), None)
        return "\n".join(lines[told:]) if told is not None else f"exit code {code}"

    def _log(self, job: Job) -> Path:
        return self.runs_dir / ".trainings" / f"{job.id}.{LOG}"

    def _forget_old(self) -> None:
        ended = [id for id, job in self._jobs.items() if job.state in ENDED]
        for id in ended[: max(len(ended) - REMEMBERED, 0)]:
            del self._jobs[id]


def _stop(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
