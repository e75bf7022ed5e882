"""Recipes whose encoders are tiny and frozen, over the small challenge."""

import pytest

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.systems import build
from emospeech.systems.features import cache

TASKS = {"label": emospeech2024.EMOSPEECH2024}


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch):
    """What an earlier test's run holds in memory is no part of the next."""
    monkeypatch.setattr(cache, "_IN_MEMORY", {})


@pytest.fixture
def recipe(tmp_path, tiny_xlsr, tiny_xlmr):
    def make(kept, speech=(), text=(), model=(), train=(), **more):
        plain = {
            "name": "run",
            "runs_dir": str(tmp_path / "runs"),
            "data": {"corpus": "demo", "root": "unused"},
            "speech": None if speech is None else {"encoder": str(tiny_xlsr), "layers": "weighted", **dict(speech)},
            "text": {"encoder": str(tiny_xlmr), **dict(text)},
            "model": {"dropout": 0.0, "head": {"blocks": 1, "width": 16, "dropout": 0.0}, **dict(model)},
            "cache": kept if kept is None else {"folder": str(tmp_path / "store"), **kept},
            "train": {"epochs": 2, "batch_size": 8, "optimizer": {"lr": 0.01}, "trackers": [], **dict(train)},
            **more,
        }
        return config.validate(plain, "test", build.CHECKS)

    return make


@pytest.fixture
def fitted(tmp_path, rows):
    """Recipe -> system fitted on the rows."""

    def fit(recipe, name="run", train=rows[0], dev=rows[1]):
        system = build.build(recipe, TASKS)
        system.fit(train, dev, tmp_path / name)
        return system

    return fit
