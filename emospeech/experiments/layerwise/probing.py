"""One fold of one probe on one encoder: every layer predicts the test rows, and inner folds choose a layer."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Cache, Choice, Classical, Layerwise, Protocol
from emospeech.data import splits, table
from emospeech.experiments.protocols.folds import Fold
from emospeech.experiments.protocols.material import Material
from emospeech.experiments.protocols.units import PREDICTIONS, RECORD, damaged, record_in
from emospeech.metrics.scores import score
from emospeech.runtime.console import hushed, say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError, WorkError, some
from emospeech.runtime.files import write_json, write_text
from emospeech.systems import vectors
from emospeech.systems.base import MAIN_TASK, as_predictions
from emospeech.systems.classical import member
from emospeech.systems.classical.scaling import Scale, require_finite
from emospeech.systems.crossfit import inner_folds

STATISTICS = ("mean", "std")  # as `vectors.pooled_layers` gives them
BYTES, WIDE = 2**29, 1280  # of features in memory at once, where an encoder is so wide


@dataclass(frozen=True)
class Encoder:
    """A probed encoder."""

    name: str  # Hub id or folder
    short: str  # in tables and folders
    count: int  # its layers: hidden states are 0 to `count`
    layers: tuple[int, ...]  # those that are probed


@dataclass(frozen=True)
class Corpus:
    """The rows of one corpus, which is probed by itself."""

    name: str
    material: Material


@dataclass(frozen=True)
class Probing:
    """What one process does at a time; done once its predictions are there."""

    title: str  # of the protocol
    protocol: Protocol
    corpus: Corpus
    encoder: Encoder
    probe: str  # by its name in the recipe
    fold: Fold
    asked: Layerwise
    cache: Cache | None
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.corpus.name}, {self.title}, {self.encoder.short}, {self.probe}, {self.fold.name}"

    @property
    def done(self) -> bool:
        return (self.folder / PREDICTIONS).exists()

    @property
    def _by(self) -> str:
        """What inner folds keep together: what the protocol does."""
        return "speaker" if (self.protocol.kind, self.protocol.by) == ("loso", "auto") else self.protocol.by

    def run(self) -> None:
        """
        Raises:
            UserError, WorkError: that name the unit.
        """
        say(f"-- {self.name}")
        began = time.monotonic()
        manifest = self.corpus.material.manifest
        trained = self.fold.train | self.fold.spare
        train, test = (manifest[mask].reset_index(drop=True) for mask in (trained, self.fold.test))
        try:
            inner = self._inner_folds(train)
            scores, frames = {}, []
            for layer, features in self._features():
                with hushed():
                    scores[layer] = self._inner_score(features[trained], train, inner)
                everything = np.ones(len(train), dtype=bool)
                chances = self._chances(features[trained], train, everything, features[self.fold.test])
                found = as_predictions(test["id"].tolist(), chances.tolist(), self.corpus.material.labels)
                frames.append(found.assign(fold=self.fold.name, layer=layer))
        except (UserError, WorkError) as error:
            raise type(error)(f"{self.name}: {error}") from None
        chosen = max(scores, key=lambda layer: scores[layer])  # the lowest of equals
        record = {
            "train": len(train),
            "test": len(test),
            "seconds": round(time.monotonic() - began, 1),
            "layer": chosen,
            "inner_folds": int(inner.max()),
            "inner_macro_f1": {str(layer): value for layer, value in scores.items()},
        }
        on_main(lambda: self._write(record, pd.concat(frames, ignore_index=True)))

    def _inner_folds(self, train: pd.DataFrame) -> np.ndarray:
        """Of the training rows, kept apart as the protocol keeps its own; stratified where all are of one speaker."""
        groups = splits.group_column(train, self._by)
        by = self._by
        if groups is not None and groups.nunique() < 2:
            say(f"note: {self.fold.name} trains one {groups.name} alone, whose rows are on both sides of inner folds")
            by = "none"
        return inner_folds(train, self.asked.inner_folds, by, self.protocol.seed)

    def _features(self) -> Iterator[tuple[int, np.ndarray]]:
        """Layer by layer, float32 (rows of the corpus, D); several are read at once, as far as memory goes."""
        manifest, layers = self.corpus.material.manifest, self.encoder.layers
        kept = [STATISTICS.index(name) for name in self.asked.statistics]
        step = max(BYTES // (len(manifest) * len(STATISTICS) * WIDE * 4), 1)
        for start in range(0, len(layers), step):
            part = layers[start : start + step]
            pooled = vectors.pooled_layers(manifest, self.encoder.name, self.cache, layers=part)
            for k, layer in enumerate(part):
                found = pooled[:, k, kept].reshape(len(manifest), -1)
                names = [
                    f"layer {layer}, {name} {n}" for name in self.asked.statistics for n in range(pooled.shape[-1])
                ]
                require_finite(found, names, manifest["id"].tolist())
                yield layer, found

    def _inner_score(self, features: np.ndarray, train: pd.DataFrame, inner: np.ndarray) -> float:
        """Pooled macro-F1 over the training rows, each told by a probe that has not seen its inner fold."""
        labels = self.corpus.material.labels
        chosen = np.zeros(len(train), dtype=int)
        for number in range(1, int(inner.max()) + 1):
            left_out = inner == number
            if left_out.any():
                chances = self._chances(features, train, ~left_out, features[left_out])
                chosen[left_out] = chances.argmax(axis=1)
        return score(train[MAIN_TASK].tolist(), [labels[k] for k in chosen], labels).macro_f1

    def _chances(self, features: np.ndarray, train: pd.DataFrame, rows: np.ndarray, test: np.ndarray) -> np.ndarray:
        """A probe fitted to some of the training rows: probabilities (test rows, classes), float64."""
        labels = list(self.corpus.material.labels)
        fitted_to = train[rows].reset_index(drop=True)
        given = fitted_to[MAIN_TASK].tolist()
        if len(set(given)) < 2:  # an inner fold may leave one class alone
            return np.tile(np.array(labels) == given[0], (len(test), 1)).astype(float)
        groups = splits.group_column(fitted_to, self._by)  # what a net's early stopping keeps apart
        names = None if groups is None or groups.nunique() < 2 else groups.tolist()
        scale = Scale.of(features[rows])
        probe = Classical(features=[Choice(name="speech")], model=self._choice)
        fitted = member.fit(probe, {member.ORIGINAL: [scale.apply(features[rows])]}, given, labels, names, self.seed)
        return fitted.chances([scale.apply(test)])

    @property
    def _choice(self) -> Choice:
        return self.asked.probes[self.probe]

    def _write(self, record: dict[str, Any], predictions: pd.DataFrame) -> None:
        """The predictions last: they tell that the unit is done."""
        write_json(self.folder / RECORD, record)
        front = ["id", "fold", "layer", MAIN_TASK]
        ordered = [*front, *(name for name in predictions.columns if name not in front)]
        write_text(self.folder / PREDICTIONS, table.as_csv(predictions[ordered]))

    def predictions(self) -> pd.DataFrame:
        """What the unit wrote: `id`, `fold`, `layer`, `label`, `p_<class>` …; layer after layer, test rows in order.

        Raises:
            WorkError: if it is not what the unit writes.
        """
        path = self.folder / PREDICTIONS
        ids = self.corpus.material.manifest["id"][self.fold.test].tolist()
        layers = np.repeat(self.encoder.layers, len(ids)).tolist()
        words = {"id": str, "fold": str, MAIN_TASK: str, "layer": int}
        try:
            found = pd.read_csv(path, dtype=words, keep_default_na=False, encoding_errors="surrogateescape")
            whole = found["id"].tolist() == ids * len(self.encoder.layers) and found["layer"].tolist() == layers
        except (ValueError, KeyError) as error:  # pandas' own are of this family
            raise damaged(path, str(error)) from None
        if not whole:
            raise damaged(path, f"it does not hold the {len(ids)} rows of this fold for each layer")
        if strange := sorted(set(found[MAIN_TASK]) - set(self.corpus.material.labels)):
            raise damaged(path, f"unknown label {some(strange)}")
        return found

    def record(self) -> dict[str, Any]:
        """What is kept beside them: sizes, seconds, the layer that was chosen and why.

        Raises:
            WorkError: if it is not there.
        """
        return record_in(self.folder)


def probings(units: Sequence[Probing]) -> dict[tuple[str, str, str, str], list[Probing]]:
    """The folds of each probe on each encoder: (protocol, corpus, encoder, probe) -> units."""
    found: dict[tuple[str, str, str, str], list[Probing]] = {}
    for unit in units:
        found.setdefault((unit.title, unit.corpus.name, unit.encoder.short, unit.probe), []).append(unit)
    return found
