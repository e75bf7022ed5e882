"""Attention of a network's whole to its parts: which places of a block's feature map count."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Parametrised(nn.Module):
    """u · l for a local vector l.

    The authors score u · (l + g). As the score is linear and a softmax forgets what all places have in common, u · g
    changes nothing: the global vector g is left out, and with it what computes it.
    """

    needs_global = False

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1, bias=False)

    def forward(self, places: Tensor, whole: Tensor | None) -> Tensor:
        """places (B, places, channels) -> scores (B, places)."""
        scores: Tensor = self.score(places)[..., 0]
        return scores


class Dot(nn.Module):
    """l · W g / sqrt(channels) for a local vector l and the global vector g, projected to the width of l.

    The authors' is not divided; from a random start one place then has all the weight, and the others never learn.
    """

    needs_global = True

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, channels, bias=False)

    def forward(self, places: Tensor, whole: Tensor) -> Tensor:
        """places (B, places, channels), whole (B, width) -> scores (B, places)."""
        return torch.einsum("bpc,bc->bp", places, self.project(whole)) * places.shape[2] ** -0.5


COMPATIBILITIES: Mapping[str, Callable[[int, int], Any]] = {"dot": Dot, "parametrised": Parametrised}


class BlockAttention(nn.Module):
    """A softmax over the places of a feature map, by the compatibility of each with the whole; their weighted sum.

    Source: Jetley et al. 2018, learn to pay attention (arXiv 1804.02391), sec. 3.
    """

    def __init__(self, compatibility: nn.Module) -> None:
        super().__init__()
        self.compatibility = compatibility

    def forward(self, local: Tensor, whole: Tensor | None) -> tuple[Tensor, Tensor]:
        """local (B, channels, height, width), whole (B, D) -> (B, channels), map (B, height, width) that sums to 1."""
        places = local.flatten(2).transpose(1, 2)  # (B, places, channels)
        weights = torch.softmax(self.compatibility(places, whole).float(), dim=1)  # (B, places)
        vector = torch.einsum("bp,bpc->bc", weights.to(places.dtype), places)
        return vector, weights.unflatten(1, local.shape[2:])


def joined(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The vectors of several blocks (B, channels_k) end to end: (B, all channels)."""
    return torch.cat([vector for vector, _ in parts], dim=1)
