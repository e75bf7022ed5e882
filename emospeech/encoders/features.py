"""What encoders give and models take."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emospeech.encoders.store.packed import Packed


@dataclass(frozen=True)
class PackedStates:
    """Frozen hidden states of B utterances as a store keeps them, not yet padded or converted."""

    utterances: tuple[Packed, ...]  # states (layers, frames, width) each; layers and width are the same for all

    @property
    def layers(self) -> int:
        return int(self.utterances[0].values.shape[0])

    def mask(self) -> Tensor:
        """bool (B, longest): True on an utterance's own frames."""
        lengths = torch.tensor([one.frames for one in self.utterances])
        return (torch.arange(int(lengths.max())) < lengths[:, None]).to(self.utterances[0].values.device)

    def to(self, device: torch.device | str) -> "PackedStates":
        return PackedStates(tuple(one.to(device) for one in self.utterances))

    def pinned(self) -> "PackedStates":
        """In memory that a GPU can copy by itself, each utterance in one piece; what is on a GPU as it is."""
        return PackedStates(tuple(one if one.values.is_cuda else one.pinned() for one in self.utterances))

    def padded(self) -> Tensor:
        """float32 (B, layers, longest, width), zeros behind an utterance's own frames."""
        states = [one.states().transpose(0, 1) for one in self.utterances]
        return torch.nn.utils.rnn.pad_sequence(states, batch_first=True).transpose(1, 2)


@dataclass(frozen=True)
class Features:
    """Sequences of B utterances, padded; masks are True on what is real. Either modality may be None."""

    speech: Tensor | PackedStates | None  # (B, layers, frames, Ds)
    speech_mask: Tensor | None  # bool (B, frames)
    text: Tensor | PackedStates | None  # (B, tokens, Dt); packed: of one layer
    text_mask: Tensor | None  # bool (B, tokens)

    def part(self, rows: slice) -> "Features":
        """Those of some utterances."""
        return Features(*_part(self.speech, self.speech_mask, rows), *_part(self.text, self.text_mask, rows))

    def pinned(self) -> "Features":
        """Packed states in memory that a GPU can copy by itself."""

        def pin(states: Any) -> Any:
            return states.pinned() if isinstance(states, PackedStates) else states

        return Features(pin(self.speech), self.speech_mask, pin(self.text), self.text_mask)

    def to(self, device: Any) -> "Features":
        def move(tensor: Any) -> Any:
            return None if tensor is None else tensor.to(device)

        return Features(move(self.speech), move(self.speech_mask), move(self.text), move(self.text_mask))


def _part(states: Any, mask: Tensor | None, rows: slice) -> tuple[Any, Tensor | None]:
    if states is None or mask is None:
        return None, None
    if not isinstance(states, PackedStates):
        return states[rows], mask[rows]
    some = PackedStates(states.utterances[rows])
    longest = max(one.frames for one in some.utterances)
    return some, mask[rows, :longest]
