"""What the folds of a benchmark give: scores of each system under each protocol, for each task."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from emospeech.experiments.protocols.units import Unit
from emospeech.metrics.scores import Scores, chance_macro_f1, score
from emospeech.metrics.statistics import Interval, mean_macro_f1_interval
from emospeech.systems.base import MAIN_TASK


@dataclass(frozen=True)
class FoldScores:
    """One fold under one seed."""

    fold: str
    seed: int
    scores: Scores


@dataclass(frozen=True)
class Outcome:
    """A system under a protocol, on one task; over all corpora, or on one of them."""

    protocol: str
    row: str  # the system
    task: str  # `label`, or the manifest's column
    trained_on: str  # a corpus; empty: all that the fold trains
    tested_on: str  # a corpus; empty: all
    labels: tuple[str, ...]
    pooled: tuple[Scores, ...]  # of all out-of-fold predictions, by seed
    interval: Interval  # of macro-F1, over clips
    chance: float  # macro-F1 that guessing every class alike is expected to give
    folds: tuple[FoldScores, ...]
    seconds: float  # of all its fits and predictions together
    published: dict[str, float] = field(default_factory=dict)  # heading -> what others report

    def mean(self, name: str = "macro_f1") -> float:
        """Of a score of the pooled predictions, over seeds."""
        return statistics.fmean(getattr(one, name) for one in self.pooled)

    def over_seeds(self, name: str = "macro_f1") -> float | None:
        """Standard deviation over seeds, with n - 1; None of one seed."""
        values = [getattr(one, name) for one in self.pooled]
        return statistics.stdev(values) if len(values) > 1 else None

    def over_folds(self, name: str = "macro_f1") -> tuple[float, float]:
        """Mean and standard deviation (n - 1) over the folds, each the mean of its seeds; 0 of one fold."""
        by_fold: dict[str, list[float]] = {}
        for one in self.folds:
            by_fold.setdefault(one.fold, []).append(getattr(one.scores, name))
        values = [statistics.fmean(found) for found in by_fold.values()]
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def predictions_of(units: Sequence[Unit]) -> pd.DataFrame:
    """The out-of-fold predictions of one system under one protocol, with `seed`, `at` (the material's row), corpora."""
    frames = []
    for unit in units:
        where = unit.fold.test.nonzero()[0]
        frames.append(
            unit.predictions().assign(
                seed=unit.seed, at=where, trained_on=unit.fold.trained_on, tested_on=unit.fold.tested_on
            )
        )
    return pd.concat(frames, ignore_index=True)


def outcomes(units: Sequence[Unit], published: dict[str, float] | None = None) -> Iterator[Outcome]:
    """The outcomes of one system under one protocol: each task, over all and by corpus."""
    material, seconds = units[0].material, sum(unit.record()["seconds"] for unit in units)
    found = predictions_of(units)
    for task, labels in material.tasks.items():
        told = MAIN_TASK if task == MAIN_TASK else task
        truth = material.manifest[task].iloc[found["at"]].reset_index(drop=True)
        rows = found.assign(truth=truth, chosen=found[told])[truth.notna().to_numpy()]
        rows = rows.assign(corpus=[material.corpora[k] for k in rows["at"]])
        for (trained, tested), part in _parts(rows):
            if not len(part):
                continue
            first = units[0]
            yield Outcome(
                first.protocol,
                first.row,
                material.target if task == MAIN_TASK else task,
                trained,
                tested,
                tuple(labels),
                seconds=seconds,
                published=dict(published or {}) if task == MAIN_TASK and not trained and not tested else {},
                **_scored(part, labels),
            )


def _parts(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """All rows, and those of each corpus; or where corpora train for each other, each pair."""
    if rows["trained_on"].ne("").any():
        for (trained, tested), part in rows.groupby(["trained_on", "tested_on"], sort=False):
            yield (str(trained), str(tested)), part
        return
    yield ("", ""), rows
    if len(set(rows["corpus"])) > 1:
        for corpus, part in rows.groupby("corpus", sort=False):
            yield ("", str(corpus)), part


def _scored(rows: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    by_seed = {seed: part.sort_values("at", kind="stable") for seed, part in rows.groupby("seed")}
    first = next(iter(by_seed.values()))
    truth = first["truth"].tolist()
    predictions = [part["chosen"].tolist() for part in by_seed.values()]
    return {
        "pooled": tuple(score(truth, chosen, labels) for chosen in predictions),
        "interval": mean_macro_f1_interval(truth, predictions, labels),
        "chance": chance_macro_f1(truth, labels),
        "folds": tuple(
            FoldScores(str(fold), int(seed), score(part["truth"].tolist(), part["chosen"].tolist(), labels))
            for (fold, seed), part in rows.groupby(["fold", "seed"], sort=False)
        ),
    }
