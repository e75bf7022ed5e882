"""Work on one clip after the other, by as many processes as there are cores. Each imports this: no torch here."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager

import numpy as np

from emospeech.data import audio
from emospeech.data.audio.channel import through

MOST = 16  # processes
WORTH = 48  # clips of each; for fewer, starting processes takes longer than the work
Compute = Callable[[np.ndarray], np.ndarray]  # waveform float32 (time,) at 16 kHz -> float32 (D,)


def computed(compute: Compute, read: Callable[[], np.ndarray]) -> np.ndarray:
    """What one process does for one clip."""
    return compute(read())


def played_faster(speed: float, compute: Compute, waveform: np.ndarray) -> np.ndarray:
    """What `compute` finds in a clip that is played at another speed."""
    return compute(audio.played_at(waveform, speed))


def coloured(channel: int, compute: Compute, waveform: np.ndarray) -> np.ndarray:
    """What `compute` finds in a clip that is heard through another channel."""
    return compute(through(waveform, channel))


def cores() -> int:
    """Those that this process may use, shared with the other processes of a distributed run."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(here // int(os.environ.get("LOCAL_WORLD_SIZE", "1")), 1)


@contextmanager
def processes(clips: int) -> Iterator[Executor | None]:
    """A pool for so many clips; None where one process does: few clips, one core, or a process that may start none."""
    count = min(cores(), MOST, clips // WORTH)
    if count < 2 or multiprocessing.current_process().daemon:
        yield None
        return
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _leave_stopping_to_the_first)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_stopping_to_the_first() -> None:
    """Ctrl-C reaches every process of a terminal; the first one ends the others in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
