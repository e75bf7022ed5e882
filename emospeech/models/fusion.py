"""From one stream a modality to the vectors that heads classify: one joint vector, or one a modality (late fusion).

A fusion takes the widths of its streams and how a stream becomes a vector (`pool`). `widths` names the vectors that
it gives, and says how wide each is. An utterance may lack a modality: the others then stand alone. `shares` tells by
modality the share (B, time) that each position has in what is classified; over all modalities a row sums to 1.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from emospeech.models.options import require_dropout
from emospeech.models.pooling import AttentionPooling
from emospeech.models.streams import (
    Pool,
    Stream,
    Streams,
    end_to_end,
    even_shares,
    present,
    shared_out,
    to_width,
    weighable,
)

JOINT = "joint"


class SequenceFusion(nn.Module):
    """Speech frames and text tokens end to end along time, then pooled together; the narrower is projected.

    Source: the EmoSPeech 2024 winner (arXiv 2407.12467), sec. 3.
    """

    def __init__(self, inputs: Mapping[str, int], pool: Pool) -> None:
        super().__init__()
        width = max(inputs.values())
        self.project = nn.ModuleDict({name: to_width(own, width) for name, own in inputs.items()})
        self.pool = pool(width)
        self.widths = {JOINT: self.pool.width}

    def joined(self, streams: Streams) -> Stream:
        """(B, all times, D), mask."""
        parts, mask = self._parts(streams)
        return end_to_end(parts), mask

    def _parts(self, streams: Streams) -> tuple[list[Tensor], Tensor]:
        parts = [self.project[name](x) for name, (x, _) in streams.items()]
        return parts, end_to_end([mask for _, mask in streams.values()])

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        return {JOINT: self.pool.over_parts(*self._parts(streams))}

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of one pooling over all positions."""
        weights = self.pool.weights(*self.joined(streams))
        parts = weights.split([mask.shape[1] for _, mask in streams.values()], dim=1)
        return dict(zip(streams, parts, strict=True))


class ConcatFusion(nn.Module):
    """Each stream pooled by itself; the vectors side by side. An absent modality is a vector of zeros.

    Source: feature-level fusion, as in Atrey et al. 2010 (doi 10.1007/s00530-010-0182-0), sec. 3.
    """

    def __init__(self, inputs: Mapping[str, int], pool: Pool) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: pool(own) for name, own in inputs.items()})
        self.widths = {JOINT: sum(_width(one) for one in self.pools.values())}

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        return {JOINT: torch.cat([self.pools[name](*stream) for name, stream in streams.items()], dim=1)}

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of each stream's pooling, all modalities that are there counted the same."""
        return shared_out(self.pools, streams, even_shares(streams))


class PooledAttentionFusion(nn.Module):
    """Each stream pooled by itself; an attention with a learned query weighs the modalities' vectors.

    Source: hierarchical attention over modalities, as in Hori et al. 2017 (arXiv 1701.03126), sec. 3.
    """

    def __init__(self, inputs: Mapping[str, int], pool: Pool) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: pool(own) for name, own in inputs.items()})
        width = max(_width(one) for one in self.pools.values())
        self.project = nn.ModuleDict({name: to_width(_width(one), width) for name, one in self.pools.items()})
        self.attention = AttentionPooling(width)
        self.widths = {JOINT: width}

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        return {JOINT: self.attention(*self._vectors(streams))}

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of each stream's pooling, times the attention on its modality."""
        return shared_out(self.pools, streams, self.attention.weights(*self._vectors(streams)))

    def _vectors(self, streams: Streams) -> tuple[Tensor, Tensor]:
        """(B, modalities, D), mask."""
        vectors = [self.project[name](self.pools[name](*stream)) for name, stream in streams.items()]
        return torch.stack(vectors, dim=1), weighable(present(streams))


class CrossAttentionFusion(nn.Module):
    """Speech attends to text and text to speech (multi-head, residual, LayerNorm); each pooled, then side by side.

    Source: Tsai et al. 2019, the crossmodal attention of MulT (arXiv 1906.00295), sec. 3.1, one layer.
    """

    def __init__(self, inputs: Mapping[str, int], pool: Pool, *, heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        wrong = [f"{name} ({own})" for name, own in inputs.items() if heads < 1 or own % heads]
        if wrong:
            raise ValueError(f"heads={heads} do not divide the width of {', '.join(wrong)}; choose a divisor")
        require_dropout(dropout)
        self.attention, self.norm = nn.ModuleDict(), nn.ModuleDict()
        for name, own in inputs.items():
            (other,) = (width for one, width in inputs.items() if one != name)
            self.attention[name] = nn.MultiheadAttention(own, heads, dropout, kdim=other, vdim=other, batch_first=True)
            self.norm[name] = nn.LayerNorm(own)
        self.pools = nn.ModuleDict({name: pool(own) for name, own in inputs.items()})
        self.widths = {JOINT: sum(_width(one) for one in self.pools.values())}

    def enriched(self, streams: Streams, name: str) -> Tensor:
        """A stream with what it finds in the other (B, time, D); where the other is absent, it finds nothing."""
        x, _ = streams[name]
        ((other, mask),) = (stream for one, stream in streams.items() if one != name)
        there = mask.any(dim=1)[:, None]
        found, _ = self.attention[name](x, other, other, key_padding_mask=~mask & there, need_weights=False)
        enriched: Tensor = self.norm[name](x + found * there[..., None])
        return enriched

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        vectors = [self.pools[name](*stream) for name, stream in self._enriched(streams).items()]
        return {JOINT: torch.cat(vectors, dim=1)}

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of each enriched stream's pooling, all modalities that are there counted the same."""
        return shared_out(self.pools, self._enriched(streams), even_shares(streams))

    def _enriched(self, streams: Streams) -> Streams:
        return {name: (self.enriched(streams, name), mask) for name, (_, mask) in streams.items()}


class GatedFusion(nn.Module):
    """Each stream pooled; h = sum_m z_m * tanh(W_m v_m), its gates z a softmax over the modalities in each dimension.

    With two modalities the softmax is the paper's sigmoid; an absent modality has gate 0.

    Source: Arevalo et al. 2017, gated multimodal unit (arXiv 1702.01992), sec. 3.1.
    """

    def __init__(self, inputs: Mapping[str, int], pool: Pool) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: pool(own) for name, own in inputs.items()})
        widths = {name: _width(one) for name, one in self.pools.items()}
        width = max(widths.values())
        self.hidden = nn.ModuleDict({name: nn.Linear(own, width) for name, own in widths.items()})
        self.gates = nn.ModuleDict({name: nn.Linear(sum(widths.values()), width, bias=False) for name in widths})
        self.widths = {JOINT: width}

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        vectors = {name: self.pools[name](*stream) for name, stream in streams.items()}
        hidden = torch.stack([torch.tanh(self.hidden[name](vector)) for name, vector in vectors.items()], dim=1)
        return {JOINT: (self._opened(vectors, present(streams)) * hidden).sum(dim=1)}

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of each stream's pooling, times its modality's gate, the mean over dimensions."""
        vectors = {name: self.pools[name](*stream) for name, stream in streams.items()}
        return shared_out(self.pools, streams, self._opened(vectors, present(streams)).mean(dim=2))

    def _opened(self, vectors: Mapping[str, Tensor], there: Tensor) -> Tensor:
        """The gates (B, modalities, width)."""
        together = torch.cat(list(vectors.values()), dim=1)
        scores = torch.stack([self.gates[name](together) for name in vectors], dim=1)
        return torch.softmax(scores.masked_fill(~weighable(there)[..., None], float("-inf")), dim=1)


class LateFusion(nn.Module):
    """Each modality has pooling and head of its own; their logits are averaged, or summed with learned weights.

    `learned` weights are a softmax, equal at the start; of the modalities that an utterance has, they sum to 1.

    Source: decision-level fusion, as in Atrey et al. 2010 (doi 10.1007/s00530-010-0182-0), sec. 3.
    """

    def __init__(
        self, inputs: Mapping[str, int], pool: Pool, *, weights: Literal["average", "learned"] = "average"
    ) -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: pool(own) for name, own in inputs.items()})
        self.widths = {name: _width(one) for name, one in self.pools.items()}
        self.scores = nn.Parameter(torch.zeros(len(inputs))) if weights == "learned" else None

    def forward(self, streams: Streams) -> dict[str, Tensor]:
        return {name: self.pools[name](*stream) for name, stream in streams.items()}

    def vote(self, logits: Mapping[str, Tensor], there: Tensor) -> Tensor:
        """Logits (B, classes) by modality, which utterance has which (B, modalities) -> (B, classes)."""
        return torch.einsum("bm,bmc->bc", self._votes(there), torch.stack(list(logits.values()), dim=1))

    def shares(self, streams: Streams) -> dict[str, Tensor]:
        """Of each stream's pooling, times its modality's vote."""
        return shared_out(self.pools, streams, self._votes(present(streams)))

    def _votes(self, there: Tensor) -> Tensor:
        """Each modality's weight (B, modalities)."""
        scores = torch.zeros(there.shape[1], device=there.device) if self.scores is None else self.scores
        return torch.softmax(scores.expand(there.shape).masked_fill(~weighable(there), float("-inf")), dim=1)


def _width(pool: nn.Module) -> int:
    return int(pool.width)  # type: ignore[arg-type]


FUSIONS: dict[str, Callable[..., nn.Module]] = {
    "sequence": SequenceFusion,
    "concat": ConcatFusion,
    "pooled_attention": PooledAttentionFusion,
    "cross_attention": CrossAttentionFusion,
    "gated": GatedFusion,
    "late": LateFusion,
}
