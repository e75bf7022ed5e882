"""Which hidden states of a transformer a recipe asks for, and how they are taken out of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.runtime.errors import UserError

Layers = str | int | Sequence[int]
ALL = "all"  # for code, not for recipes: the hidden states 0 to n, then the output


def layer_numbers(layers: Layers, count: int, name: str) -> tuple[int, ...] | None:
    """A recipe's `speech.layers` as numbers of hidden states; None for the model's own output.

    0 is what the first layer takes in, n is what layer n gives, raw: before a LayerNorm that may follow the last one.

    Args:
        layers: "last" (the output, with that LayerNorm), "weighted" (all layers), a number, or several; or `ALL`,
            whose output has no number.
        count: layers that the model has.
        name: of the checkpoint, for the message.

    Raises:
        UserError: if there is no such layer.

    >>> layer_numbers("weighted", 3, "tiny")
    (1, 2, 3)
    """
    if layers == "last":
        return None
    if layers == "weighted":
        return tuple(range(1, count + 1))
    if layers == ALL:
        return tuple(range(count + 1))
    numbers = (layers,) if isinstance(layers, int) else tuple(int(number) for number in layers)
    absent = [number for number in numbers if not 0 <= number <= count]
    if absent:
        asked = f"layer {absent[0]}" if len(absent) == 1 else f"layers {', '.join(map(str, absent))}"
        raise UserError(f"speech.layers: asks for {asked}; {name} has {count} (0 to {count})")
    return numbers


class HiddenStates:
    """A transformer, run for the hidden states asked for.

    They are taken where they arise: transformers' own `hidden_states` end, by family and version, before or after the
    last LayerNorm. Layers above the highest one asked for are removed from the model, as nothing would use them.

    Args:
        encoder: a module of transformers with its blocks in `layers`, each with the hidden states as its first
            argument and its first or only result.
        layers: see `layer_numbers`.
        name: of the checkpoint.

    Raises:
        UserError: if there is no such layer.
    """

    def __init__(self, encoder: Any, layers: Layers, name: str) -> None:
        self.encoder = encoder
        self.numbers = layer_numbers(layers, len(encoder.layers), name)
        there = len(encoder.layers)
        if self.numbers is not None:
            del encoder.layers[max(*self.numbers, 1) :]
        self.cut = len(encoder.layers) < there
        self.output_too = layers == ALL
        self.depth = 1 if self.numbers is None else len(self.numbers) + self.output_too

    def __call__(self, inputs: Tensor, **options: Any) -> Tensor:
        """What the encoder takes in -> (B, depth, frames, width), in the order asked for."""
        if self.numbers is None:
            output: Tensor = self.encoder(inputs, **options).last_hidden_state
            return output[:, None]
        with _recorded(self.encoder.layers, self.numbers) as states:
            output = self.encoder(inputs, **options).last_hidden_state
        taken = [states[number] for number in self.numbers]
        return torch.stack([*taken, output] if self.output_too else taken, dim=1)


@contextmanager
def _recorded(layers: nn.ModuleList, numbers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """Within it, hidden states gather under their numbers; each is (B, frames, width)."""
    states: dict[int, Tensor] = {}

    def before(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        states[0] = inputs[0]

    def after(number: int) -> Any:
        def keep(_: nn.Module, __: Any, output: Any) -> None:
            states[number] = output[0] if isinstance(output, tuple) else output

        return keep

    handles = [layers[number - 1].register_forward_hook(after(number)) for number in numbers if number > 0]
    if 0 in numbers:
        handles.append(layers[0].register_forward_pre_hook(before))
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()
