"""Arrays in, matplotlib figure out. Colours that colour-blind readers can tell apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.metrics.scores import Scores
from emospeech.runtime.files import replacing

# Okabe and Ito's colours, apart for every kind of colour blindness
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")


def confusion(scores: Scores, title: str | None = None) -> Any:
    """Row: truth, column: prediction; counts as numbers, share of the row as shade."""
    figure, axes = blank(1 + 0.8 * len(scores.labels), 0.8 + 0.7 * len(scores.labels))
    counts = np.array(scores.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        shade = "black" if shares[row, column] > 0.6 else "white"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=shade)
    names = [plain(label) for label in scores.labels]
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set_yticks(range(len(names)), names)
    title = title or f"macro-F1 {scores.macro_f1:.3f}, {scores.count} clips"
    axes.set(xlabel="prediction", ylabel="truth", title=plain(title))
    return figure


def learning_curves(history: Sequence[Mapping[str, float]]) -> Any:
    """Training loss and dev macro-F1 over optimiser steps."""
    figure, axes = blank(6, 4)
    steps = [entry["step"] for entry in history]
    axes.plot(steps, [entry["train_loss"] for entry in history], "--", color="#E69F00", label="training loss")
    axes.set(xlabel="optimiser step", ylabel="loss")
    right = axes.twinx()
    right.plot(steps, [entry["dev_macro_f1"] for entry in history], color="#0072B2", label="dev macro-F1")
    right.set(ylabel="macro-F1", ylim=(0, 1))
    figure.legend(loc="upper center", ncols=2)
    return figure


def corpus(counts: Mapping[str, Mapping[str, int]], seconds: Mapping[str, Sequence[float]]) -> Any:
    """Left: clips of each class, a bar a part; right: how long the clips of each part are.

    Args:
        counts: part (such as train) -> label -> clips.
        seconds: part -> durations, none where they are not known.
    """
    labels = list(dict.fromkeys(label for part in counts.values() for label in part))
    figure, (classes, lengths) = blank(12, 4, columns=2)
    width = 0.8 / len(counts)
    for number, (name, part) in enumerate(counts.items()):
        colour, at = PALETTE[number % len(PALETTE)], np.arange(len(labels)) + width * (number - (len(counts) - 1) / 2)
        classes.bar(at, [part.get(label, 0) for label in labels], width, color=colour, label=plain(name))
    classes.set_xticks(range(len(labels)), [plain(label) for label in labels], rotation=30)
    classes.set(ylabel="clips")
    classes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)
    known = {name: values for name, values in seconds.items() if len(values)}
    edges = np.histogram_bin_edges(np.concatenate(list(known.values())), bins=30) if known else None
    for name, values in known.items():
        colour = PALETTE[list(seconds).index(name) % len(PALETTE)]
        lengths.hist(values, bins=edges, histtype="step", linewidth=1.5, color=colour, label=plain(name))
    lengths.set(xlabel="duration (s)", ylabel="clips", title="" if known else "no duration is known")
    return figure


def save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=150, bbox_inches="tight")


def plain(name: str) -> str:
    """A label is no formula."""
    return name.replace("$", r"\$")


def blank(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Any, Any]:
    """A figure, its size in inches, and its axes."""
    # without pyplot: no display, no global list of open figures
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.subplots(rows, columns)
