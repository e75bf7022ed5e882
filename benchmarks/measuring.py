"""Time, memory and hardware, for the benchmarks beside it: what is compared is measured in turn, in one process."""

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Setting:
    """What every part is told."""

    quick: bool  # tiny architectures and few clips
    device: torch.device
    folder: Path  # for files; removed afterwards

    def say(self, text: str) -> None:
        print(f"  {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Row:
    """A line of the table: how many times B goes into A, round by round."""

    what: str
    ratios: Sequence[float]
    a: str  # A and B for people
    b: str

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)


@dataclass(frozen=True)
class Mark:
    """What the project wants to reach."""

    text: str
    met: bool


@dataclass(frozen=True)
class Report:
    """What a part found."""

    rows: Sequence[Row]
    notes: Sequence[str] = ()
    marks: Sequence[Mark] = field(default=())


def measured(work: Callable[[], Any], device: torch.device) -> tuple[Any, float, float]:
    """The work's result, its seconds (median of three after a warm-up), the peak in GiB since the program began."""
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        result = work()
        finish(device)
        seconds.append(time.perf_counter() - began)
    return result, sorted(seconds[1:])[1], peak(device)


def peak(device: torch.device) -> float:
    """GiB of the GPU, or of the process, at most since the program began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def finish(device: torch.device) -> None:
    """Wait for what a GPU was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize()


@dataclass(frozen=True)
class Work:
    """A piece to be timed: `times` at a stretch, after some that are not timed."""

    do: Callable[[], Any]
    times: int = 1
    warmups: int = 0


def alternating(
    works: Mapping[str, Work], rounds: int, device: torch.device, say: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds of one time of each piece, round by round: A, B, A, B … Whatever else the machine does meets all."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            for _ in range(work.warmups):
                work.do()
            finish(device)
            began = time.perf_counter()
            for _ in range(work.times):
                work.do()
            finish(device)
            seconds[name].append((time.perf_counter() - began) / work.times)
        say(f"round {number + 1} of {rounds}: " + ", ".join(f"{name} {period(seconds[name][-1])}" for name in works))
    return seconds


def compared(what: str, a: Sequence[float], b: Sequence[float]) -> Row:
    """Seconds of A over those of B."""
    pairs = zip(a, b, strict=True)
    return Row(what, [x / y for x, y in pairs], period(statistics.median(a)), period(statistics.median(b)))


def period(seconds: float) -> str:
    """
    >>> period(9.25), period(0.0125)
    ('9.25 s', '12.5 ms')
    """
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def resident() -> tuple[int, int]:
    """Bytes of this process in memory: its own, and pages of mapped files, which the kernel may take back."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = dict(line.split(":", 1) for line in lines)
    return int(found["RssAnon"].split()[0]) << 10, int(found["RssFile"].split()[0]) << 10


def available() -> int:
    """Bytes of memory that are free or can be freed, by the kernel's own estimate."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return int(dict(line.split(":", 1) for line in lines)["MemAvailable"].split()[0]) << 10


def cpu_flags() -> set[str]:
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return set(next((line.split(":", 1)[1].split() for line in text.splitlines() if line.startswith("flags")), []))


def bf16_unit() -> str:
    """What of this CPU multiplies in bfloat16."""
    flags = cpu_flags()
    return "AMX" if "amx_bf16" in flags else "AVX-512 BF16, no AMX" if "avx512_bf16" in flags else ""


def hardware() -> list[str]:
    """Lines on what all of it ran on."""
    import numpy as np
    import transformers

    text = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in text if line.startswith("model name")), platform.machine())
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cores = len(os.sched_getaffinity(0))
    gpu = "none"
    if torch.cuda.is_available():
        gpu = f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    unit = bf16_unit() or "no unit for bfloat16"
    return [
        f"CPU: {model} ({unit}), {cores} cores, {torch.get_num_threads()} threads, memory {total / 2**30:.0f} GiB",
        f"GPU: {gpu}",
        f"{versions}, numpy {np.__version__}",
    ]
