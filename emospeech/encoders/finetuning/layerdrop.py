"""LayerDrop: in training, blocks are left out at random."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

NAMES = ("encoder_layerdrop", "layerdrop")  # in configs, Whisper's first
BIAS = "position_bias"  # WavLM's first block makes it, the others hand it on


def take_over(model: Any) -> float:
    """The probability that a checkpoint's config gives; transformers' own LayerDrop is turned off.

    That one skips a block altogether. Processes that share a training each draw for themselves, and would wait for the
    gradients of a block that one of them has skipped.
    """
    name = next((name for name in NAMES if hasattr(model.config, name)), None)
    probability = 0.0 if name is None else float(getattr(model.config, name))
    for holder in (model, model.config):
        for each in NAMES:
            if hasattr(holder, each):
                setattr(holder, each, 0.0)
    return probability


def drop_in_place(blocks: Iterable[nn.Module], probability: float) -> None:
    """Let each block, in training mode, give what it takes in this often; its parameters then have zero gradients.

    Drawn from torch's generator on the CPU, one draw for each block and forward pass. WavLM's first block, which makes
    the positions for all, always runs.

    Source: Fan et al. 2020 (arXiv 1909.11556), section 3.
    """
    for block in blocks if probability else ():
        block.forward = functools.partial(_perhaps, block, block.forward, probability)


def _perhaps(
    block: nn.Module, forward: Callable[..., Any], probability: float, hidden: Tensor, *inputs: Any, **options: Any
) -> Any:
    makes_bias = BIAS in options and options[BIAS] is None
    if not block.training or makes_bias or torch.rand(()) >= probability:
        return forward(hidden, *inputs, **options)
    trained = [parameter for parameter in block.parameters() if parameter.requires_grad]
    kept = hidden + 0.0 * torch.stack([parameter.sum() for parameter in trained]).sum() if trained else hidden
    kept = kept.to(hidden.dtype)
    return (kept, options[BIAS]) if BIAS in options else kept
