"""Mixing over layers, and over time, before pooling."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from emospeech.encoders.features import PackedStates
from emospeech.models.layer_sum import weighted_sum
from emospeech.models.options import require_divisor, require_dropout


class LayerMix(nn.Module):
    """Learned sum of an encoder's layers, sum_l w_l H_l. Weights start at 1 / layers and are used raw, not softmaxed.

    As the EmoSPeech 2024 winner does; softmaxed weights are ELMo's (Peters et al. 2018).
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.full((layers,), 1 / layers)) if layers > 1 else None

    def fix(self, weights: Tensor) -> None:
        """These weights (layers,), which train no more."""
        self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, states: Tensor | PackedStates) -> Tensor:
        """states (B, layers, time, D) -> (B, time, D).

        Stored states of a single layer are taken as they are: they are the only one there is, or the sum already.

        Raises:
            ValueError: if stored states have another number of layers.
        """
        if isinstance(states, PackedStates):
            return self._of_packed(states)
        if self.weights is None:
            return states[:, 0]
        return torch.einsum("l,bltd->btd", self.weights.to(states.dtype), states)

    def _of_packed(self, states: PackedStates) -> Tensor:
        if self.weights is None or states.layers == 1:
            return only_layer(states)
        return weighted_sum(self.weights, states.utterances)


def only_layer(states: Tensor | PackedStates) -> Tensor:
    """(B, time, D) as it is, or padded float32 of stored states that have one layer.

    Raises:
        ValueError: if stored states have more.
    """
    if isinstance(states, Tensor):
        return states
    if states.layers != 1:
        raise ValueError(f"the stored states have {states.layers} layers, the model takes 1")
    return states.padded()[:, 0]


class SelfAttentionMixer(nn.Module):
    """Self-attention without a parameter: each position becomes a mean of all, weighted by their likeness to it.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), eq. 1, with queries, keys and values all x.
    """

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, time, D)."""
        return nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask[:, None, :])


class MultiHeadMixer(nn.Module):
    """Multi-head self-attention as torch has it: the heads share the width; biases; no residual, no norm.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), sec. 3.2.2.
    """

    def __init__(self, width: int, *, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        require_divisor(heads, width)
        require_dropout(dropout)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, time, D)."""
        mixed: Tensor = self.attention(x, x, x, key_padding_mask=~mask, need_weights=False)[0]
        return mixed


class FullWidthHeadsMixer(nn.Module):
    """Self-attention whose every head works at full width; no biases, no residual, no norm.

    Scores are divided by sqrt(width); one linear map joins the heads.

    Source: the sequence attention of the EmoSPeech 2024 winner (arXiv 2407.12467).
    """

    def __init__(self, width: int, *, heads: int = 1) -> None:
        super().__init__()
        if heads < 1:
            raise ValueError(f"heads should be 1 or more, got {heads}")
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


MIXERS: dict[str, Callable[..., nn.Module]] = {
    "self_attention": SelfAttentionMixer,
    "multi_head": MultiHeadMixer,
    "full_width_heads": FullWidthHeadsMixer,
}
