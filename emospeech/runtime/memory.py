"""Memory: whether an error means that it was short, and keeping what is freed for the next step."""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
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
