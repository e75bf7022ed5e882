"""What a recipe switches on for a whole fit: compiled networks, deterministic algorithms."""

import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn


def compiler_fault() -> str | None:
    """Why torch.compile cannot work on this machine, or None: on a CPU it writes C++ and has it compiled."""
    command = shlex.split(os.environ.get("CXX", "g++"))
    if torch.cuda.is_available() or (command and shutil.which(command[0])):
        return None
    return (
        f"torch.compile needs a C++ compiler on a CPU, and there is no {' '.join(command) or 'name in $CXX'}; "
        "install g++, or name another compiler in $CXX, or set train.compile=false"
    )


def compile_in_place(parts: Iterable[nn.Module | None]) -> None:
    """torch.compile for batches of every size and length; names of weights stay as they are.

    Part by part, not the whole network: a part that says `compiles = False`, because its graph would fall to pieces,
    stays as it is. Numbers stay within rounding; dropout draws others, by the same seed the same in each run.
    """
    torch.compiler.reset()  # a network before this one has its own graphs, and how many are kept is limited
    for part in parts:
        if part is not None and getattr(part, "compiles", True):
            part.compile(dynamic=True)


@contextmanager
def deterministic(wanted: bool) -> Iterator[None]:
    """Where wanted, only algorithms that give the same numbers from run to run; an operation that has none fails.

    On a CPU all are; on a GPU some are slower. What was set before is set again at the end.
    """
    if not wanted:
        yield
        return
    cudnn, workspace = torch.backends.cudnn, os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark = cudnn.benchmark
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # as cuBLAS asks for it, of the two it accepts
    cudnn.benchmark = False
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        cudnn.benchmark = benchmark
        if workspace is None:
            del os.environ["CUBLAS_WORKSPACE_CONFIG"]
        else:
            os.environ["CUBLAS_WORKSPACE_CONFIG"] = workspace
