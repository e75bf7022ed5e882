"""Figures of a search."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain


@dataclass(frozen=True)
class Slice:
    """One key, and its value in each trial; None where a trial does not change it."""

    name: str
    values: Sequence[Any]
    numbers: bool = False  # else kinds of values
    log: bool = False


def search(scores: Sequence[float], base: float | None, slices: Sequence[Slice]) -> Any:
    """Left: macro-F1 of each trial in the order of trying, with the best so far; then a panel a key: its values.

    Args:
        scores: (trials,).
        base: of the recipe as it is, a dashed line.
    """
    figure, axes = blank(4 + 3 * len(slices), 3.2, columns=1 + len(slices))
    panels = np.atleast_1d(axes)
    first = panels[0]
    order = np.arange(1, len(scores) + 1)
    first.scatter(order, scores, s=14, color=PALETTE[0])
    if len(scores):
        first.step(order, np.maximum.accumulate(scores), where="post", color=PALETTE[1], label="best so far")
    first.set(xlabel="trial", ylabel="macro-F1")
    for panel, one in zip(panels[1:], slices, strict=True):
        _values(panel, one, scores)
        panel.set(xlabel=plain(one.name))
    for panel in panels:
        if base is not None:
            panel.axhline(base, color="black", linestyle="--", linewidth=1, label="as it is")
    first.legend(frameon=False)
    return figure


def _values(panel: Any, one: Slice, scores: Sequence[float]) -> None:
    if one.numbers:
        panel.scatter(one.values, scores, s=14, color=PALETTE[0])
        if one.log:
            panel.set_xscale("log")
        return
    kinds = list(dict.fromkeys(map(str, one.values)))
    panel.scatter([kinds.index(str(value)) for value in one.values], scores, s=14, color=PALETTE[0])
    panel.set_xticks(range(len(kinds)), [plain(_cut(name)) for name in kinds], rotation=30, ha="right")


def _cut(name: str, most: int = 24) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"
