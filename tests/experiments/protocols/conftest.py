"""A system that remembers what it was given, and rows and folds without a corpus."""

import numpy as np
import pytest

from emospeech.data import manifest as manifests
from emospeech.experiments.protocols.folds import Fold
from emospeech.experiments.protocols.material import Material
from emospeech.systems import build
from emospeech.systems.base import as_predictions


class Recorder:
    """A System that keeps what it was fitted to, and predicts by the numbers in ids, so that anyone can check it."""

    needs_dev, needs_audio, needs_text, may_lack = False, False, True, False
    made: list["Recorder"]  # all since the fixture began

    def __init__(self, recipe, tasks):
        self.recipe, self.tasks = recipe, tasks
        self.fits, self.predicted = [], []
        self.made.append(self)

    def fit(self, train, dev, folder):
        self.fits.append((train["id"].tolist(), None if dev is None else dev["id"].tolist()))

    def extract(self, augmented, others, folder=None, like=None):
        return False

    parameters = 7

    def predict(self, manifest):
        self.predicted.append(manifest["id"].tolist())
        sure = [int("".join(filter(str.isdigit, id))) + self.recipe.train.seed for id in manifest["id"]]
        every = {task: np.eye(len(names))[[k % len(names) for k in sure]] for task, names in self.tasks.items()}
        frame = as_predictions(manifest["id"].tolist(), every["label"].tolist(), self.tasks["label"])
        for task in [task for task in self.tasks if task != "label"]:
            frame[task] = [self.tasks[task][k] for k in every[task].argmax(axis=1)]
        return frame

    def save(self, folder):
        folder.mkdir(parents=True)

    def hardware(self):
        return {}


@pytest.fixture
def recorder(monkeypatch):
    """`build.build` gives `Recorder`s; those made so far are in `recorder.made`."""
    monkeypatch.setattr(Recorder, "made", [], raising=False)
    monkeypatch.setattr(build, "build", Recorder)
    return Recorder


@pytest.fixture
def material():
    """Labels, and further columns -> rows that are called r0, r1, …"""

    def material(labels, corpora=None, tasks=None, target="label", **columns):
        ids = [f"r{k}" for k in range(len(labels))]
        known = tuple(sorted({label for label in labels if label}))
        manifest = manifests.make(None, id=ids, label=labels, **columns)
        return Material(manifest, {"label": known, **(tasks or {})}, corpora or ["one"] * len(ids), target)

    return material


@pytest.fixture
def fold():
    """`fold("++-.")`: two rows train, one is tested, one is in neither."""

    def fold(signs, name="test", **corpora):
        train, test = (np.array([sign == one for sign in signs]) for one in "+-")
        return Fold(name, train, test, **corpora)

    return fold
