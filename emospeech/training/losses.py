"""Losses as sums, with their normaliser apart, so that micro-batches and processes add up to one global mean."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.dataset import UNLABELLED


class CrossEntropy(nn.Module):
    """Class-weighted cross-entropy: sum(w_y * nll) / sum(w_y), torch's own weighted mean."""

    weights: Tensor

    def __init__(self, weights: Sequence[float], counts: Sequence[int] = ()) -> None:
        super().__init__()
        self.register_buffer("weights", torch.tensor(list(weights), dtype=torch.float32))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """logits (B, classes), labels (B,) -> the weighted sum, a scalar; UNLABELLED rows count nothing."""
        return nn.functional.cross_entropy(
            logits, labels, self.weights.to(logits.dtype), reduction="sum", ignore_index=UNLABELLED
        )

    def normaliser(self, labels: Tensor) -> Tensor:
        """The sum of the weights of these labels, a scalar."""
        return self.weights[labels[labels != UNLABELLED]].sum()


def no_weights(counts: np.ndarray) -> np.ndarray:
    """Every class counts the same."""
    return np.ones(len(counts))


def inverse(counts: np.ndarray) -> np.ndarray:
    """N / count, as the EmoSPeech 2024 winner weights its classes; a class without a clip gets 0.

    >>> inverse(np.array([6, 2, 0])).round(2).tolist()
    [1.33, 4.0, 0.0]
    """
    return np.divide(counts.sum(), counts, out=np.zeros(len(counts)), where=counts > 0)


CLASS_WEIGHTS: dict[str, Callable[..., np.ndarray]] = {"none": no_weights, "inverse": inverse}
LOSSES: dict[str, Callable[..., nn.Module]] = {"cross_entropy": CrossEntropy}
