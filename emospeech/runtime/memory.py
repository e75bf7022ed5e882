"""Memory: whether an error means that it was short, and keeping what is freed for the next step."""

import ctypes
import gc
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # of glibc's mallopt
FEW = 2  # arenas
KEPT = 1 << 30  # bytes


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short, on a GPU or in the host."""
    import torch

    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "can't allocate memory" in str(error) or "not enough memory" in str(error)


def keep_freed_memory() -> None:
    """Let the process keep what it frees, up to a gigabyte a block: a step allocates the same again and again.

    glibc gives large blocks back to the system at once, and each new one costs a fault a page: a tenth of a step of a
    head on a CPU. Where there is no glibc, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for option in (MMAP_THRESHOLD, TRIM_THRESHOLD):
        mallopt(option, KEPT)


def share_arenas() -> None:
    """Let all threads allocate from two places: else each keeps what it once needed. Before threads begin.

    Where there is no glibc, nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(ARENA_MAX, FEW)


def give_back_freed_memory() -> None:
    """Give what was freed back to the system; where there is no glibc, nothing happens."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
