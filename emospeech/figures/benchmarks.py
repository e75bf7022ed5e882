"""Figures of systems that are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain

MARKERS = "Dsv^P*X"  # of published values, by heading


@dataclass(frozen=True)
class Bar:
    """One system."""

    name: str
    score: float
    low: float  # of its interval
    high: float
    folds: Sequence[float]  # its score on each
    published: Mapping[str, float] = field(default_factory=dict)  # heading -> score


def systems(bars: Sequence[Bar], chance: float, title: str) -> Any:
    """A bar a system with its interval, folds as dots, what others report as markers, chance as a line."""
    figure, axes = blank(8, 1.4 + 0.34 * len(bars))
    at = np.arange(len(bars))
    scores, low, high = (np.array([getattr(bar, name) for bar in bars]) for name in ("score", "low", "high"))
    # a mean over seeds may lie outside an interval that was drawn for it, by a hair
    errors = np.maximum([scores - low, high - scores], 0)
    axes.barh(at, scores, height=0.62, xerr=errors, color=PALETTE[4], ecolor="black", capsize=2)
    for k, bar in enumerate(bars):
        if len(bar.folds) > 1:
            spread = k + np.linspace(-0.2, 0.2, len(bar.folds))
            axes.scatter(bar.folds, spread, s=8, color=PALETTE[0], alpha=0.7, zorder=3)
    for number, heading in enumerate(dict.fromkeys(name for bar in bars for name in bar.published)):
        rows = [k for k, bar in enumerate(bars) if heading in bar.published]
        marker, colour = MARKERS[number % len(MARKERS)], PALETTE[(5, 3, 2, 1)[number % 4]]
        values = [bars[k].published[heading] for k in rows]
        axes.scatter(values, rows, marker=marker, s=36, color=colour, edgecolor="black", zorder=4, label=plain(heading))
    axes.axvline(chance, color="black", linestyle="--", linewidth=1, label=f"chance {chance:.3f}")
    axes.set_yticks(at, [plain(bar.name) for bar in bars])
    axes.invert_yaxis()
    axes.set(xlabel="macro-F1 (dots: folds)", xlim=(0, 1), title=plain(title))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return figure


def by_fold(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, title: str) -> Any:
    """Systems down, folds (such as speakers) across, macro-F1 as shade and number.

    Args:
        values: (rows, columns); NaN where there is none.
    """
    figure, axes = blank(2 + 0.5 * len(columns), 1.2 + 0.34 * len(rows))
    _shaded(axes, values, small=True)
    axes.set_xticks(range(len(columns)), [plain(name) for name in columns], rotation=90)
    axes.set_yticks(range(len(rows)), [plain(name) for name in rows])
    axes.set(title=plain(title))
    return figure


def across(
    trained: Sequence[str], tested: Sequence[str], values: np.ndarray, chance: Sequence[float], title: str
) -> Any:
    """Corpora that train down, those that are tested across; chance below. Framed: within a corpus, the ceiling.

    Args:
        values: macro-F1 (trained, tested); NaN where there is none.
        chance: of each tested corpus (tested,).
    """
    figure, axes = blank(2.5 + 1.1 * len(tested), 1.8 + 0.6 * len(trained))
    _shaded(axes, np.vstack([values, np.asarray(chance)[None]]))
    for row, column in np.ndindex(values.shape):
        if trained[row] == tested[column]:
            frame = {"fill": False, "edgecolor": PALETTE[5], "linewidth": 2.5}
            axes.add_patch(_rectangle(column - 0.5, row - 0.5, **frame))
    axes.axhline(len(trained) - 0.5, color="white", linewidth=4)
    axes.set_xticks(range(len(tested)), [plain(name) for name in tested], rotation=30)
    axes.set_yticks(range(len(trained) + 1), [*(plain(name) for name in trained), "chance"])
    axes.set(xlabel="tested on", ylabel="trained on", title=plain(title))
    return figure


def _shaded(axes: Any, values: np.ndarray, small: bool = False) -> None:
    """Macro-F1 from 0 to 1 as shade, with its number; blank where there is none."""
    axes.imshow(np.ma.masked_invalid(values), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            shade = "black" if value > 0.6 else "white"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=shade, fontsize=7 if small else 10)


def _rectangle(left: float, bottom: float, **style: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, bottom), 1, 1, **style)
