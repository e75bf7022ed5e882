"""What encoders give and models take."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emospeech.encoders.store.packed import Packed


@dataclass(frozen=True)
class PackedStates:
    """States of B utterances as a store keeps them, unpadded."""

    utterances: tuple[Packed, ...]

    def mask(self) -> Tensor:
        """bool (B, longest): True on what is real."""
        lengths = torch.tensor([packed.frames for packed in self.utterances])
        return torch.arange(int(lengths.max())) < lengths[:, None]

    def to(self, device: Any) -> "PackedStates":
        return PackedStates(tuple(packed.to(device) for packed in self.utterances))


@dataclass(frozen=True)
class Features:
    """Sequences of B utterances, padded; masks are True on what is real. Either modality may be None."""

    speech: Tensor | PackedStates | None  # (B, layers, frames, Ds)
    speech_mask: Tensor | None  # bool (B, frames)
    text: Tensor | PackedStates | None  # (B, tokens, Dt)
    text_mask: Tensor | None  # bool (B, tokens)

    def to(self, device: Any) -> "Features":
        def move(tensor: Any) -> Any:
            return None if tensor is None else tensor.to(device)

        return Features(move(self.speech), move(self.speech_mask), move(self.text), move(self.text_mask))
