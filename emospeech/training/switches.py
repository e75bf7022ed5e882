"""What a recipe switches on for a whole fit: compiled networks, deterministic algorithms."""

import functools
import os
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.utils.checkpoint
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


def recompute_in_place(parts: Iterable[nn.Module | None]) -> None:
    """Gradient checkpointing: what a block computes is not kept for the backward pass but computed again there.

    Of parts that train and name their `blocks`; frozen encoders keep nothing anyway. Dropout draws the same again, and
    batch norm counts a batch once.

    Source: Chen et al. 2016 (arXiv 1604.06174).
    """
    for part in parts:
        if part is None or getattr(part, "frozen", False):
            continue
        for block in getattr(part, "blocks", ()):
            block.forward = functools.partial(_recomputed, block, block.forward)


def _recomputed(block: nn.Module, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs, **options)
    norms = [module for module in block.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    norms = [norm for norm in norms if norm.track_running_stats]
    return torch.utils.checkpoint.checkpoint(
        forward, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _still(norms)), **options
    )


@contextmanager
def _still(norms: Sequence[Any]) -> Iterator[None]:
    """Within it, batch norms normalise by their batch and remember nothing of it."""
    before = [(norm.momentum, norm.num_batches_tracked.clone()) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, count) in zip(norms, before, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(count)


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
