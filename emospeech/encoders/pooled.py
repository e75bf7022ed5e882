"""One vector a clip from frozen encoders: mean and standard deviation over time, of all layers from one pass."""

from collections.abc import Callable

import torch
from torch import Tensor

STATISTICS = ("mean", "std")  # in this order along the axis of statistics
OF_TEXT = STATISTICS[:1]

Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def over_time(states: Tensor, mask: Tensor) -> Tensor:
    """Mean and standard deviation (divided by the count) over valid frames.

    Args:
        states: (B, layers, frames, D).
        mask: bool (B, frames), at least one frame valid of each.

    Returns:
        float32 (B, layers, 2, D); of one frame the deviation is 0.
    """
    valid = mask[:, None, :, None]
    count = valid.sum(2)
    mean = states.float().masked_fill(~valid, 0.0).sum(2) / count
    spread = (states.float() - mean[:, :, None]).masked_fill(~valid, 0.0)
    return torch.stack([mean, (spread.square().sum(2) / count).sqrt()], dim=2)


def pooled_speech(encoder: Encode) -> Encode:
    """A frozen speech encoder as one that gives statistics in the place of frames.

    Args:
        encoder: inputs, mask -> states (B, layers, frames, D), mask (B, frames).

    Returns:
        inputs, mask -> float32 (B, layers, 2, D), and a mask (B, 2) of nothing but True.
    """

    def encode(inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        vectors = over_time(*encoder(inputs, mask))
        return vectors, mask.new_ones(len(vectors), len(STATISTICS))

    return encode


def pooled_text(encoder: Encode) -> Encode:
    """A frozen text encoder as one that gives the mean over its states, special tokens and windows alike.

    Args:
        encoder: tokens, mask -> states (B, states, D), mask (B, states).

    Returns:
        tokens, mask -> float32 (B, 1, 1, D), and a mask (B, 1) of nothing but True.
    """

    def encode(tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states, valid = encoder(tokens, mask)
        vectors = over_time(states[:, None], valid)[:, :, :1]
        return vectors, mask.new_ones(len(vectors), 1)

    return encode
