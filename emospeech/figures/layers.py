"""Figures of what the layers of encoders tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.figures import PALETTE, blank, plain


@dataclass(frozen=True)
class Curve:
    """Scores of the layers of an encoder."""

    layers: Sequence[int]
    means: Sequence[float]  # macro-F1 of each layer
    spreads: Sequence[float]  # standard deviation of each


def layer_curves(curves: Mapping[str, Curve], chance: float, title: str) -> Any:
    """A panel an encoder: mean macro-F1 by layer, its spread as a band, chance dotted; all on one scale."""
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    figure, panels = blank(4 * columns, 0.4 + 2.8 * rows, columns, rows)
    panels = np.atleast_1d(panels).ravel()
    tops = [mean + spread for one in curves.values() for mean, spread in zip(one.means, one.spreads, strict=True)]
    for axes, (name, one) in zip(panels, curves.items(), strict=False):
        means, spreads = np.asarray(one.means), np.asarray(one.spreads)
        axes.fill_between(one.layers, means - spreads, means + spreads, color=PALETTE[0], alpha=0.2, linewidth=0)
        axes.plot(one.layers, means, color=PALETTE[0], marker=".")
        axes.axhline(chance, color="black", linestyle=":", linewidth=1)
        axes.set(title=plain(name), xlabel="layer", ylabel="macro-F1", ylim=(0, min(1.0, max(tops) + 0.05)))
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in panels[len(curves) :]:
        axes.set_visible(False)
    figure.suptitle(plain(title))
    figure.tight_layout()
    return figure


def layer_map(scores: Mapping[str, Mapping[int, float]], chosen: Mapping[str, int], title: str) -> Any:
    """Row: encoder, column: layer, shade: macro-F1, blank where an encoder has no such layer; a ring at one layer each.

    Args:
        scores: encoder -> layer -> score.
        chosen: encoder -> the layer with the ring.
    """
    layers = sorted({layer for one in scores.values() for layer in one})
    values = np.array([[one.get(layer, np.nan) for layer in layers] for one in scores.values()])
    figure, axes = blank(2.5 + 0.42 * len(layers), 1.4 + 0.42 * len(scores))
    image = axes.imshow(np.ma.masked_invalid(values), cmap="cividis", aspect="auto")
    at = [layers.index(chosen[name]) for name in scores]
    axes.plot(at, range(len(scores)), "o", markersize=12, fillstyle="none", color="#D55E00", markeredgewidth=2)
    axes.set_xticks(range(len(layers)), [str(layer) for layer in layers])
    axes.set_yticks(range(len(scores)), [plain(name) for name in scores])
    axes.set(xlabel="layer", title=plain(title))
    figure.colorbar(image, label="macro-F1")
    return figure
