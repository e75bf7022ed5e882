"""Masks that training lays on what an encoder hears: each utterance's from a generator of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn


class SeededMasks(nn.Module):
    """A module that draws masks, for each row of a batch by that row's seed; `drawn_by` gives the seeds.

    So a row's masks do not depend on the rows beside it, nor on the process. Generators are on the CPU: a GPU's give
    other numbers.
    """

    def __init__(self) -> None:
        super().__init__()
        self._generators: Sequence[torch.Generator] | None = None

    def generators(self, rows: int | Sequence[int]) -> list[torch.Generator]:
        """Those of so many rows, or of these of the batch. A row heard in several windows goes on with its own.

        Raises:
            RuntimeError: outside of `drawn_by`: masks from a generator that all share would not be the row's own.
        """
        if self._generators is None:
            raise RuntimeError("masks are drawn by the seeds of a batch's rows, and none were given")
        return [self._generators[row] for row in (range(rows) if isinstance(rows, int) else rows)]


@contextmanager
def drawn_by(seeds: Sequence[int] | None, encoder: nn.Module) -> Iterator[None]:
    """Within it, an encoder's masks are drawn by these seeds, one for each row of the batch; None: there are none."""
    masks = [] if seeds is None else [module for module in encoder.modules() if isinstance(module, SeededMasks)]
    for module in masks:
        module._generators = [torch.Generator().manual_seed(seed) for seed in seeds or ()]
    try:
        yield
    finally:
        for module in masks:
            module._generators = None
