"""From a sequence (B, time, D) and its mask (B, time) to one vector (B, width); `width` is D unless it says otherwise.

A pooling never looks at what is masked, and every row has at least one position that is not. Its `weights` say how
much of the result each position has: (B, time), 0 where masked, each row sums to 1.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from emospeech.models.attended import attended
from emospeech.models.options import require_divisor


class AttentionPooling(nn.Module):
    """A learned query scores every position, <x_t, q>, unscaled; their softmax-weighted sum is the result.

    Source: the EmoSPeech 2024 winner (arXiv 2407.12467), sec. 3.3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.query = nn.Parameter(torch.randn(width) * width**-0.5)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """Attention (B, time): 0 where masked, each row sums to 1."""
        scores = _silenced(x, mask) @ self.query  # (B, time)
        return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        return self.over_parts([x], mask)

    def over_parts(self, parts: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Of sequences (B, time_k, D) that follow each other in time, mask (B, all times), without joining them."""
        return attended(self.query, parts, mask)


class MeanPooling(nn.Module):
    """The mean over time.

    Source: the "statistical" pooling of the EmoSPeech 2024 winner (arXiv 2407.12467), which is the mean alone.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        return _silenced(x, mask).sum(dim=1) / mask.sum(dim=1, keepdim=True)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The same on all that is not masked (B, time)."""
        return _even(mask)


class StatisticsPooling(nn.Module):
    """Mean and standard deviation over time, side by side: twice the width.

    Source: Snyder et al. 2018, x-vectors (doi 10.1109/ICASSP.2018.8461375), sec. 3.1.
    """

    floor = 1e-6  # of the variance: a root has no slope at 0, and one frame alone varies by nothing

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = 2 * width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, 2 D)."""
        count = mask.sum(dim=1, keepdim=True)
        mean = _silenced(x, mask).sum(dim=1) / count  # (B, D)
        variance = _silenced(x - mean[:, None], mask).square().sum(dim=1) / count
        return torch.cat([mean, variance.clamp(min=self.floor).sqrt()], dim=-1)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The same on all that is not masked (B, time)."""
        return _even(mask)


class AttentiveStatisticsPooling(nn.Module):
    """Mean and standard deviation under learned weights, one softmax over time for each dimension: twice the width.

    Source: Okabe et al. 2018 (arXiv 1803.10963), eq. 2-6, with the channel-wise weights of Desplanques et al. 2020
    (arXiv 2005.07143), sec. 3.1, without its global context.
    """

    def __init__(self, width: int, *, hidden: int = 128) -> None:
        super().__init__()
        if hidden < 1:
            raise ValueError(f"hidden should be 1 or more, got {hidden}")
        self.width = 2 * width
        self.scores = nn.Sequential(nn.Linear(width, hidden), nn.Tanh(), nn.Linear(hidden, width))

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The mean of the dimensions' weights (B, time)."""
        return self._by_dimension(_silenced(x, mask), mask).mean(dim=2)

    def _by_dimension(self, x: Tensor, mask: Tensor) -> Tensor:
        """Weights (B, time, D) of x without what is masked."""
        return torch.softmax(self.scores(x).masked_fill(~mask[..., None], float("-inf")), dim=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, 2 D)."""
        x = _silenced(x, mask)
        weights = self._by_dimension(x, mask)
        mean = (weights * x).sum(dim=1)
        variance = (weights * (x - mean[:, None]).square()).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=StatisticsPooling.floor).sqrt()], dim=-1)


class MaxPooling(nn.Module):
    """The largest value of each dimension over time.

    Source: Collobert et al. 2011 (arXiv 1103.0398), sec. 3.3.2, max over time.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        return x.masked_fill(~mask[..., None], float("-inf")).amax(dim=1)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The share of dimensions whose largest value stands there (B, time); of equals the first."""
        where = x.masked_fill(~mask[..., None], float("-inf")).argmax(dim=1)  # (B, D)
        shares = torch.zeros(mask.shape, device=x.device)
        return shares.scatter_add_(1, where, torch.full(where.shape, 1 / x.shape[2], device=x.device))


class MultiHeadAttentionPooling(nn.Module):
    """The width is cut into heads; each pools its part with a query of its own, scores divided by sqrt(D / heads).

    Source: India, Safari, Hernando 2019, self multi-head attention (arXiv 1906.09890), sec. 3.
    """

    def __init__(self, width: int, *, heads: int = 4) -> None:
        super().__init__()
        require_divisor(heads, width)
        self.width, self.heads = width, heads
        self.queries = nn.Parameter(torch.randn(heads, width // heads))

    def contexts(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> one vector a head (B, heads, D / heads)."""
        parts = self._parts(x, mask)
        return torch.einsum("bth,bthd->bhd", self._by_head(parts, mask), parts)

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The mean of the heads' weights (B, time)."""
        return self.by_head(x, mask).mean(dim=2)

    def by_head(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> the weights of each head (B, time, heads)."""
        return self._by_head(self._parts(x, mask), mask)

    def _parts(self, x: Tensor, mask: Tensor) -> Tensor:
        return _silenced(x, mask).unflatten(-1, self.queries.shape)  # (B, time, heads, D / heads)

    def _by_head(self, parts: Tensor, mask: Tensor) -> Tensor:
        scores = torch.einsum("bthd,hd->bth", parts, self.queries) * self.queries.shape[1] ** -0.5
        return torch.softmax(scores.masked_fill(~mask[..., None], float("-inf")), dim=1)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D)."""
        return self.contexts(x, mask).flatten(1)


class DoubleMultiHeadAttentionPooling(nn.Module):
    """Multi-head attention over time, then an attention over its heads: D / heads wide.

    Source: India, Safari, Hernando 2021, double multi-head attention (arXiv 2007.13199), sec. 3.
    """

    def __init__(self, width: int, *, heads: int = 4) -> None:
        super().__init__()
        self.heads = MultiHeadAttentionPooling(width, heads=heads)
        self.over_heads = AttentionPooling(width // heads)
        self.width = width // heads

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, time, D), mask (B, time) -> (B, D / heads)."""
        contexts = self.heads.contexts(x, mask)
        vector: Tensor = self.over_heads(contexts, self._all_of(contexts))
        return vector

    def weights(self, x: Tensor, mask: Tensor) -> Tensor:
        """The heads' weights, each head counted as the second attention weighs it (B, time)."""
        contexts = self.heads.contexts(x, mask)
        of_heads = self.over_heads.weights(contexts, self._all_of(contexts))  # (B, heads)
        return torch.einsum("bth,bh->bt", self.heads.by_head(x, mask), of_heads)

    def _all_of(self, contexts: Tensor) -> Tensor:
        return torch.ones(contexts.shape[:2], dtype=torch.bool, device=contexts.device)


def _silenced(x: Tensor, mask: Tensor) -> Tensor:
    """x with 0 where masked, whatever stood there."""
    return x.masked_fill(~mask[..., None], 0.0)


def _even(mask: Tensor) -> Tensor:
    """The same weight on all that is not masked (B, time)."""
    return mask.float() / mask.sum(dim=1, keepdim=True)


POOLINGS: dict[str, Callable[..., nn.Module]] = {
    "attention": AttentionPooling,
    "mean": MeanPooling,
    "statistics": StatisticsPooling,
    "attentive_statistics": AttentiveStatisticsPooling,
    "max": MaxPooling,
    "multi_head": MultiHeadAttentionPooling,
    "double_multi_head": DoubleMultiHeadAttentionPooling,
}
