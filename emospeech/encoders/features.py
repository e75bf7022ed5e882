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

    def to(self, device: Any) -> "Features":
        def move(tensor: Any) -> Any:
            return None if tensor is None else tensor.to(device)

        return Features(move(self.speech), move(self.speech_mask), move(self.text), move(self.text_mask))
