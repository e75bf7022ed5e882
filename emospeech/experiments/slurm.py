"""A benchmark, an ablation or a search as one Slurm array, and a job after it that collects the table.

    runs/<name>/
      slurm.jsonl     a line a submission: when, the jobs' ids, tasks, units, the command
      logs/           crossval-<array>_<task>.log or ablations-…, tuning-…, collect-<job>.log

What is missing is submitted, and nothing while an array of it is pending or runs: the same command may be given again
at any time. Planning reads tables alone, so a login node can do it.
"""

import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from emospeech.config import Comparison
from emospeech.experiments.protocols import work
from emospeech.experiments.protocols.benchmark import as_yaml, begun, entered, folder_of
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, WorkError, faults
from emospeech.runtime.files import refuse_existing, write_text
from emospeech.runtime.interrupt import stop_on_signal
from emospeech.runtime.locks import locked
from emospeech.runtime.runs import RunFolder

TASKS = 16  # of an array, at most
RECORD = "slurm.jsonl"
SCRIPTS: Mapping[str, str] = {
    "benchmark": "slurm/crossval.sh",
    "ablate": "slurm/ablations.sh",
    "tune": "slurm/tuning.sh",
}
COLLECT = "slurm/collect.sh"
SITE = "[ ! -f slurm/site.env ] || . slurm/site.env >&2; "  # SBATCH_PARTITION and what else it wants of every job
# options of sbatch that are this file's own -> what to say instead
OURS: Mapping[str, str] = {
    **dict.fromkeys(("--array", "-a"), "--tasks says how many tasks there may be"),
    **dict.fromkeys(("--dependency", "-d"), "the job that collects depends on the array"),
    **dict.fromkeys(("--output", "-o", "--error", "-e"), "logs go into the run folder"),
    "--wrap": "the scripts in slurm/ are submitted",
    **dict.fromkeys(("--clusters", "-M"), "jobs are looked after on the cluster that this machine belongs to"),
}
# what a task computes with; the job that makes the table needs none of it, and should not wait for it
OF_TASKS = (
    *("--gpus", "-G", "--gpus-per-node", "--gpus-per-task", "--gpus-per-socket", "--gres", "--cpus-per-gpu"),
    *("--mem", "--mem-per-cpu", "--mem-per-gpu", "--cpus-per-task", "-c", "--ntasks", "-n", "--nodes", "-N"),
    *("--gpu-bind", "--gpu-freq", "--gres-flags", "--exclusive", "--tres-per-task", "--tmp", "--constraint", "-C"),
    *("--ntasks-per-node", "--ntasks-per-gpu", "--ntasks-per-core", "--ntasks-per-socket", "--nodelist", "-w"),
)
ALONE = ("--exclusive",)  # of those, what may stand without a value


class Engine(Protocol):
    """What makes a comparison: experiments.protocols, experiments.layerwise."""

    def all_units(self, asked: Comparison, quick: bool = False) -> Sequence[work.Work]: ...
    def run(
        self, asked: Comparison, quick: bool, resume: bool, overwrite: bool, json: Path | None, role: work.Role
    ) -> Iterator[str]: ...


@dataclass(frozen=True)
class Jobs:
    """How a command is to be submitted."""

    words: tuple[str, ...]  # the command and its arguments, as after `emospeech`
    tasks: int = TASKS  # at most
    sbatch: str = ""  # further options of both jobs; of `OF_TASKS`, for the array alone


@dataclass(frozen=True)
class Submission:
    """One line of the record."""

    time: str
    array: str  # as sbatch printed it: id, or id;cluster
    collect: str  # empty: sbatch refused it
    tasks: int
    units: int  # that were missing
    command: tuple[str, ...]


def run(
    engine: Engine, asked: Comparison, jobs: Jobs, quick: bool, overwrite: bool, json: Path | None
) -> Iterator[str]:
    """Submit what is missing, or collect if nothing is, and give the lines to print.

    Args:
        json: a further file for all scores; what an earlier submission has made of it is made anew.

    Raises:
        UserError: if recipe, data, folder or options are not as they must be, or there is no Slurm.
        WorkError: if Slurm refuses.
    """
    options, folder = options_of(jobs.sbatch), folder_of(asked)
    if json and not submissions(folder):  # else it is what a job of this command has made
        refuse_existing(json)
    _require_slurm()
    if busy := at_work(folder):
        if overwrite:
            raise UserError(f"{busy}, so nothing can be overwritten; wait for it, or end it with scancel")
        yield f"{busy}; nothing is submitted"
        return
    units = engine.all_units(asked, quick)
    with entered(folder, as_yaml(asked), not overwrite, overwrite), locked(folder.path / ".slurm", wait=True):
        missing = work.left(units)
        busy = at_work(folder) if missing else ""  # somebody else may have been quicker
        if missing and not busy:
            if not folder.started:
                begun(folder, as_yaml(asked))
            yield from _submitted(folder, jobs, options, len(missing), json)
    if busy:
        yield f"{busy}; nothing is submitted"
    elif not missing:
        yield f"{work.standing(units)}; nothing is submitted"
        yield from engine.run(asked, quick, True, False, json, "collect")


def _submitted(
    folder: RunFolder, jobs: Jobs, options: Sequence[str], missing: int, scores: Path | None
) -> Iterator[str]:
    """Both jobs, and the record of them, which is written even if Slurm takes the first alone."""
    command, *arguments = jobs.words
    count = min(missing, jobs.tasks)
    folder.logs.mkdir(parents=True, exist_ok=True)
    logs = str(folder.logs).replace("%", "%%")
    of_array = [f"--array=0-{count - 1}", f"--output={logs}/%x-%A_%a.log"]
    collecting = [*jobs.words, *([f"--json={scores}"] if scores else [])]
    with stop_on_signal() as stop:  # between the two, Ctrl-C would leave an array that nobody knows of
        array, collect = _sbatch(*of_array, *options, SCRIPTS[command], *arguments), ""
        depends = f"--dependency=afterany:{array.partition(';')[0]}"
        try:
            of_table = [depends, f"--output={logs}/%x-%j.log", *for_the_table(options)]
            collect = _sbatch(*of_table, COLLECT, *collecting)
        except WorkError as error:
            raise WorkError(
                f"{error}\nThe array {array} is submitted, but nothing collects its table; once it has ended, give "
                "the same command again"
            ) from None
        finally:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            _keep(folder, Submission(now, array, collect, count, missing, jobs.words))
        if stop:
            say(f"stopped once both jobs were submitted; to end them: scancel {array} {collect}")
    yield f"{missing} units are missing: array {array} of {count} tasks, then job {collect} makes the table"
    yield f"logs: {folder.logs}"


def submissions(folder: RunFolder) -> list[Submission]:
    """What was submitted so far, in its order.

    Raises:
        WorkError: if the record cannot be read.
    """
    path = folder.path / RECORD
    if not path.exists():
        return []
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [Submission(**{**line, "command": tuple(line["command"])}) for line in lines]
    except (ValueError, TypeError, KeyError) as error:
        raise WorkError(f"{path} is damaged: {error}; mend it, or remove it once no job of it is left") from None


def _keep(folder: RunFolder, new: Submission) -> None:
    every = [*submissions(folder), new]
    write_text(folder.path / RECORD, "".join(f"{json.dumps(asdict(one), ensure_ascii=False)}\n" for one in every))


def at_work(folder: RunFolder) -> str:
    """What the last array is at, if it has not ended; else nothing.

    Raises:
        WorkError: if Slurm does not tell.
    """
    if not (former := submissions(folder)):
        return ""
    array, collect = former[-1].array.partition(";")[0], former[-1].collect
    told = _shell("squeue", "--noheader", "--array", f"--jobs={array}", "--format=%T")
    if told.returncode and "Invalid job id" not in told.stderr:  # one that ended long ago is no longer known
        raise WorkError(f"squeue does not tell whether array {array} has ended: {told.stderr.strip()}")
    if not (states := Counter(told.stdout.split())):
        return ""
    standing = ", ".join(f"{count} {state.lower()}" for state, count in states.items())
    return f"array {array} has not ended ({standing})" + (
        f", and job {collect} makes the table then" if collect else ""
    )


# -- Slurm's own commands --------------------------------------------------------------------------------------------


def options_of(given: str) -> list[str]:
    """The words of `--sbatch`.

    Raises:
        UserError: if they cannot be split, or are set by this file.
    """
    try:
        words = shlex.split(given)
    except ValueError as error:
        raise UserError(f"--sbatch: {given!r} cannot be read: {error}") from None
    if wrong := [f"{name}: {OURS[name]}" for word in words for name in _named(word, OURS)]:
        raise faults("--sbatch holds what this command says itself", wrong)
    return words


def for_the_table(options: Sequence[str]) -> list[str]:
    """Of an array's options, those that are its job's too that makes the table: where it may run, and in whose name.

    >>> for_the_table(["--partition=long", "--gres", "gpu:2", "-N1", "-A", "speech", "--exclusive"])
    ['--partition=long', '-A', 'speech']
    """
    kept: list[str] = []
    words = iter(options)
    for word in words:
        named = _named(word, OF_TASKS)
        if not named:
            kept.append(word)
        elif word in (named[0], named[0][: len(word)]) and named[0] not in ALONE:
            next(words, None)  # its value
    return kept


def _named(word: str, options: Iterable[str]) -> list[str]:
    """Which of these options a word is: as written, a letter with its value (-N4), or shortened (--part=long)."""
    if word[:2] != "--":
        return [name for name in options if word[:2] == name]
    given = word.partition("=")[0]
    found = [name for name in options if name == given]
    return found or [name for name in options if len(given) > 4 and name.startswith(given)][:1]


def _require_slurm() -> None:
    """
    Raises:
        UserError: if this is not the project's folder, from which jobs are submitted, or there is no Slurm.
    """
    if not Path(COLLECT).is_file():
        raise UserError(f"{Path.cwd()} has no {COLLECT}; give the command in the folder of the emospeech project")
    for name in ("sbatch", "squeue"):
        if _shell("command", "-v", name).returncode:
            raise UserError(f"no {name} here; --slurm is for a machine that submits to Slurm")


def _sbatch(*words: str) -> str:
    """What it prints of a job that it takes: the id.

    Raises:
        WorkError: if it refuses.
    """
    done = _shell("sbatch", "--parsable", *words)
    if done.returncode or not done.stdout.split():
        raise WorkError(f"sbatch refused ({shlex.join(words)}): {done.stderr.strip() or 'it printed no job id'}")
    return done.stdout.split()[-1]


def _shell(*words: str) -> subprocess.CompletedProcess[str]:
    """A command as the site's settings have it; Ctrl-C is for us, not for it."""
    command = ["bash", "-c", f'{SITE}"$@"', "emospeech", *words]
    return subprocess.run(command, capture_output=True, text=True, start_new_session=True)
