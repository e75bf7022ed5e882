"""What the folds of a benchmark give: scores of each system under each protocol, for each task."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from emospeech.data.origins import KNOWN_BY, Origins, origins
from emospeech.data.unseen import unseen, what_is_new
from emospeech.experiments.protocols.units import Unit
from emospeech.experiments.scoring.calibrated import Calibration, over_folds
from emospeech.metrics.scores import Scores, chance_macro_f1, score
from emospeech.metrics.statistics import Interval, interval
from emospeech.systems.base import MAIN_TASK

NEW = "is_new"


@dataclass(frozen=True)
class FoldScores:
    """One fold under one seed."""

    fold: str
    seed: int
    scores: Scores


@dataclass(frozen=True)
class Answers:
    """What was asked and answered, in the order of the material's rows."""

    rows: tuple[tuple[str, str], ...] = ()  # corpus and id: what a row is known by, whatever a system leaves out
    truth: tuple[str, ...] = ()
    chosen: tuple[tuple[str, ...], ...] = ()  # by seed
    origins: Origins | None = None  # of each row


@dataclass(frozen=True)
class Clustered:
    """An interval of macro-F1 over those whom clips come from."""

    by: str  # `speaker` or `recording`
    count: int  # how many there are
    interval: Interval


@dataclass(frozen=True)
class New:
    """Of the rows tested, those of speakers and recordings that their fold's training has not heard."""

    what: str  # as `new speakers`
    count: int
    macro_f1: float | None = None  # the mean over seeds; None of no row
    interval: Interval | None = None


@dataclass(frozen=True)
class Contrast:
    """How far macro-F1, the mean over seeds, lies above that of the base, on the same clips; see `differences`."""

    value: float
    low: float | None = None  # 95 % interval of the paired bootstrap; none of this where other clips were tested
    high: float | None = None
    p: float | None = None  # of approximate randomisation, two-sided
    p_holm: float | None = None  # corrected over all systems of the same test
    clustered_low: float | None = None  # the same, speakers or recordings drawn and exchanged whole
    clustered_high: float | None = None
    clustered_p: float | None = None
    clustered_p_holm: float | None = None


@dataclass(frozen=True)
class Outcome:
    """A system under a protocol, on one task; over all corpora, or on one of them."""

    protocol: str
    row: str  # the system
    task: str  # `label`, or the manifest's column
    trained_on: str  # a corpus, where each trains for each other; empty: all that the fold trains
    tested_on: str  # a corpus; empty: all
    labels: tuple[str, ...]
    pooled: tuple[Scores, ...]  # of all out-of-fold predictions, by seed
    interval: Interval  # of macro-F1, over clips
    chance: float  # macro-F1 that guessing alike every class that occurs in the material is expected to give
    folds: tuple[FoldScores, ...]
    seconds: float  # of all its fits and predictions together
    published: Mapping[str, float] = field(default_factory=dict)  # heading -> what others report
    fits: int = 1  # folds under seeds
    parameters: int | None = None  # that a fit trains, of a network; the most of any fold
    answers: Answers = field(default=Answers(), repr=False)
    contrast: Contrast | None = None  # to the base, where there is one
    new: New | None = None  # None where origins are not told
    clustered: Clustered | None = None  # the same
    calibration: Calibration | None = None  # of all seeds' answers; None where they have no probabilities

    @property
    def overall(self) -> bool:
        """Whether it is of all that is tested."""
        return not self.trained_on and not self.tested_on

    def mean(self, name: str = "macro_f1") -> float:
        """Of a score of the pooled predictions, over seeds."""
        return statistics.fmean(getattr(one, name) for one in self.pooled)

    def over_seeds(self, name: str = "macro_f1") -> float | None:
        """Standard deviation over seeds, with n - 1; None of one seed."""
        values = [getattr(one, name) for one in self.pooled]
        return statistics.stdev(values) if len(values) > 1 else None

    def over_folds(self, name: str = "macro_f1") -> tuple[float, float]:
        """Mean and standard deviation (n - 1) over the folds, each the mean of its seeds; 0 of one fold."""
        values = list(self.by_fold(name).values())
        return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0

    def by_fold(self, name: str = "macro_f1") -> dict[str, float]:
        """Fold -> a score of it, the mean of its seeds."""
        found: dict[str, list[float]] = {}
        for one in self.folds:
            found.setdefault(one.fold, []).append(getattr(one.scores, name))
        return {fold: statistics.fmean(values) for fold, values in found.items()}


def predictions_of(units: Sequence[Unit]) -> pd.DataFrame:
    """The out-of-fold predictions of one system under one protocol, with `seed`, `at` (the material's row), corpora,
    and `NEW`: whether training has heard nobody of the row's origin."""
    frames = []
    for unit in units:
        where = unit.fold.test.nonzero()[0]
        frames.append(
            unit.predictions().assign(
                seed=unit.seed,
                at=where,
                trained_on=unit.fold.trained_on,
                tested_on=unit.fold.tested_on,
                **{NEW: _new(unit)},
            )
        )
    return pd.concat(frames, ignore_index=True)


def _new(unit: Unit) -> Any:
    """Of each tested row, whether its origin is new; None where it is not told. Those who steer are heard, too."""
    fold, material = unit.fold, unit.material
    rows = material.manifest.assign(corpus=list(material.corpora))
    heard = fold.train if fold.dev is None else fold.train | fold.dev
    found = unseen(rows[heard & ~fold.test], rows[fold.test])
    return None if found is None else found.rows


def outcomes(
    units: Sequence[Unit], predictions: pd.DataFrame, published: Mapping[str, float] | None = None
) -> Iterator[Outcome]:
    """The outcomes of one system under one protocol: each task, over all and by corpus.

    Args:
        predictions: `predictions_of` the units.
        published: of the main task, over all.
    """
    first, material = units[0], units[0].material
    records = [unit.record() for unit in units]
    seconds = sum(record["seconds"] for record in records)
    parameters = [record["parameters"] for record in records if record.get("parameters") is not None]
    for task, labels in material.tasks.items():
        if task not in predictions:  # no fold teaches it
            continue
        truth = material.manifest[task].iloc[predictions["at"]].reset_index(drop=True)
        asked = truth.notna() & predictions[task].notna()
        rows = predictions.assign(truth=truth, chosen=predictions[task])[asked.to_numpy(dtype=bool)]
        there = set(material.manifest[task].dropna())
        known = [label for label in labels if label in there]
        rows = rows.assign(corpus=[material.corpora[k] for k in rows["at"]])
        rows = rows.assign(**{name: list(material.manifest[name].iloc[rows["at"]]) for name in KNOWN_BY})
        for (trained, tested), part in _parts(rows):
            yield Outcome(
                first.protocol,
                first.row,
                material.target if task == MAIN_TASK else task,
                trained,
                tested,
                tuple(labels),
                seconds=seconds,
                fits=len(units),
                parameters=max(parameters, default=None),
                published=dict(published or {}) if task == MAIN_TASK and not trained and not tested else {},
                calibration=over_folds(part, part["truth"].tolist(), labels, task, part["seed"].nunique()),
                **_scored(part, labels, known, what_is_new(material.manifest)),
            )


def _parts(rows: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """All rows, and those of each corpus; or where corpora train for each other, each pair."""
    if not len(rows):  # none of them has a label of this task
        return
    if rows["trained_on"].ne("").any():
        for (trained, tested), part in rows.groupby(["trained_on", "tested_on"], sort=False):
            yield (str(trained), str(tested)), part
        return
    yield ("", ""), rows
    if len(set(rows["corpus"])) > 1:
        for corpus, part in rows.groupby("corpus", sort=False):
            yield ("", str(corpus)), part


def _scored(rows: pd.DataFrame, labels: Sequence[str], known: Sequence[str], what: str) -> dict[str, Any]:
    by_seed = {seed: part.sort_values("at", kind="stable") for seed, part in rows.groupby("seed")}
    first = next(iter(by_seed.values()))
    truth = first["truth"].tolist()
    predictions = [part["chosen"].tolist() for part in by_seed.values()]
    together = origins(first)
    return {
        "pooled": tuple(score(truth, chosen, labels) for chosen in predictions),
        "interval": interval(truth, predictions, labels),
        "chance": chance_macro_f1(truth, known),
        "new": _of_new(rows, labels, what),
        "clustered": None if together is None else _clustered(truth, predictions, labels, together),
        "answers": Answers(
            tuple(zip(first["corpus"], first["id"], strict=True)),
            tuple(truth),
            tuple(map(tuple, predictions)),
            together,
        ),
        "folds": tuple(
            FoldScores(str(fold), int(seed), score(part["truth"].tolist(), part["chosen"].tolist(), labels))
            for (fold, seed), part in rows.groupby(["fold", "seed"], sort=False)
        ),
    }


def _clustered(
    truth: Sequence[str], predictions: Sequence[Sequence[str]], labels: Sequence[str], together: Origins
) -> Clustered:
    found = interval(truth, predictions, labels, clusters=together.names)
    return Clustered(together.by, together.count, found)


def _of_new(rows: pd.DataFrame, labels: Sequence[str], what: str) -> New | None:
    """Of all seeds together: folds are the same, and so are the rows that are new."""
    if rows[NEW].isna().any():
        return None
    new = rows[rows[NEW].astype(bool)]
    if not len(new):
        return New(what, 0)
    by_seed = [part.sort_values("at", kind="stable") for _, part in new.groupby("seed")]
    truth, chosen = by_seed[0]["truth"].tolist(), [part["chosen"].tolist() for part in by_seed]
    scores = [score(truth, one, labels).macro_f1 for one in chosen]
    return New(what, len(truth), statistics.fmean(scores), interval(truth, chosen, labels))
