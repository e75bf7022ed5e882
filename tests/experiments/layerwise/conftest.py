"""A corpus whose label only one layer carries, and folds of its probes, without any encoder."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emospeech.config import Choice, Layerwise, Protocol
from emospeech.experiments.layerwise.probing import Corpus, Encoder, Probing
from emospeech.experiments.protocols.folds import folds_of
from emospeech.experiments.protocols.material import Material
from emospeech.systems import vectors

LABELS = ("joy", "fear", "anger")
SPEAKERS, CLIPS, LAYERS, WIDTH = 4, 12, 4, 6
TELLS = 2  # the layer that does


@pytest.fixture
def manifest() -> pd.DataFrame:
    """`SPEAKERS` of `CLIPS` clips each, all classes alike."""
    rows = [
        {"id": f"s{speaker}_{k:02d}", "speaker": f"s{speaker}", "label": LABELS[k % 3]}
        for speaker in range(SPEAKERS)
        for k in range(CLIPS)
    ]
    absent = {"audio": pd.NA, "group": pd.NA, "split": pd.NA, "corpus": "made"}
    return pd.DataFrame(rows).assign(**absent).astype("string")


@pytest.fixture
def features(manifest) -> dict[str, np.ndarray]:
    """id -> (LAYERS, 2, WIDTH): noise, but layer `TELLS` has the class in its mean."""
    rng = np.random.default_rng(0)
    found = {}
    for id, label in zip(manifest["id"], manifest["label"], strict=True):
        one = rng.standard_normal((LAYERS, 2, WIDTH)).astype(np.float32)
        one[TELLS, 0, LABELS.index(label)] += 8
        found[id] = one
    return found


@pytest.fixture
def pooled(features, monkeypatch) -> dict[str, np.ndarray]:
    """These in place of what an encoder gives; a test may change them."""

    def of(manifest, encoder, cache, revision=None, layers=None):
        return np.stack([features[id] for id in manifest["id"]])[:, list(layers)]

    monkeypatch.setattr(vectors, "pooled_layers", of)
    return features


@pytest.fixture
def units(manifest, pooled, tmp_path):
    """A function that gives the units of one probe, one a fold; keywords change what is asked for."""

    def make(table: pd.DataFrame = manifest, folder=tmp_path / "run", protocol=None, layers=range(LAYERS), **asked):
        protocol = protocol or Protocol(kind="loso")
        there = set(table["label"])
        material = Material(
            table, {"label": tuple(name for name in LABELS if name in there)}, ["made"] * len(table), "label"
        )
        probes = {"lr": Choice(name="logistic_regression")}
        section = Layerwise(**{"encoders": ["a/tiny"], "probes": probes, **asked})
        encoder = Encoder("a/tiny", "tiny", LAYERS - 1, tuple(layers))
        corpus = Corpus("made", material)
        first = Probing(
            "loso", protocol, corpus, encoder, next(iter(section.probes)), None, section, None, 0, folder
        )  # fmt: skip
        folds = folds_of(table, protocol, material.corpora)
        return [replace(first, fold=fold, folder=folder / fold.name) for fold in folds]

    return make
