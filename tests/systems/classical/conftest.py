"""Clips of which a made-up feature knows the numbers: rows in, vectors out, no sound."""

import numpy as np
import pytest

from emospeech import config
from emospeech.data import manifest
from emospeech.systems import build, vectors
from emospeech.systems.classical import features

LABELS = ("anger", "joy", "sadness")
TASKS = {"label": LABELS}
WORDS = {"anger": "basta ya fuera", "joy": "qué bien fiesta", "sadness": "lloro solo noche"}


class Numbers:
    """Stands for functionals: 6 numbers a clip, drawn around its label and its speaker; by the clip's id."""

    needs = "audio"

    def __init__(self):
        self.names = [f"functionals:{k}" for k in range(6)]
        self.known = {}

    def of(self, rows):
        return np.stack([self.known[id] for id in rows["id"]]).astype(np.float32)


class Faster(Numbers):
    """The same clips, altered: each number times the speed, or times 2, 3… for the first, second… channel."""

    def __init__(self, made, speed):
        super().__init__()
        self.made, self.speed = made, speed

    def of(self, rows):
        return self.speed * self.made.of(rows)


@pytest.fixture
def numbers(monkeypatch):
    made = Numbers()

    def build(name, options, recipe, revisions=None):
        factor = options.get("speed", 1.0) * (1 + options.get("channel", 0))
        return made if factor == 1 else Faster(made, factor)

    monkeypatch.setattr(vectors, "build", build)
    monkeypatch.setitem(features.FEATURES, "functionals", lambda recipe, revisions, *, speed=1.0, channel=0: made)
    return made


@pytest.fixture
def rows(numbers):
    """60 clips of 5 speakers and 3 labels; speakers differ in their means."""
    rng = np.random.default_rng(0)
    labels = [LABELS[k % 3] for k in range(60)]
    speakers = [f"s{k // 3 % 5}" for k in range(60)]
    ids = [f"c{k}" for k in range(60)]
    centres, offsets = rng.standard_normal((3, 6)), 3 * rng.standard_normal((5, 6))
    for id, label, speaker in zip(ids, labels, speakers, strict=True):
        numbers.known[id] = centres[LABELS.index(label)] + offsets[int(speaker[1])] + 0.4 * rng.standard_normal(6)
    texts = [f"{WORDS[label]} {k % 4}" for k, label in enumerate(labels)]
    return manifest.make(
        id=ids, audio=[f"{id}.wav" for id in ids], transcription=texts, label=labels, speaker=speakers,
        gender=[["female", "male", None][k % 7 % 3] for k in range(60)],
    )  # fmt: skip


@pytest.fixture
def make_recipe():
    def make(features="functionals", model="logistic_regression", seed=0, **more):
        plain = {
            "name": "run",
            "system": "classical",
            "data": {"corpus": "demo", "root": "unused"},
            "classical": {"features": features if isinstance(features, list) else [features], "model": model, **more},
            "train": {"seed": seed},
        }
        return config.validate(plain, "test", build.CHECKS)

    return make


@pytest.fixture
def fitted(make_recipe, tmp_path):
    def fit(train, *args, tasks=TASKS, **more):
        system = build.build(make_recipe(*args, **more), tasks)
        system.fit(train, None, tmp_path / "run")
        return system

    return fit
