"""An encoder of which some trains: what follows the network's mode, what is saved of it, what a loss reaches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Tuned:
    """Which parts of an encoder follow the network into training mode; all else stays in eval mode."""

    awake: Sequence[nn.Module]
    still: Sequence[nn.Module] = ()  # parts of those that do not

    def set_mode(self, encoder: nn.Module, training: bool) -> None:
        encoder.eval()
        for part in self.awake:
            part.train(training)
        for part in self.still:
            part.eval()


def untrained(encoder: nn.Module) -> set[str]:
    """The names in an encoder's state that training leaves as they were: frozen parameters, and the buffers of
    modules without a parameter of their own that trains."""
    fixed = {
        name for name, parameter in encoder.named_parameters(remove_duplicate=False) if not parameter.requires_grad
    }
    for prefix, module in encoder.named_modules():
        if not any(parameter.requires_grad for parameter in module.parameters(recurse=False)):
            fixed |= {f"{prefix}.{name}" if prefix else name for name, _ in module.named_buffers(recurse=False)}
    return fixed


def keep_to_what_is_reached(encoder: nn.Module, *inputs: Tensor) -> None:
    """Freeze each parameter from which no path leads to what the encoder gives of `inputs`.

    Such there are in most checkpoints: a pooler, a last LayerNorm where states are taken before it. Processes that
    share a training would wait for their gradients for ever.
    """
    with torch.enable_grad():
        states, _ = encoder.eval()(*inputs)
    found = _leaves(states)
    for parameter in encoder.parameters():
        if id(parameter) not in found:
            parameter.requires_grad_(False)


def _leaves(output: Tensor) -> set[int]:
    """The ids of all parameters in the graph of a tensor."""
    found, seen, ahead = set(), set(), [output.grad_fn]
    while ahead:
        node: Any = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        ahead += [before for before, _ in node.next_functions]
    return found
