"""Several states of one network made one: the mean of their weights.

Source: Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time" (arXiv 2203.05482).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

State = Mapping[str, Tensor]
STATISTICS = "running_mean"  # what a batch norm has in its state


def averaged(states: Sequence[State]) -> dict[str, Tensor]:
    """Mean of each tensor, computed in float64 and given in its own dtype; integers and flags are the first state's.

    Running statistics of batch norms are averaged as weights are, which is not what a pass of the averaged network over
    training rows would give: they should be estimated anew if there are any (Izmailov et al. 2018, arXiv 1803.05407,
    section 3.2). Counts as `num_batches_tracked` are integers.

    Args:
        states: names -> tensors, the same names and shapes in each.

    >>> averaged([{"w": torch.tensor([1.0, 2.0])}, {"w": torch.tensor([3.0, 4.0])}])["w"].tolist()
    [2.0, 3.0]
    """
    return {name: _mean([state[name] for state in states]) for name in states[0]}


def _mean(values: Sequence[Tensor]) -> Tensor:
    first = values[0]
    if not first.is_floating_point():
        return first.clone()
    return torch.stack([value.double() for value in values]).mean(dim=0).to(first.dtype)


def has_statistics(state: State) -> bool:
    """Whether there are statistics that should be estimated anew."""
    return any(name.rpartition(".")[2] == STATISTICS for name in state)


def differences(one: State, other: State) -> list[str]:
    """What keeps two states from being averaged: names, and shapes.

    >>> differences({"w": torch.zeros(2), "b": torch.zeros(1)}, {"w": torch.zeros(3)})
    ['b: in the first alone', 'w: shape (2,) and (3,)']
    """
    found = [f"{name}: in the first alone" for name in one if name not in other]
    found += [f"{name}: in the second alone" for name in other if name not in one]
    shapes = [(name, tuple(one[name].shape), tuple(other[name].shape)) for name in one if name in other]
    return found + [f"{name}: shape {a} and {b}" for name, a, b in shapes if a != b]
