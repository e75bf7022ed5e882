"""What the folds of a probe give: scores of each layer, and of the layer that inner folds chose."""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from emospeech.experiments.layerwise.probing import Probing
from emospeech.metrics.scores import Scores, chance_macro_f1, score
from emospeech.metrics.statistics import Interval, interval
from emospeech.systems.base import MAIN_TASK

RESAMPLES = 2000  # there are many layers


@dataclass(frozen=True)
class LayerScores:
    """Scores of the out-of-fold predictions of one layer, or of a layer chosen fold by fold."""

    pooled: Scores
    interval: Interval  # of macro-F1, over clips
    folds: tuple[float, ...]  # macro-F1 of each

    @property
    def over_folds(self) -> tuple[float, float]:
        """Mean and standard deviation (n - 1) of macro-F1; 0 of one fold."""
        return statistics.fmean(self.folds), statistics.stdev(self.folds) if len(self.folds) > 1 else 0.0


@dataclass(frozen=True)
class Probed:
    """One probe on one encoder, on one corpus under one protocol."""

    protocol: str
    corpus: str
    encoder: str
    probe: str
    labels: tuple[str, ...]
    count: int  # layers that the encoder has
    layers: dict[int, LayerScores]
    chosen: LayerScores  # each fold by the layer that its inner folds chose
    choices: dict[str, int]  # fold -> that layer
    chance: float  # macro-F1 that guessing every class alike is expected to give
    seconds: float  # of all fits and predictions together

    @property
    def last(self) -> LayerScores | None:
        """Of the encoder's last layer; None if it was not probed."""
        return self.layers.get(self.count)

    @property
    def best(self) -> int:
        """The layer with the best score on the tested rows themselves, which therefore flatters."""
        return max(self.layers, key=lambda layer: self.layers[layer].pooled.macro_f1)

    @property
    def often(self) -> int:
        """The layer that most folds chose; of equals the lowest."""
        return most_often(list(self.choices.values()))


def most_often(layers: Sequence[int]) -> int:
    """
    >>> most_often([3, 2, 2, 3, 1])
    2
    """
    counts = Counter(layers)
    return min(counts, key=lambda layer: (-counts[layer], layer))


def grouped(found: Sequence[Probed]) -> dict[tuple[str, str], dict[str, list[Probed]]]:
    """(protocol, probe) -> encoder -> its corpora."""
    groups: dict[tuple[str, str], dict[str, list[Probed]]] = {}
    for one in found:
        groups.setdefault((one.protocol, one.probe), {}).setdefault(one.encoder, []).append(one)
    return groups


def commonest(corpora: Sequence[Probed]) -> int:
    """The layer that most folds chose, on most of the corpora; each of them counts the same."""
    return most_often([one.often for one in corpora])


def probed(units: Sequence[Probing]) -> Probed:
    """The scores of all folds of a probe.

    Raises:
        WorkError: if predictions are damaged.
    """
    first = units[0]
    material = first.corpus.material
    records = {unit.fold.name: unit.record() for unit in units}
    rows = pd.concat([unit.predictions() for unit in units], ignore_index=True)
    truth = material.manifest.set_index("id")[MAIN_TASK]
    rows = rows.assign(truth=truth.loc[rows["id"]].to_numpy())
    choices = {fold: int(record["layer"]) for fold, record in records.items()}
    by_choice = rows[rows["layer"] == rows["fold"].map(choices)]
    tested = by_choice["truth"].tolist()
    return Probed(
        first.title,
        first.corpus.name,
        first.encoder.short,
        first.probe,
        tuple(material.labels),
        first.encoder.count,
        {layer: _scored(rows[rows["layer"] == layer], material.labels) for layer in first.encoder.layers},
        _scored(by_choice, material.labels),
        choices,
        chance_macro_f1(tested, material.labels),
        sum(record["seconds"] for record in records.values()),
    )


def _scored(rows: pd.DataFrame, labels: Sequence[str]) -> LayerScores:
    truth, told = rows["truth"].tolist(), rows[MAIN_TASK].tolist()
    return LayerScores(
        score(truth, told, labels),
        interval(truth, [told], labels, resamples=RESAMPLES),
        tuple(
            score(part["truth"].tolist(), part[MAIN_TASK].tolist(), labels).macro_f1
            for _, part in rows.groupby("fold", sort=False)
        ),
    )
