"""How much the loss of each task counts for what is trained: numbers of the recipe, or learned ones.

Both give, of the tasks in their order, `weights` for the gradients of the network, and `total`, the objective over the
whole global batch. Nothing of them is in a saved model: they weigh losses, which predictions have none of.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn


class FixedWeights(nn.Module):
    """sum_t w_t L_t."""

    weights: Tensor

    def __init__(self, weights: Mapping[str, float]) -> None:
        """
        Args:
            weights: task -> w_t.
        """
        super().__init__()
        self.register_buffer("weights", torch.tensor(list(weights.values()), dtype=torch.float32), persistent=False)

    def total(self, losses: Tensor, counted: Tensor) -> Tensor:
        """losses (tasks,) -> a scalar."""
        return (self.weights * losses).sum()

    def told(self) -> dict[str, float]:
        """What a validation records of it: nothing, as nothing changes."""
        return {}


class Uncertainty(nn.Module):
    """sum_t exp(-s_t) L_t + s_t / 2 with a learned s_t = log(sigma_t^2) of each task, 0 at first.

    A task that the batch holds no label of stays out of the sum: its s_t has no gradient at all, so that no momentum
    moves it.

    Source: Kendall, Gal, Cipolla 2018, arXiv 1705.07115, equation 10, its term of a classification.
    """

    def __init__(self, tasks: Iterable[str]) -> None:
        super().__init__()
        self.names = list(tasks)
        self.log_variances = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in self.names])

    @property
    def weights(self) -> Tensor:
        """exp(-s_t) of each task (tasks,); no gradient goes through it."""
        return torch.exp(-torch.stack(list(self.log_variances)).detach())

    def total(self, losses: Tensor, counted: Tensor) -> Tensor:
        """losses (tasks,), counted (tasks,): whether the batch holds a label of it -> a scalar."""
        terms = zip(self.log_variances, losses, counted.tolist(), strict=True)
        return sum((torch.exp(-s) * loss + s / 2 for s, loss, counts in terms if counts), losses.new_zeros(()))

    def told(self) -> dict[str, float]:
        """What a validation records of it: exp(-s_t) as `weight_<task>`."""
        return {f"weight_{task}": float(weight) for task, weight in zip(self.names, self.weights, strict=True)}
