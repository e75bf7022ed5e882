"""Mixing over time and over layers, before pooling."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class LayerMix(nn.Module):
    """Learned sum of an encoder's layers, sum_l w_l H_l. Weights start at 1 / layers and are used raw, not softmaxed.

    As the EmoSPeech 2024 winner does; softmaxed weights are ELMo's (Peters et al. 2018).
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((layers,), 1 / layers)) if layers > 1 else None

    def forward(self, states: Tensor) -> Tensor:
        """states (B, layers, time, D) -> (B, time, D)."""
        if self.weights is None:
            return states[:, 0]
        return torch.einsum("l,bltd->btd", self.weights.to(states.dtype), states)


class MultiHeadMixer(nn.Module):
    """Self-attention whose every head works at full width; no biases, no residual, no norm.

    As the EmoSPeech 2024 winner's sequence attention: scores divided by sqrt(width), heads joined by one linear map.
    """

    def __init__(self, width: int, *, heads: int = 1) -> None:
        super().__init__()
        self.width, self.heads = width, heads
        self.query = nn.Linear(width, heads * width, bias=False)
        self.key = nn.Linear(width, heads * width, bias=False)
        self.value = nn.Linear(width, heads * width, bias=False)
        self.out = nn.Linear(heads * width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, time, D)."""

        def split(projected: Tensor) -> Tensor:  # (B, heads, time, D)
            return projected.unflatten(-1, (self.heads, self.width)).transpose(1, 2)

        mixed = nn.functional.scaled_dot_product_attention(
            split(self.query(x)), split(self.key(x)), split(self.value(x)), attn_mask=mask[:, None, None, :]
        )
        out: Tensor = self.out(mixed.transpose(1, 2).flatten(-2))
        return out


MIXERS: dict[str, Callable[..., nn.Module]] = {"multi_head": MultiHeadMixer}
