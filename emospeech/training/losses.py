"""Losses as sums, with their normaliser apart, so that micro-batches and processes add up to one global mean.

Every loss takes logits (B, classes) and labels: class numbers int64 (B,), of which UNLABELLED counts nothing, or soft
targets float (B, classes), of which a row of zeros counts nothing. A class number is the same as its one-hot row.

Class weights come from how many clips each class has among the training rows; with soft labels, from the sum of their
shares. Only the ratios of the weights matter, as losses are divided by their sum. A class without a clip gets 0.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class CrossEntropy(nn.Module):
    """Class-weighted cross-entropy: sum(w_y * nll) / sum(w_y), torch's own weighted mean.

    Source: Szegedy et al. 2016, arXiv 1512.00567 (label smoothing).
    """

    corrects_counts = False  # of classes, by itself
    weights: Tensor

    def __init__(self, weights: Sequence[float], counts: Sequence[float] = (), *, label_smoothing: float = 0.0) -> None:
        """
        Args:
            weights: one a class.
            counts: not needed here.
            label_smoothing: the share of each target that is spread evenly over all classes.

        Raises:
            ValueError: if `label_smoothing` is not between 0 and 1.
        """
        super().__init__()
        self.register_buffer("weights", torch.tensor(list(weights), dtype=torch.float32))
        self.label_smoothing = _share(label_smoothing)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (B, classes) -> the weighted sum, a scalar."""
        targets = smoothed(distributions(labels, logits), self.label_smoothing)
        return -(self.weights.to(logits.dtype) * targets * torch.log_softmax(logits, dim=-1)).sum()

    def normaliser(self, labels: Tensor) -> Tensor:
        """The sum of the weights of these labels, a scalar."""
        return total_weight(labels, self.weights)


class Focal(nn.Module):
    """Focal loss: w_y * (1 - p_y)^gamma * nll, so that clips that are already right count little.

    Normalised like the cross-entropy, which it is at gamma 0; the class weights are the paper's alpha.

    Source: Lin et al. 2017, arXiv 1708.02002.
    """

    corrects_counts = False
    weights: Tensor

    def __init__(self, weights: Sequence[float], counts: Sequence[float] = (), *, gamma: float = 2.0) -> None:
        """
        Args:
            weights: one a class.
            counts: not needed here.
            gamma: how fast the weight of a clip falls as its probability rises.

        Raises:
            ValueError: if `gamma` is negative.
        """
        super().__init__()
        self.register_buffer("weights", torch.tensor(list(weights), dtype=torch.float32))
        self.gamma = _not_negative("gamma", gamma)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (B, classes) -> the weighted sum, a scalar."""
        chances = torch.log_softmax(logits, dim=-1)
        # where p rounds to 1, the slope of 0^gamma is infinite for gamma < 1
        missing = (-torch.expm1(chances)).clamp(min=torch.finfo(logits.dtype).tiny)
        targets = distributions(labels, logits)
        return -(self.weights.to(logits.dtype) * targets * missing**self.gamma * chances).sum()

    def normaliser(self, labels: Tensor) -> Tensor:
        """The sum of the weights of these labels, a scalar."""
        return total_weight(labels, self.weights)


class LogitAdjusted(nn.Module):
    """Cross-entropy of logits + tau * log(prior): the rare classes must win by a margin in training.

    The priors are those of the training rows. Predictions take the logits as they are, which then suit balanced
    scores such as macro-F1. It does the work of class weights, so `class_weights: none` must go with it.

    Source: Menon et al. 2021, arXiv 2007.07314 (equation 10).
    """

    corrects_counts = True
    adjustment: Tensor

    def __init__(
        self, weights: Sequence[float], counts: Sequence[float], *, tau: float = 1.0, label_smoothing: float = 0.0
    ) -> None:
        """
        Args:
            weights: one a class.
            counts: clips of each class among the training rows; a class with less than one counts as having one.
            tau: how much of the prior is added.
            label_smoothing: the share of each target that is spread evenly over all classes.

        Raises:
            ValueError: if `tau` is negative, or `label_smoothing` is not between 0 and 1.
        """
        super().__init__()
        self.cross_entropy = CrossEntropy(weights, label_smoothing=label_smoothing)
        clips = torch.tensor(list(counts), dtype=torch.float32).clamp(min=1)
        self.register_buffer("adjustment", _not_negative("tau", tau) * (clips / clips.sum()).log())

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (B, classes) -> the weighted sum, a scalar."""
        loss: Tensor = self.cross_entropy(logits + self.adjustment.to(logits.dtype), labels)
        return loss

    def normaliser(self, labels: Tensor) -> Tensor:
        """The sum of the weights of these labels, a scalar."""
        return self.cross_entropy.normaliser(labels)


def distributions(labels: Tensor, like: Tensor) -> Tensor:
    """Labels (B,) or (B, classes) -> targets (B, classes); what counts nothing is a row of zeros.

    Args:
        like: its last axis is the classes; its dtype is that of the targets.

    >>> distributions(torch.tensor([1, -100]), torch.zeros(2)).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    if labels.is_floating_point():
        return labels.to(like.dtype)
    return (labels[:, None] == torch.arange(like.shape[-1], device=labels.device)).to(like.dtype)


def smoothed(targets: Tensor, share: float) -> Tensor:
    """Targets (B, classes) with a share of each row's mass spread evenly over all classes.

    >>> smoothed(torch.tensor([[0.0, 1.0], [0.0, 0.0]]), 0.5).tolist()
    [[0.25, 0.75], [0.0, 0.0]]
    """
    return (1 - share) * targets + share / targets.shape[-1] * targets.sum(dim=-1, keepdim=True)


def total_weight(labels: Tensor, weights: Tensor) -> Tensor:
    """The sum of the class weights over these labels, a scalar.

    >>> total_weight(torch.tensor([[0.5, 0.5], [0.0, 1.0]]), torch.tensor([1.0, 3.0])).item()
    5.0
    """
    return (distributions(labels, weights) * weights).sum()


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"label_smoothing should lie between 0 and 1, got {value}")
    return value


def _not_negative(name: str, value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} should be 0 or more, got {value}")
    return value


def no_weights(counts: np.ndarray) -> np.ndarray:
    """Every clip counts the same.

    Source: unweighted cross-entropy.
    """
    return np.ones(len(counts))


def inverse(counts: np.ndarray) -> np.ndarray:
    """N / count, so that every class counts the same as a whole.

    Source: BSC-UPC at EmoSPeech 2024, arXiv 2407.12467.

    >>> inverse(np.array([6, 2, 0])).round(2).tolist()
    [1.33, 4.0, 0.0]
    """
    return np.divide(counts.sum(), counts, out=np.zeros(len(counts)), where=counts > 0)


def inverse_sqrt(counts: np.ndarray) -> np.ndarray:
    """sqrt(N / count), half-way between `none` and `inverse`.

    Source: Mahajan et al. 2018, arXiv 1805.00932 (there as sampling).

    >>> inverse_sqrt(np.array([4, 1, 11, 0])).round(2).tolist()
    [2.0, 4.0, 1.21, 0.0]
    """
    return np.sqrt(inverse(counts))


def effective_number(counts: np.ndarray, *, beta: float = 0.999) -> np.ndarray:
    """(1 - beta) / (1 - beta^count): from `none` at beta 0 to `inverse` as beta nears 1.

    Scaled, as in the paper, so that the weights add up to the number of classes (here: of those with clips).

    Source: Cui et al. 2019, arXiv 1901.05555.

    >>> effective_number(np.array([1, 2, 0]), beta=0.5).round(2).tolist()
    [1.2, 0.8, 0.0]
    """
    if not 0 <= beta < 1:
        raise ValueError(f"beta should be at least 0 and less than 1, got {beta}")
    known = counts > 0
    weights = np.divide(1 - beta, 1 - np.power(beta, counts), out=np.zeros(len(counts)), where=known)
    return weights * (known.sum() / weights.sum())


CLASS_WEIGHTS: dict[str, Callable[..., np.ndarray]] = {
    "none": no_weights,
    "inverse": inverse,
    "inverse_sqrt": inverse_sqrt,
    "effective_number": effective_number,
}
LOSSES: dict[str, Any] = {
    "cross_entropy": CrossEntropy,
    "focal": Focal,
    "logit_adjusted": LogitAdjusted,
}
