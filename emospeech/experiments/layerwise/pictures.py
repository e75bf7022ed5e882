"""The figures of a layer-wise benchmark: its scores as arrays, drawn and kept."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emospeech.experiments.layerwise.scores import Probed, commonest


def draw(by_encoder: Mapping[str, Sequence[Probed]], title: str, stem: Path) -> None:
    """The curves and the map of one probe under one protocol, as <stem>_curves.png and <stem>_map.png.

    Args:
        by_encoder: encoder -> its corpora.
    """
    from emospeech import figures

    for what, make in {"curves": _curves, "map": _map}.items():
        figures.save(make(by_encoder, title), stem.with_name(f"{stem.name}_{what}.png"))


def _mean(corpora: Sequence[Probed], layer: int) -> float:
    return statistics.fmean(one.layers[layer].pooled.macro_f1 for one in corpora)


def _curves(by_encoder: Mapping[str, Sequence[Probed]], title: str) -> Any:
    """Mean macro-F1 by layer with its spread: over corpora, or where there is one, over its folds."""
    from emospeech.figures import layers

    def curve(corpora: Sequence[Probed]) -> Any:
        numbers = tuple(corpora[0].layers)
        return layers.Curve(numbers, [_mean(corpora, n) for n in numbers], [_spread(corpora, n) for n in numbers])

    first = next(iter(by_encoder.values()))
    over = f"{len(first)} corpora" if len(first) > 1 else f"the folds of {first[0].corpus}"
    chance = statistics.fmean(one.chance for one in first)
    curves = {encoder: curve(corpora) for encoder, corpora in by_encoder.items()}
    return layers.layer_curves(curves, chance, f"{title}; band: standard deviation over {over}")


def _spread(corpora: Sequence[Probed], layer: int) -> float:
    if len(corpora) == 1:
        return corpora[0].layers[layer].over_folds[1]
    return statistics.stdev(one.layers[layer].pooled.macro_f1 for one in corpora)


def _map(by_encoder: Mapping[str, Sequence[Probed]], title: str) -> Any:
    from emospeech.figures import layers

    scores = {
        encoder: {layer: _mean(corpora, layer) for layer in corpora[0].layers}
        for encoder, corpora in by_encoder.items()
    }
    return layers.layer_map(scores, {encoder: commonest(corpora) for encoder, corpora in by_encoder.items()}, title)
