"""SpecAugment on what a pre-trained transformer takes in, as its checkpoint was trained with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Masking(nn.Module):
    """In training, spans of time, and of width, are hidden from the transformer.

    So many spans that they would cover the given share of an utterance if they did not overlap, rounded up as often as
    the rest says. Draws come from torch's generator on the CPU.

    Source: Baevski et al. 2020 (wav2vec 2.0, arXiv 2006.11477), section 3.1 and appendix A; Park et al. 2019
    (SpecAugment, arXiv 1904.08779).
    """

    def __init__(self, time: tuple[float, int, int], width: tuple[float, int, int]) -> None:
        """Share, length of a span in steps, and the fewest spans, along time and along the width."""
        super().__init__()
        self.time, self.width = time, width

    def forward(self, inputs: Tensor, lengths: Sequence[int], fill: Tensor | None = None) -> Tensor:
        """inputs (B, time, width), padded at the end, and the true lengths -> the same shape.

        `fill` (width,): the vector that stands in hidden places of time; None: zeros. It takes part in the graph
        whether or not a span was drawn.
        """
        if not self.training:
            return inputs
        if self.time[0]:
            hidden = spans(lengths, inputs.shape[1], *self.time).to(inputs.device)
            blank = inputs.new_zeros(()) if fill is None else fill.to(inputs.dtype)
            inputs = torch.where(hidden[..., None], blank, inputs)
        if self.width[0]:
            hidden = spans([inputs.shape[2]] * len(inputs), inputs.shape[2], *self.width).to(inputs.device)
            inputs = inputs.masked_fill(hidden[:, None], 0.0)
        return inputs


def masking_of(config: Any) -> Masking | None:
    """What a config of transformers asks for; None: nothing."""
    if not getattr(config, "apply_spec_augment", False):
        return None
    time, width = (
        (
            getattr(config, f"mask_{axis}_prob"),
            getattr(config, f"mask_{axis}_length"),
            getattr(config, f"mask_{axis}_min_masks", 0),  # WavLM's has none for the width
        )
        for axis in ("time", "feature")
    )
    return Masking(time, width) if time[0] or width[0] else None


def spans(lengths: Sequence[int], size: int, share: float, span: int, fewest: int) -> Tensor:
    """True inside random spans of so many steps, whose starts differ; rows shorter than a span have none.

    Args:
        lengths: steps that each row has.
        size: steps that the longest row has.
        share: of a row, that its spans would cover if they did not overlap.
        fewest: spans of a row, where it has the room.

    Returns:
        bool (rows, size).
    """
    hidden = torch.zeros(len(lengths), size, dtype=torch.bool)
    rounding = torch.rand(len(lengths)).tolist()
    for row, length in enumerate(lengths):
        wanted = max(int(share * length / span + rounding[row]), fewest)
        room = max(length - span + 1, 0)  # starts
        starts = torch.randperm(room)[: min(wanted, length // span)]
        hidden[row, (starts[:, None] + torch.arange(span)).flatten()] = True
    return hidden
