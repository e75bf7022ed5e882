"""What flows to a fusion: one stream a modality, and how a stream becomes a vector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.models.pooling import AttentionPooling

Stream = tuple[Tensor, Tensor]  # x (B, time, D), mask bool (B, time); a row without True: the modality is absent
Streams = Mapping[str, Stream]  # by modality: speech before text


class StreamPooling(nn.Module):
    """A stream to one vector: an optional mixer over time, then a pooling. An absent modality gives zeros."""

    def __init__(self, pooling: nn.Module, mixer: nn.Module | None = None) -> None:
        super().__init__()
        self.pooling, self.mixer = pooling, mixer
        self.width: int = pooling.width  # type: ignore[assignment]

    def mixed(self, x: Tensor, mask: Tensor) -> Tensor:
        """What the pooling sees (B, time, D)."""
        return x if self.mixer is None else self.mixer(x, mask)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, width)."""
        return self.over_parts([x], mask)

    def over_parts(self, parts: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Of sequences (B, time_k, D) that follow each other in time, mask (B, all times)."""
        there = mask.any(dim=1, keepdim=True)
        mask = mask | ~there  # a row to attend to, whose result is then thrown away
        if self.mixer is None and isinstance(self.pooling, AttentionPooling):
            return self.pooling.over_parts(parts, mask) * there
        pooled: Tensor = self.pooling(self.mixed(end_to_end(parts), mask), mask)
        return pooled * there

    @property
    def weighs(self) -> bool:
        """Whether its pooling tells how much of the vector each position has."""
        return hasattr(self.pooling, "weights")

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Of each position that the pooling sees, behind a mixer where there is one: its share of the vector (B, time).

        0 where masked, each row sums to 1; all zeros where the modality is absent.
        """
        there = mask.any(dim=1, keepdim=True)
        mask = mask | ~there
        shares: Tensor = self.pooling.weights(self.mixed(x, mask), mask)  # type: ignore[operator]
        return shares * there


def end_to_end(parts: Sequence[Tensor]) -> Tensor:
    """Sequences (B, time_k, D) -> (B, all times, D); a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=1)


Pool = Callable[[int], StreamPooling]  # for streams of a width


class ModalityDropout(nn.Module):
    """In training, an utterance that has all its modalities loses one of them, drawn evenly, with this probability.

    Source: Neverova et al. 2016, ModDrop (arXiv 1501.00102).
    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, streams: Streams) -> Streams:
        """The streams, with masks that are False throughout where a modality was dropped."""
        if not self.training or self.probability == 0 or len(streams) < 2:
            return streams
        there = present(streams)
        draw = torch.rand(len(there), device=there.device) < self.probability
        which = torch.randint(len(streams), (len(there), 1), device=there.device)
        lost = (draw & there.all(dim=1))[:, None] & (which == torch.arange(len(streams), device=there.device))
        return {name: (x, mask & ~lost[:, k, None]) for k, (name, (x, mask)) in enumerate(streams.items())}


def present(streams: Streams) -> Tensor:
    """Which utterance has which modality: bool (B, modalities)."""
    return torch.stack([mask.any(dim=1) for _, mask in streams.values()], dim=1)


def weighable(there: Tensor) -> Tensor:
    """Modalities (B, modalities) that a softmax can weigh: of an utterance that has none, all, their vectors zeros."""
    return there | ~there.any(dim=1, keepdim=True)


def even_shares(streams: Streams) -> Tensor:
    """The same share for each modality that an utterance has (B, modalities); 0 for what it lacks."""
    there = present(streams).float()
    return there / there.sum(dim=1, keepdim=True).clamp(min=1)


def shared_out(pools: Any, streams: Streams, shares: Tensor) -> dict[str, Tensor]:
    """Weights (B, time) by modality: each stream's own, times the share (B, modalities) that the fusion gives it."""
    shares = shares * present(streams)
    return {name: pools[name].weights(*stream) * shares[:, [k]] for k, (name, stream) in enumerate(streams.items())}


def to_width(own: int, width: int) -> nn.Module:
    """A projection where widths differ."""
    return nn.Identity() if own == width else nn.Linear(own, width)
