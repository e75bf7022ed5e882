"""Colour maps: what a value in [0, 1] looks like."""

from functools import cache

import torch
from torch import Tensor

from emospeech.runtime.errors import UserError

COLOURS = 256  # of a table
GREY = "grey"  # the only name here that is not matplotlib's
TOLD = (GREY, "viridis", "magma", "plasma", "inferno", "cividis", "jet")  # the first that an error names


def table(name: str) -> Tensor:
    """float32 (COLOURS, 3), red, green and blue in [0, 1], from the lowest value to the highest.

    >>> table("grey")[[0, -1]].tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]

    Raises:
        UserError: if matplotlib has no such colour map.
    """
    return torch.tensor(_table(name), dtype=torch.float32)


@cache
def _table(name: str) -> list[list[float]]:
    """Plain numbers, which a module that is built on any device can take."""
    import matplotlib

    if name not in matplotlib.colormaps and name != GREY:
        more = len(set(matplotlib.colormaps) - set(TOLD))
        raise UserError(f"unknown colours {name!r}; known: {', '.join(TOLD)}, and matplotlib's other {more} by name")
    colours = matplotlib.colormaps["gray" if name == GREY else name].resampled(COLOURS)
    found: list[list[float]] = colours(range(COLOURS))[:, :3].tolist()
    return found
