"""Arrays in, matplotlib figure out. Colours that colour-blind readers can tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.metrics.scores import Scores
from emospeech.runtime.files import replacing


def confusion(scores: Scores) -> Any:
    """Row: truth, column: prediction; counts as numbers, share of the row as shade."""
    figure, axes = _new(1 + 0.8 * len(scores.labels), 0.8 + 0.7 * len(scores.labels))
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        shade = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
    names = [label.replace("$", r"\$") for label in scores.labels]  # a label is no formula
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="prediction", ylabel="truth", title=f"macro-F1 {scores.macro_f1:.3f}, {scores.count} clips")
    return figure


def learning_curves(history: Sequence[Mapping[str, float]]) -> Any:
    """Training loss and dev macro-F1 over optimiser steps."""
    figure, axes = _new(6, 4)
    steps = [entry["step"] for entry in history]
    axes.plot(steps, [entry["train_loss"] for entry in history], color="#E69F00", label="training loss")
    axes.set(xlabel="optimiser step", ylabel="loss")
    right = axes.twinx()
    right.plot(steps, [entry["dev_macro_f1"] for entry in history], color="#0072B2", label="dev macro-F1")
    right.set(ylabel="macro-F1", ylim=(0, 1))
    figure.legend(loc="upper center", ncols=2)
    return figure


def save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")


def _new(width: float, height: float) -> tuple[Any, Any]:
    # without pyplot: no display, no global list of open figures
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()
