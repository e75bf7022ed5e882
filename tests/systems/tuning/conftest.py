"""Small rows, and a system whose skill its recipe says: what is chosen can be told by hand."""

import pytest

from emospeech.config import validate
from emospeech.data import manifest as manifests
from emospeech.systems.base import as_predictions
from emospeech.systems.checks import CHECKS

LABELS = ("anger", "joy")
TASKS = {"label": LABELS}


def recipe(grid, **tune):
    plain = {
        "name": "r",
        "data": {"corpus": "audiofolder", "root": "."},
        "system": "classical",
        "classical": {"features": ["tfidf"]},
        "tune": {**({} if grid is None else {"grid": grid}), **tune},
    }
    return validate(plain, "recipe", CHECKS)


@pytest.fixture
def train():
    return manifests.make(
        id=[f"{k:02d}" for k in range(24)],
        label=[LABELS[k % 2] for k in range(24)],
        speaker=[f"s{k // 4}" for k in range(24)],
    )


class Guesser:
    """Right in as many of ten rows as its C says; remembers what it saw."""

    needs_dev = needs_audio = may_lack = False
    needs_text = True
    made: list["Guesser"]

    def __init__(self, recipe, tasks):
        self.recipe, self.tasks, self.fits, self.predicted = recipe, tasks, [], []
        self.skill = recipe.classical.model.options.get("c", 1.0)
        self.made.append(self)

    def fit(self, train, dev, folder):
        self.fits.append((train["id"].tolist(), dev))

    def predict(self, manifest):
        self.predicted.append(manifest["id"].tolist())
        right = [int(id) % 10 < self.skill for id in manifest["id"]]
        chances = [
            [float((int(id) % 2 == 0) == r), float((int(id) % 2 == 1) == r)]
            for id, r in zip(manifest["id"], right, strict=True)
        ]
        return as_predictions(manifest["id"].tolist(), chances, self.tasks["label"])

    def extract(self, augmented, others, folder=None, like=None):
        return True

    def save(self, folder):
        folder.mkdir(parents=True)
        (folder / "c").write_text(str(self.skill))


@pytest.fixture
def make(monkeypatch):
    monkeypatch.setattr(Guesser, "made", [], raising=False)
    return Guesser
