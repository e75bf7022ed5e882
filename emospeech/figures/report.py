"""Figures of a run's report. Nothing is told by colour alone: bars have patterns and numbers, lines have dashes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain

Ends = tuple[float, float] | None  # of an interval
MEASURES = (("precision", PALETTE[4], "//"), ("recall", PALETTE[1], ""), ("F1", PALETTE[2], ".."))


def class_bars(names: Sequence[str], values: Sequence[Sequence[float]], ends: Sequence[Sequence[Ends]]) -> Any:
    """Precision, recall and F1 of each class, as bars with their intervals.

    Args:
        values: of each class the three.
        ends: of each class those of the three.
    """
    figure, axes = blank(5, 1.2 + 0.62 * len(names))
    for number, (measure, colour, hatch) in enumerate(MEASURES):
        at = np.arange(len(names)) + 0.27 * (number - 1)
        lengths = np.array([own[number] for own in values])
        axes.barh(
            at, lengths, 0.25, color=colour, hatch=hatch, edgecolor="black", linewidth=0.5, label=measure, alpha=0.9
        )
        for place, length, pair in zip(at, lengths, [own[number] for own in ends], strict=True):
            right = length if pair is None else pair[1]
            if pair is not None:
                axes.plot(pair, [place, place], color="black", linewidth=1)
            axes.text(right + 0.015, place, f"{length:.2f}", va="center", fontsize="x-small")
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.12), xlabel="score, with its 95 % interval")
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, fontsize="small")
    return figure


def group_dots(
    names: Sequence[str], accuracy: Sequence[float], ends: Sequence[tuple[float, float]], counts: Sequence[int],
    small: Sequence[bool], whole: float,
) -> Any:  # fmt: skip
    """Accuracy of groups with its interval, a row each; small groups hollow; that of all clips as a dashed line.

    Args:
        ends: of the intervals.
        counts: clips of each group.
        whole: accuracy of all clips.
    """
    figure, axes = blank(5, 1.1 + 0.26 * len(names))
    for row, (value, (low, high), few) in enumerate(zip(accuracy, ends, small, strict=True)):
        axes.plot([low, high], [row, row], color="black", linewidth=1)
        face = "white" if few else PALETTE[0]
        axes.plot([value], [row], "o", markersize=6, markerfacecolor=face, markeredgecolor=PALETTE[0])
    axes.axvline(whole, color="black", linestyle="--", linewidth=1)
    axes.text(whole, -0.75, f"all clips {whole:.2f}", ha="center", va="bottom", fontsize="small")
    rows = [f"{plain(name)}  ({count})" for name, count in zip(names, counts, strict=True)]
    axes.set_yticks(range(len(names)), rows, fontsize="small")
    axes.set(xlim=(0, 1), ylim=(len(names) - 0.5, -0.75), xlabel="accuracy, with its 95 % interval")
    return figure


def layer_bars(names: Sequence[str], weights: Sequence[float]) -> Any:
    """Learned weights of an encoder's layers; dotted: where each began."""
    figure, axes = blank(5, 3)
    axes.bar(range(len(names)), weights, color=PALETTE[0], edgecolor="black", linewidth=0.5)
    axes.axhline(1 / len(names), color="black", linestyle=":", linewidth=1)
    axes.axhline(0, color="black", linewidth=0.5)
    step = max(len(names) // 12, 1)
    shown = range(0, len(names), step)
    axes.set_xticks(list(shown), [plain(names[k].removeprefix("layer ")) for k in shown])
    axes.set(xlabel="layer", ylabel="weight, not normalised")
    return figure
