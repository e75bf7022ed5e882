"""Attention pooling with one query, in as few passes over the sequence as it takes.

On a CPU every copy of a batch's frames, 20 MB, costs more than the arithmetic on them: half of it is memory that the
system hands out anew.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def attended(query: Tensor, parts: Sequence[Tensor], mask: Tensor) -> Tensor:
    """The mean of a sequence under softmax(<x_t, query>) over what is not masked; nothing masked is looked at.

    Args:
        query: (D,).
        parts: (B, time_k, D) each, one after another in time.
        mask: bool (B, sum of time_k); each row has a True.

    Returns:
        (B, D).
    """
    x = parts[0]
    # elsewhere the data must not decide what is done: a GPU would be waited for, a compiler could not trace it
    if x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch.is_autocast_enabled("cpu"):
        pooled: Tensor = _Attended.apply(query, mask, *parts)
        return pooled
    x = torch.cat(list(parts), dim=1) if len(parts) > 1 else x
    x = x.masked_fill(~mask[..., None], 0.0)
    weights = torch.softmax((x @ query).masked_fill(~mask, float("-inf")), dim=-1)
    return torch.bmm(weights[:, None].to(x.dtype), x)[:, 0]


class _Attended(torch.autograd.Function):
    """One read of the sequence forward, and backward one read and one gradient written."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, mask: Tensor, *parts: Tensor) -> Tensor:
        weights, pooled = _pooled(query, mask, parts)
        if not bool(torch.isfinite(pooled).all()):  # 0 times what is masked is 0 only of numbers
            masks = mask.split([x.shape[1] for x in parts], dim=1)
            parts = tuple(x.masked_fill(~own[..., None], 0.0) for x, own in zip(parts, masks, strict=True))
            weights, pooled = _pooled(query, mask, parts)
        ctx.save_for_backward(query, weights, *parts)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, weights, *parts = ctx.saved_tensors
        lengths = [x.shape[1] for x in parts]
        of_weights = torch.cat([torch.bmm(x, gradient[..., None])[..., 0] for x in parts], dim=1)
        of_scores = weights * (of_weights - (weights * of_weights).sum(dim=1, keepdim=True))  # (B, time)
        # x is used twice, in scores and in the mean: one product gives the sum of both gradients
        left = torch.stack([weights, of_scores], dim=2).split(lengths, dim=1)  # (B, time_k, 2) each
        right = torch.stack([gradient, query.expand_as(gradient)], dim=1)  # (B, 2, D)
        needed = ctx.needs_input_grad[2:]
        of_parts = [torch.bmm(one, right) if need else None for one, need in zip(left, needed, strict=True)]
        rows = zip(of_scores.split(lengths, dim=1), parts, strict=True)
        of_query = torch.stack([torch.bmm(scores[:, None], x).sum(dim=(0, 1)) for scores, x in rows]).sum(dim=0)
        return of_query, None, *of_parts


def _pooled(query: Tensor, mask: Tensor, parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Weights (B, time) and the mean under them (B, D)."""
    scores = torch.cat([x @ query for x in parts], dim=1).masked_fill_(~mask, float("-inf"))
    weights = torch.softmax(scores, dim=1)
    rows = zip(weights.split([x.shape[1] for x in parts], dim=1), parts, strict=True)
    return weights, torch.stack([torch.bmm(own[:, None], x)[:, 0] for own, x in rows]).sum(dim=0)
