"""SpecAugment on what a pre-trained transformer takes in, as its checkpoint was trained with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from emospeech.encoders.masks import SeededMasks


class Masking(SeededMasks):
    """In training, spans of time, and of width, are hidden from the transformer.

    So many spans that they would cover the given share of an utterance if they did not overlap, rounded up as often as
    the rest says.

    Source: Baevski et al. 2020 (wav2vec 2.0, arXiv 2006.11477), section 3.1 and appendix A; Park et al. 2019
    (SpecAugment, arXiv 1904.08779).
    """

    def __init__(self, time: tuple[float, int, int], width: tuple[float, int, int]) -> None:
        """Share, length of a span in steps, and the fewest spans, along time and along the width."""
        super().__init__()
        self.time, self.width = time, width

    def forward(
        self, inputs: Tensor, lengths: Sequence[int], rows: Sequence[int], fill: Tensor | None = None
    ) -> Tensor:
        """inputs (R, time, width), padded at the end, and the true lengths -> the same shape.

        Args:
            rows: of the batch, that the inputs are, or are windows of.
            fill: (width,), the vector that stands in hidden places of time; None: zeros. It takes part in the graph
                whether or not a span was drawn.
        """
        if not self.training:
            return inputs
        if self.time[0]:
            hidden = self._spans(rows, lengths, inputs.shape[1], self.time).to(inputs.device)
            blank = inputs.new_zeros(()) if fill is None else fill.to(inputs.dtype)
            inputs = torch.where(hidden[..., None], blank, inputs)
        if self.width[0]:
            width = inputs.shape[2]
            hidden = self._spans(rows, [width] * len(inputs), width, self.width).to(inputs.device)
            inputs = inputs.masked_fill(hidden[:, None], 0.0)
        return inputs

    @torch.compiler.disable  # it would compile anew for each batch's generators
    def _spans(self, rows: Sequence[int], lengths: Sequence[int], size: int, wish: tuple[float, int, int]) -> Tensor:
        return spans(self.generators(rows), lengths, size, *wish)


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


def spans(
    generators: Sequence[torch.Generator], lengths: Sequence[int], size: int, share: float, span: int, fewest: int
) -> Tensor:
    """True inside random spans of so many steps, whose starts differ; rows shorter than a span have none.

    Args:
        generators: of each row, what it is drawn from.
        lengths: steps that each row has.
        size: steps that the longest row has.
        share: of a row, that its spans would cover if they did not overlap.
        fewest: spans of a row, where it has the room.

    Returns:
        bool (rows, size).
    """
    hidden = torch.zeros(len(lengths), size, dtype=torch.bool)
    for row, (generator, length) in enumerate(zip(generators, lengths, strict=True)):
        rounding = torch.rand((), generator=generator).item()
        wanted = max(int(share * length / span + rounding), fewest)
        room = max(length - span + 1, 0)  # starts
        starts = torch.randperm(room, generator=generator)[: min(wanted, length // span)]
        hidden[row, (starts[:, None] + torch.arange(span)).flatten()] = True
    return hidden
