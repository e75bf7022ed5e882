"""Which process of how many this is, without importing torch: torchrun and accelerate set these names."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from emospeech.runtime.errors import UserError, WorkError

T = TypeVar("T")
POLL = 0.5  # seconds, where another process works on what is left
PATIENCE = 3.0  # seconds that a failing process leaves to the main one, which may fail in the same way
_board: Any = None  # a key-value store that all processes reach, even while some of them wait for others


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_world_size() -> int:
    """Processes of this run on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def is_main() -> bool:
    return rank() == 0


def start() -> None:
    """Join the other processes, if there are any.

    Raises:
        WorkError: if the launcher asked for several processes and they did not find each other; each would
            otherwise train alone and write the same files.
    """
    if world_size() == 1:
        return
    import torch
    from accelerate import PartialState

    if not torch.cuda.is_available():
        os.environ["ACCELERATE_USE_CPU"] = "true"  # without it accelerate leaves each process on its own
    on_cpu = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    # the others wait while the main process reads a corpus and decodes it once
    found = PartialState(cpu=on_cpu, timeout=timedelta(hours=6)).num_processes
    if found != world_size():
        raise WorkError(f"{world_size()} processes were asked for but accelerate joined {found}; look at the launcher")
    _open_board()


def _open_board() -> None:
    """The store through which the processes found each other; a restart by the launcher begins with a clean one."""
    global _board
    import torch.distributed

    if _board is None:
        c10d: Any = torch.distributed
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = c10d.TCPStore(address, port, is_master=False, timeout=timedelta(seconds=60))
        _board = c10d.PrefixStore(f"emospeech/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)


def joined() -> bool:
    """Whether the processes have found each other."""
    return _board is not None


def of_all(value: T) -> list[T]:
    """What each process has, in their order. All must call it at the same point."""
    if world_size() == 1:
        return [value]
    from accelerate.utils import gather_object

    found: list[T] = gather_object([value])
    return found


def agreed(here: bool) -> bool:
    """Whether it is so on every process. All must call it at the same point."""
    return all(of_all(here))


def everywhere(work: Callable[[], None]) -> None:
    """Every process does its part and waits for the others; an error of any is raised on all.

    All must call it at the same point.
    """
    if world_size() == 1:
        work()
        return
    error: Exception | None = None
    try:
        work()
    except (UserError, WorkError, OSError) as known:
        error = known
    except Exception as unknown:  # told as such, for it need not pickle
        error = WorkError(f"process {rank()}: {type(unknown).__name__}: {unknown}")
    for found in of_all(error):
        if found is not None:
            raise found


def work_off(units: Sequence[T], done: Callable[[T], bool], share: tuple[int, int], stay: bool = True) -> None:
    """Go on until all units are done, whoever does them; returns once none is left.

    Args:
        done: does a unit that nobody else has in hand; whether it is done now.
        share: this process's number, and of how many; each begins with another part and helps with the rest.
        stay: wait for what others have in hand, and do it if they do not; else it is theirs, and a unit that fails
            keeps none of the others from being done: the first error comes at the end.
    """
    number, count = share
    left = [*units[number::count], *[unit for k, unit in enumerate(units) if k % count != number]]
    if not stay:
        _once_each(left, done)
        return
    while left:
        others = [unit for unit in left if not done(unit)]
        if len(others) == len(left):
            time.sleep(POLL)
        left = others


def _once_each(units: Sequence[T], done: Callable[[T], bool]) -> None:
    errors: list[Exception] = []
    for unit in units:
        try:
            done(unit)
        except (UserError, WorkError, OSError) as error:
            errors.append(error)
    if errors:
        raise errors[0]


def finish() -> None:
    """Leave the other processes in order, all at the same point, once the work is done.

    A process that ends with its group still open may abort as its threads are torn down, and the launcher would then
    end the others, whatever they still had to write.
    """
    if world_size() == 1 or "torch" not in sys.modules:
        return
    import torch.distributed

    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def end_together(code: int, why: str, tell: Callable[[str], None]) -> int:
    """Have one process tell why all of them end, and give the exit code that all of them end with.

    It is the main process, or if that does not fail, the first that did: once this one ends, the others fail in its
    wake, having nobody to wait for. Before the processes have joined, each speaks for itself, the main one first.

    Args:
        code: of this process.
        why: what it failed with.
    """
    named = why if is_main() else f"process {rank()}: {why}"
    if world_size() == 1 or not joined():
        if not is_main():  # with the same failure, the main process ends, and the launcher this one
            time.sleep(PATIENCE)
        tell(named)
        return code
    try:
        if _is_to_tell():
            tell(named)
            _board.set("told", str(code))
            return code
        return int(_word("told", 3 * PATIENCE) or code)  # not before: a launcher ends all with the first that ends
    except RuntimeError:  # the store has gone with another process, which has told
        return code


def _is_to_tell() -> bool:
    """Whether this process is the one that tells why all end."""
    first = _board.add("failed", 1) == 1
    if is_main():
        _board.set("main", "failed")
    elif not first or _word("main", PATIENCE):
        return False
    chosen: bytes = _board.compare_set("teller", "", str(rank()))
    return int(chosen) == rank()


def _word(key: str, seconds: float) -> str:
    """What a process has left under a key, or does so in time; else nothing."""
    try:
        _board.wait([key], timedelta(seconds=seconds))
    except RuntimeError:  # it is not there
        return ""
    found: str = _board.get(key).decode()
    return found


def on_main(work: Callable[[], T]) -> T:
    """Do `work` on the main process alone and give its result, or its error, to all.

    Every process must call it at the same point. The result must pickle.
    """
    if world_size() == 1:
        return work()
    from accelerate.utils import broadcast_object_list

    outcome: list[Any] = [None, None]
    error: Exception | None = None
    if is_main():
        try:
            outcome[0] = work()
        except Exception as own:  # handed on below, to every process
            error, outcome[1] = own, own if _pickles(own) else WorkError(f"{type(own).__name__}: {own}")
    broadcast_object_list(outcome)
    if error is not None or outcome[1] is not None:
        raise error or outcome[1]
    result: T = outcome[0]
    return result


def _pickles(error: Exception) -> bool:
    """Whether an error is one again where it arrives."""
    import pickle

    try:
        return isinstance(pickle.loads(pickle.dumps(error)), type(error))
    except Exception:
        return False
