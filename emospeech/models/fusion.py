"""From two sequences to one."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class SequenceFusion(nn.Module):
    """Speech frames and text tokens end to end along time. A modality that is absent is simply not there.

    Where the widths differ, the narrower one is projected to the wider.
    """

    def __init__(self, speech_width: int | None, text_width: int | None) -> None:
        super().__init__()
        widths = [width for width in (speech_width, text_width) if width is not None]
        self.width = max(widths)
        self.speech = _to_width(speech_width, self.width)
        self.text = _to_width(text_width, self.width)

    def forward(
        self, speech: Tensor | None, speech_mask: Tensor | None, text: Tensor | None, text_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """speech (B, frames, Ds), text (B, tokens, Dt), with masks -> (B, frames + tokens, D), mask."""
        parts = [
            (project(x), mask)
            for project, x, mask in ((self.speech, speech, speech_mask), (self.text, text, text_mask))
            if x is not None and mask is not None
        ]
        return torch.cat([x for x, _ in parts], dim=1), torch.cat([mask for _, mask in parts], dim=1)


def _to_width(own: int | None, width: int) -> nn.Module:
    return nn.Identity() if own in (None, width) else nn.Linear(int(own or 0), width)


FUSIONS: dict[str, Callable[..., nn.Module]] = {"sequence": SequenceFusion}
