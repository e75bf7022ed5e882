"""Clips through drawn filters: what must hold of them."""

import numpy as np
import pytest

from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.audio.channel import through


def tone(hertz, seconds=1.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype("f4")


def test_the_same_clip_and_channel_give_the_same_and_others_another():
    sound = tone(220) + tone(1000)
    np.testing.assert_array_equal(through(sound, 1), through(sound.copy(), 1))
    assert not np.allclose(through(sound, 1), through(sound, 2))
    assert not np.allclose(through(sound, 1)[100:], through(sound[100:], 1), atol=1e-3), "each clip in its own way"


def test_a_filter_is_smooth_and_of_the_spread_that_is_said():
    """An impulse tells the gains; they lie around 0 dB, and neighbours differ little."""
    gains = []
    for channel in range(1, 200):
        impulse = np.zeros(1600, dtype="f4")
        impulse[800] = 1
        spectrum = np.fft.rfft(through(impulse, channel))
        gains.append(20 * np.log10(np.abs(spectrum)))
        assert np.abs(np.angle(spectrum * np.exp(2j * np.pi * np.arange(801) * 0.5))).max() < 0.01, "no shift in phase"
    at = np.array(gains)[:, [6, 150, 500]]  # 60, 1500 and 5000 Hz: knots
    assert at.mean(axis=0) == pytest.approx([0, 0, 0], abs=1)
    assert at.std(axis=0) == pytest.approx([4, 4, 4], rel=0.2)
    assert np.abs(np.diff(np.array(gains)[:, 50:], axis=1)).max() < 1.5


@pytest.mark.parametrize("samples", [0, 1, 2, 401])
def test_short_and_odd_lengths(samples):
    sound = np.full(samples, 0.5, dtype="f4")
    found = through(sound, 1)
    assert found.shape == sound.shape
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_silence_stays():
    assert not through(np.zeros(1000, dtype="f4"), 3).any()
