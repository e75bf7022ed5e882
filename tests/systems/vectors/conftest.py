"""Recipes whose vectors are small and quick, over a few tones."""

import pytest

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.systems import build, vectors
from emospeech.systems.vectors import kept


@pytest.fixture(autouse=True)
def nothing_in_memory(monkeypatch):
    """What an earlier test computed is no part of the next."""
    monkeypatch.setattr(kept, "_IN_MEMORY", {})


@pytest.fixture
def afresh(monkeypatch):
    """As another program would find it."""
    return lambda: monkeypatch.setattr(kept, "_IN_MEMORY", {})


@pytest.fixture(scope="session")
def rows(challenge):
    return emospeech2024.index(challenge)[:12].reset_index(drop=True)


@pytest.fixture
def recipe(tmp_path, tiny_xlsr, tiny_xlmr):
    def make(cache=(), speech=(), text=(), **more):
        plain = {
            "name": "run",
            "system": "classical",
            "data": {"corpus": "demo", "root": "unused"},
            "speech": None if speech is None else {"encoder": str(tiny_xlsr), **dict(speech)},
            "text": None if text is None else {"encoder": str(tiny_xlmr), **dict(text)},
            "classical": {"features": ["functionals"]},
            "cache": cache if cache is None else {"folder": str(tmp_path / "store"), **dict(cache)},
            **more,
        }
        return config.validate(plain, "test", build.CHECKS)

    return make


@pytest.fixture
def vectors_of(recipe, rows):
    """Name of features -> the rows' vectors."""

    def make(name, manifest=rows, cache=(), options=None, **sections):
        return vectors.build(name, options or {}, recipe(cache, **sections)).of(manifest)

    return make
