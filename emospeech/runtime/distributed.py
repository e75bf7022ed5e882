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


def agreed(here: bool) -> bool:
    """Whether it is so on every process. All must call it at the same point."""
    if world_size() == 1:
        return here
    from accelerate.utils import gather_object

    return all(gather_object([here]))


def everywhere(work: Callable[[], None]) -> None:
    """Every process does its part and waits for the others; an error of any is raised on all.

    All must call it at the same point.
    """
    if world_size() == 1:
        work()
        return
    from accelerate.utils import gather_object

    error: Exception | None = None
    try:
        work()
    except (UserError, WorkError, OSError) as known:
        error = known
    except Exception as unknown:  # told as such, for it need not pickle
        error = WorkError(f"process {rank()}: {type(unknown).__name__}: {unknown}")
    for found in gather_object([error]):
        if found is not None:
            raise found


def work_off(units: Sequence[T], done: Callable[[T], bool], share: tuple[int, int]) -> None:
    """Go on until all units are done, whoever does them; returns once none is left.

    Args:
        done: does a unit that nobody else has in hand; whether it is done now.
        share: this process's number, and of how many; each begins with another part and helps with the rest.
    """
    number, count = share
    left = [*units[number::count], *[unit for k, unit in enumerate(units) if k % count != number]]
    while left:
        others = [unit for unit in left if not done(unit)]
        if len(others) == len(left):
            time.sleep(POLL)
        left = others


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


def on_main(work: Callable[[], T]) -> T:
    """Do `work` on the main process alone and give its result, or its error, to all.

    Every process must call it at the same point. The result must pickle.
    """
    if world_size() == 1:
        return work()
    from accelerate.utils import broadcast_object_list

    outcome: list[Any] = [None, None]
    if is_main():
        try:
            outcome[0] = work()
        except Exception as error:  # handed on below, to every process
            outcome[1] = error
    broadcast_object_list(outcome)
    if outcome[1] is not None:
        raise outcome[1]
    result: T = outcome[0]
    return result
