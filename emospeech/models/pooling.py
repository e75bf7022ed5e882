"""From a sequence (B, time, D) and its mask (B, time) to one vector (B, D)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class AttentionPooling(nn.Module):
    """A learned query scores every position; their softmax-weighted sum is the result.

    score_t = <x_t, q>, unscaled, as in the EmoSPeech 2024 winner (arXiv 2407.12467, sec. 3.3).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(width) * width**-0.5)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attention (B, time): 0 where masked, each row sums to 1."""
        scores = x @ self.query  # (B, time)
        return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        return torch.einsum("bt,btd->bd", self.weights(x, mask), x.masked_fill(~mask[..., None], 0.0))


class MeanPooling(nn.Module):
    """The mean over what is real."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        total = x.masked_fill(~mask[..., None], 0.0).sum(dim=1)
        return total / mask.sum(dim=1, keepdim=True)


POOLINGS: dict[str, Callable[..., nn.Module]] = {"attention": AttentionPooling, "mean": MeanPooling}
