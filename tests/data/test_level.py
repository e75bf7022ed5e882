"""How loud a clip is, by hand-computed numbers."""

import pickle

import numpy as np
import pytest

from emospeech.data import audio
from emospeech.data.audio.level import AtLevel, at_level, dbfs
from emospeech.data.audio.memory import AudioMemory

SECOND = np.arange(audio.SAMPLE_RATE) / audio.SAMPLE_RATE


def test_levels_of_known_sounds():
    assert dbfs(np.ones(7, dtype=np.float32)) == pytest.approx(0.0)
    assert dbfs(np.sin(2 * np.pi * 100 * SECOND)) == pytest.approx(-3.0103, abs=1e-4)
    assert dbfs(np.array([0.1, -0.1, 0.1, -0.1])) == pytest.approx(-20.0)
    assert dbfs(np.array([0.1, 0.0, 0.0, 0.0])) == pytest.approx(-20 - 6.0206, abs=1e-4)  # a quarter of the power
    assert dbfs(np.zeros(9)) is None
    assert dbfs(np.zeros(0)) is None


@pytest.mark.parametrize("level", [-60.0, -31.19, -3.0])
def test_a_clip_at_a_level(level):
    noise = 0.05 * np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    scaled = at_level(noise, level)
    assert dbfs(scaled) == pytest.approx(level, abs=1e-4)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled / noise, scaled[0] / noise[0], rtol=1e-5)


def test_peaks_stay_and_silence_stays():
    click = np.zeros(1000, dtype=np.float32)
    click[10] = 0.5
    assert at_level(click, -20.0).max() == pytest.approx(0.1 * 1000**0.5)  # beyond 1, undistorted
    assert dbfs(at_level(click, -20.0)) == pytest.approx(-20.0)
    silent = np.full(100, 1e-6, dtype=np.float32)
    assert at_level(silent, -20.0) is silent


def test_a_loader_in_another_process(tmp_path):
    """The memory behind it starts empty there; nothing in it is written to."""
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 100 * SECOND), audio.SAMPLE_RATE)
    memory = AudioMemory(1e9)
    load = AtLevel(memory.load, -40.0)
    path = str(tmp_path / "a.wav")
    here = load(path)
    assert dbfs(memory.load(path)) == pytest.approx(-9.03, abs=0.01)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(load))(path), here)
