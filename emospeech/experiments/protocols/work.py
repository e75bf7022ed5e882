"""Units of work off one list, by however many processes: of one command, of a Slurm array, of several machines.

Each process claims a unit that nobody has in hand. A claim ends with its process, so what a killed one left undone is
done by another, or by `--resume`.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal, Protocol

from emospeech.encoders.store.keys import digest
from emospeech.runtime import distributed
from emospeech.runtime.console import say
from emospeech.runtime.errors import Interrupted, UserError, WorkError
from emospeech.runtime.locks import locked

CLAIMS = ".claims"
TOLD = 20  # missing units by name
# what a process is for: all units and the table; its share of the units (others do theirs, and one collects); the table
Role = Literal["whole", "share", "collect"]


class Work(Protocol):
    """Something that one process does at a time."""

    @property
    def name(self) -> str: ...

    @property
    def done(self) -> bool: ...

    def run(self) -> None: ...


def work_off(units: Sequence[Work], folder: Path, share: tuple[int, int] = (0, 1), stay: bool = True) -> None:
    """Do what is left of the units, or wait for those who have it in hand; returns once all is done.

    Where the file system has no locks, and nothing can be claimed, it is this worker's own part and no more.
    All processes of one training (torchrun) work on one unit together, and must call this at the same point.

    Args:
        folder: where claims are kept.
        share: this worker's number, and of how many; each begins with another part.
        stay: else what others have in hand is left to them, and it returns once nothing else is left.
    """
    (folder / CLAIMS).mkdir(parents=True, exist_ok=True)
    left = distributed.on_main(lambda: [k for k, unit in enumerate(units) if not unit.done])
    if not distributed.on_main(lambda: _has_locks(folder)):
        number, count = share
        left, share, stay = [k for k in left if k % count == number], (0, 1), False
    distributed.work_off([units[k] for k in left], lambda unit: _tried(unit, folder), share, stay)


def _has_locks(folder: Path) -> bool:
    with locked(folder / CLAIMS / ".any.lock", shared=True) as held:
        return held is not None


def _tried(unit: Work, folder: Path) -> bool:
    """Do a unit that nobody else has; whether it is done now."""
    with ExitStack() as stack:

        def standing() -> str:
            if unit.done:
                return "done"
            claim = folder / CLAIMS / f"{digest([unit.name])[:16]}.lock"
            if stack.enter_context(locked(claim)) is False:
                return "somebody's"
            return "done" if unit.done else "ours"

        found = distributed.on_main(standing)
        if found == "ours":
            unit.run()
        return found != "somebody's"


def shared_out(units: Sequence[Work], folder: Path, workers: int, stay: bool = True) -> None:
    """`work_off` by so many processes of this program, each with its part of this task's part of a Slurm array."""
    with helped(workers, _worker, units, folder, workers, stay):
        _worker(units, folder, workers, stay, 0)
    work_off(units, folder, array_share(), stay)  # what a helper has left undone, or failed with


def _worker(units: Sequence[Work], folder: Path, workers: int, stay: bool, worker: int) -> None:
    number, count = array_share()
    work_off(units, folder, (worker * count + number, count * workers), stay)  # all of them: the task's own part


def left(units: Sequence[Work]) -> list[Work]:
    """The units that are not done."""
    return [unit for unit in units if not unit.done]


def standing(units: Sequence[Work]) -> str:
    """How far all of them are, for who leaves before the end.

    >>> standing([])
    'all 0 units are done'
    """
    undone = len(left(units))
    return f"{len(units) - undone} of {len(units)} units are done" if undone else f"all {len(units)} units are done"


def require_all(units: Sequence[Work], logs: Path) -> None:
    """
    Args:
        logs: where those who were to do them tell why they did not.

    Raises:
        WorkError: naming the units that are not done.
    """
    if undone := [unit.name for unit in left(units)]:
        why = f"; look into {logs}, and" if logs.is_dir() else ";"
        raise WorkError(
            f"{len(undone)} of {len(units)} units are missing{why} give the same command again to do them:\n"
            + "\n".join(f"  - {name}" for name in undone[:TOLD])
            + (f"\n  … and {len(undone) - TOLD} more" if len(undone) > TOLD else "")
        )


def array_share() -> tuple[int, int]:
    """This task's number in its Slurm array, and of how many; (0, 1) outside one."""
    number, first, step, count = (
        os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "MIN", "STEP", "COUNT")
    )
    if not (number.isdigit() and count.isdigit()):
        return 0, 1
    return (int(number) - int(first or 0)) // int(step or 1) % int(count), int(count)


@contextmanager
def helped(workers: int, target: Callable[..., None], *arguments: object) -> Iterator[None]:
    """While in it, `workers` - 1 further processes run `target(*arguments, number)`; they end with it.

    Threads are divided among all.
    """
    if workers == 1 or distributed.world_size() > 1:
        yield
        return
    import threadpoolctl
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = max(cores // workers, 1)
    former = os.environ.get("OMP_NUM_THREADS")
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # the new processes read it as they start
    context = multiprocessing.get_context("spawn")
    helpers = [context.Process(target=_quietly, args=(target, *arguments, k), daemon=False) for k in range(1, workers)]
    for helper in helpers:
        helper.start()
    if former is None:
        del os.environ["OMP_NUM_THREADS"]
        torch.set_num_threads(threads)
    try:
        with threadpoolctl.threadpool_limits(None if former else threads):
            yield
        for helper in helpers:
            helper.join()
    finally:
        for helper in helpers:
            helper.terminate()
            helper.join()


def _quietly(target: Callable[..., None], *arguments: object) -> None:
    """A helper that stops is no news: what it leaves undone the main process tries again, and tells what is wrong."""
    try:
        target(*arguments)
    except (Interrupted, KeyboardInterrupt):
        pass
    except (UserError, WorkError) as error:
        say(f"note: a helping process stopped: {error}")
