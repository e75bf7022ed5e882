"""What a layer-wise benchmark is read as: a table for the terminal, CSV files, JSON, figures."""

import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.data import table
from emospeech.experiments.layerwise import pictures
from emospeech.experiments.layerwise.scores import LayerScores, Probed, commonest, grouped
from emospeech.experiments.protocols import work
from emospeech.runtime.columns import aligned
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.runs import RunFolder

DIGITS = 3
MEAN = "mean"  # in place of a corpus


def lines(found: Sequence[Probed], notes: Sequence[str]) -> Iterator[str]:
    """A table for each protocol and probe, encoders down; below, what is odd about the folds."""
    for (protocol, probe), by_encoder in grouped(found).items():
        corpora = [one.corpus for one in next(iter(by_encoder.values()))]
        yield f"{protocol}, {probe}: macro-F1 of the layer that inner folds choose"
        several = len(corpora) > 1
        head = ["encoder", *([MEAN] if several else []), *corpora, "layer", "last layer", "best seen", "chance"]
        yield from aligned([head, *(_cells(name, own, several) for name, own in by_encoder.items())], left=1)
        yield ""
    yield "layer: the one that most folds chose; best seen: of the layer that tests best itself, so it flatters"
    yield from (f"note: {note}" for note in notes)


def _cells(encoder: str, own: Sequence[Probed], several: bool) -> list[str]:
    chosen = [one.chosen.pooled.macro_f1 for one in own]
    last = [one.last.pooled.macro_f1 for one in own if one.last is not None]
    numbers = [
        statistics.fmean(last) if last else None,
        statistics.fmean(one.layers[one.best].pooled.macro_f1 for one in own),
        statistics.fmean(one.chance for one in own),
    ]
    mean = [_number(statistics.fmean(chosen))] if several else []
    return [encoder, *mean, *map(_number, chosen), str(commonest(own)), *map(_number, numbers)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.{DIGITS}f}"


def write(found: Sequence[Probed], folder: RunFolder, json: Path | None) -> None:
    """All files of a benchmark that tell its scores."""
    tables = {"layers": layers, "by_layer": by_layer, "encoders": encoders, "choices": choices}
    for name, make in tables.items():
        write_text(folder.path / f"{name}.csv", table.as_csv(make(found)))
    for path in (folder.scores, json):
        if path is not None:
            write_json(path, as_json(found))
    for (protocol, probe), by_encoder in grouped(found).items():
        pictures.draw(by_encoder, f"{protocol}, {probe}", folder.figures / f"{protocol}_{probe}")
    shutil.rmtree(folder.path / work.CLAIMS, ignore_errors=True)


def layers(found: Sequence[Probed]) -> pd.DataFrame:
    """One line a layer of each encoder on each corpus: `layers.csv`."""
    return pd.DataFrame(
        [
            {
                **_which(one),
                "corpus": one.corpus,
                "layer": layer,
                "of": one.count,
                **_scores(scores),
                "chosen_by": sum(choice == layer for choice in one.choices.values()),
                "folds": len(one.choices),
            }
            for one in found
            for layer, scores in one.layers.items()
        ]
    )


def _which(one: Probed) -> dict[str, str]:
    return {"protocol": one.protocol, "encoder": one.encoder, "probe": one.probe}


def _scores(scores: LayerScores) -> dict[str, float]:
    mean, deviation = scores.over_folds
    return {
        "macro_f1": scores.pooled.macro_f1,
        "macro_f1_low": scores.interval.low,
        "macro_f1_high": scores.interval.high,
        "macro_f1_folds_mean": mean,
        "macro_f1_folds_std": deviation,
        "weighted_f1": scores.pooled.weighted_f1,
        "uar": scores.pooled.uar,
        "accuracy": scores.pooled.accuracy,
    }


def by_layer(found: Sequence[Probed]) -> pd.DataFrame:
    """Mean F1 by layer over the corpora, as published: `by_layer.csv`."""
    rows = []
    for by_encoder in grouped(found).values():
        for own in by_encoder.values():
            for layer in own[0].layers:
                macro = [one.layers[layer].pooled.macro_f1 for one in own]
                rows.append(
                    {
                        **_which(own[0]),
                        "layer": layer,
                        "of": own[0].count,
                        "corpora": len(own),
                        "macro_f1": statistics.fmean(macro),
                        "macro_f1_std": _deviation(macro),
                        "weighted_f1": statistics.fmean(one.layers[layer].pooled.weighted_f1 for one in own),
                    }
                )
    return pd.DataFrame(rows)


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def encoders(found: Sequence[Probed]) -> pd.DataFrame:
    """One line an encoder on each corpus, and one with the means over corpora: `encoders.csv`."""
    rows = []
    for by_encoder in grouped(found).values():
        for own in by_encoder.values():
            each = pd.DataFrame([_of_encoder(one) for one in own])
            numbers = {name: each[name].astype(float).mean() for name in each.columns}
            spread = _deviation([one.chosen.pooled.macro_f1 for one in own])
            mean = {**numbers, "layer": commonest(own), "macro_f1_std": spread, "best_seen_layer": None}
            parts = [*zip([one.corpus for one in own], each.to_dict("records"), strict=True), (MEAN, mean)]
            rows += [{**_which(own[0]), "corpus": corpus, **of} for corpus, of in parts]
    return pd.DataFrame(rows).astype({"layer": "Int64", "best_seen_layer": "Int64"})


def _of_encoder(one: Probed) -> dict[str, Any]:
    return {
        "layer": one.often,  # most often chosen
        "macro_f1": one.chosen.pooled.macro_f1,  # of the layer that each fold's inner folds chose, as the next three
        "weighted_f1": one.chosen.pooled.weighted_f1,
        "uar": one.chosen.pooled.uar,
        "accuracy": one.chosen.pooled.accuracy,
        "macro_f1_std": one.chosen.over_folds[1],  # over folds; of the means, over corpora
        "last_layer_macro_f1": None if one.last is None else one.last.pooled.macro_f1,
        "best_seen_layer": one.best,
        "best_seen_macro_f1_optimistic": one.layers[one.best].pooled.macro_f1,
        "chance": one.chance,
    }


def choices(found: Sequence[Probed]) -> pd.DataFrame:
    """One line a fold: the layer that its inner folds chose, and what that gave: `choices.csv`."""
    return pd.DataFrame(
        [
            {**_which(one), "corpus": one.corpus, "fold": fold, "layer": layer, "macro_f1": score}
            for one in found
            for (fold, layer), score in zip(one.choices.items(), one.chosen.folds, strict=True)
        ]
    )


def as_json(found: Sequence[Probed]) -> list[dict[str, Any]]:
    """All of it, for machines."""
    return [
        {
            **_which(one),
            "corpus": one.corpus,
            "labels": one.labels,
            "layers_of_encoder": one.count,
            "chosen": asdict(one.chosen),
            "choices": one.choices,
            "last_layer_macro_f1": None if one.last is None else one.last.pooled.macro_f1,
            "best_seen": {"layer": one.best, "macro_f1_optimistic": one.layers[one.best].pooled.macro_f1},
            "chance": one.chance,
            "seconds": round(one.seconds, 1),
            "layers": {layer: _scores(scores) for layer, scores in one.layers.items()},
        }
        for one in found
    ]
