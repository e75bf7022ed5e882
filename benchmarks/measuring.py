"""Time and peak memory of a piece of work, for the benchmarks beside it."""

import resource
import time
from collections.abc import Callable
from typing import Any

import torch


def measured(work: Callable[[], Any], device: torch.device) -> tuple[Any, float, float]:
    """The work's result, its seconds (median of three after a warm-up), the peak in GiB since the program began."""
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        result = work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return result, sorted(seconds[1:])[1], peak
