"""What encoders give and models take."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Features:
    """Sequences of B utterances, padded; masks are True on what is real. Either modality may be None."""

    speech: Tensor | None  # (B, layers, frames, Ds)
    speech_mask: Tensor | None  # bool (B, frames)
    text: Tensor | None  # (B, tokens, Dt)
    text_mask: Tensor | None  # bool (B, tokens)
