"""The own functionals: numbers computed by hand on synthetic sounds, what must not change them, and odd clips."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.functionals import functionals, names
from emospeech.encoders.functionals.statistics import change, distribution, modulation, runs, thirds


def sine(hertz, seconds=1.0, amplitude=0.3):
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)).astype("f4")


def voice(hertz, seconds=1.0):
    """Ten harmonics, each 6 dB below the one before, a little noise."""
    partials = sum(sine(k * hertz, seconds, 0.3 / 2**k) for k in range(1, 11))
    return (partials + 1e-4 * np.random.default_rng(0).standard_normal(len(partials))).astype("f4")


def told(waveform):
    return dict(zip(names(), functionals(waveform).tolist(), strict=True))


def test_names_are_all_different_and_as_many_as_numbers():
    assert len(set(names())) == len(names()) == len(functionals(sine(220)))


def test_a_tone():
    found = told(sine(220))
    assert found["f0_p50"] == pytest.approx(36, abs=0.02)  # semitones: three octaves above 27.5 Hz
    assert found["f0_std"] < 0.05
    assert found["voiced_share"] == 1
    assert found["zcr_p50"] == pytest.approx(2 * 220 / SAMPLE_RATE, rel=0.05)
    assert found["level"] == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.1)
    assert found["energy_p50"] == pytest.approx(0, abs=0.1)
    assert found["centroid_p50"] == pytest.approx(0.22, abs=0.01)  # kHz
    assert found["frames"] == 98  # (16000 - 400) // 160 + 1
    assert found["pause_rate"] == 0
    assert found["hnr_p50"] > 20


def test_noise_has_no_pitch_and_a_flat_spectrum():
    found = told((0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)).astype("f4"))
    assert found["voiced_share"] < 0.05
    assert found["centroid_mean"] == pytest.approx(4, abs=0.1)
    assert found["zcr_mean"] == pytest.approx(0.5, abs=0.02)
    assert found["flatness_mean"] == pytest.approx(-0.5772, abs=0.05)  # Euler's constant: of the exponential's log
    assert found["rolloff_50_mean"] == pytest.approx(4, abs=0.2)
    assert abs(found["slope_500_1500_mean"]) < 1


@pytest.mark.parametrize("hertz", [80, 110, 220, 330, 500])
def test_pitch_of_voices(hertz):
    found = told(voice(hertz))
    assert found["f0_p50"] == pytest.approx(12 * np.log2(hertz / 27.5), abs=0.1)
    assert found["h1_h2_p50"] == pytest.approx(6, abs=1.5)


def test_a_rising_voice():
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    found = told((0.3 * np.sin(2 * np.pi * np.cumsum(110 * 2**seconds) / SAMPLE_RATE)).astype("f4"))  # an octave
    assert found["f0_range"] == pytest.approx(0.8 * 12, abs=0.4)
    assert found["f0_slope"] == pytest.approx(6, abs=0.3)
    assert found["f0_delta_size"] == pytest.approx(0.12, abs=0.01)  # semitones in 10 ms
    assert found["f0_rising"] > 0.95
    assert found["f0_first"] == pytest.approx(-4, abs=0.3)


def test_syllables_and_pauses():
    """Eight bursts of 60 ms with pauses of 190 ms between them."""
    burst, pause = sine(200, 0.06) * np.hanning(960).astype("f4"), np.zeros(3040, dtype="f4")
    found = told(np.concatenate([burst, pause] * 8))
    assert found["syllable_rate"] == pytest.approx(8 / (found["frames"] / 100), rel=0.01)
    assert found["syllable_mean"] == pytest.approx(25, abs=0.2)  # frames of 10 ms
    assert found["pause_rate"] == pytest.approx(7 / (found["frames"] / 100), rel=0.01)
    assert found["energy_modulation_4_8"] > found["energy_modulation_1_2"] + 2


def test_a_formant():
    """Noise through one resonance at 1 kHz, 100 Hz wide."""
    from scipy.signal import lfilter

    radius, angle = np.exp(-np.pi * 100 / SAMPLE_RATE), 2 * np.pi * 1000 / SAMPLE_RATE
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE)
    found = told((0.005 * lfilter([1], [1, -2 * radius * np.cos(angle), radius**2], noise)).astype("f4"))
    assert found["formant_1_p50"] == pytest.approx(1.0, abs=0.06)


def test_silence_at_the_ends_changes_nothing():
    sound = voice(150, 0.8)
    padded = np.pad(sound, (5_001, 12_345))
    np.testing.assert_array_equal(functionals(padded), functionals(sound))


@pytest.mark.parametrize("gain", [0.05, 0.5, 3.0])
def test_gain_changes_the_level_alone(gain):
    sound, level = voice(150), names().index("level")
    one, other = functionals(sound), functionals((gain * sound).astype("f4"))
    assert other[level] - one[level] == pytest.approx(20 * np.log10(gain), abs=1e-3)
    np.testing.assert_allclose(np.delete(other, level), np.delete(one, level), rtol=2e-3, atol=2e-3)


ODD = {
    "nothing": np.zeros(0),
    "one sample": np.full(1, 0.5),
    "two samples": np.array([0.5, -0.5]),
    "5 ms": 0.1 * np.random.default_rng(0).standard_normal(80),
    "one frame": 0.1 * np.random.default_rng(0).standard_normal(400),
    "two frames": 0.1 * np.random.default_rng(0).standard_normal(560),
    "silence": np.zeros(16_000),
    "constant": np.full(16_000, 0.3),
    "a click": np.pad(np.full(3, 0.9), 8_000),
    "clicks far apart": np.concatenate([[0.5], np.zeros(16_000), [-0.5]]),
    "full scale": np.sign(sine(100)),
    "barely there": 2e-5 * np.random.default_rng(0).standard_normal(16_000),
    "a slow drift": np.linspace(-1, 1, 16_000),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_clips_give_finite_numbers(name):
    found = functionals(ODD[name].astype("f4"))
    assert found.shape == (len(names()),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e5


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-1, 1, width=32), st.integers(1, 700)), min_size=1, max_size=12))
def test_any_steps_give_finite_numbers(steps):
    waveform = np.concatenate([np.full(count, value, dtype=np.float32) for value, count in steps])
    assert np.isfinite(functionals(waveform)).all()


def test_without_sound_all_is_0_but_the_level():
    found = told(np.zeros(16_000, dtype="f4"))
    assert found.pop("level") == -100
    assert set(found.values()) == {0.0}


def test_real_clips_differ_and_repeat(data_folder):
    paths = sorted((data_folder / "emodb").rglob("*.flac"))[:3] or sorted((data_folder / "emodb").rglob("*.wav"))[:3]
    clips = [functionals(audio.load(path)) for path in paths]
    assert all(np.isfinite(clip).all() for clip in clips)
    assert not np.allclose(clips[0], clips[1])
    np.testing.assert_array_equal(functionals(audio.load(paths[0])), clips[0])


def test_statistics_by_hand():
    values = np.array([[1.0], [2.0], [3.0], [6.0]])
    found = {name: float(value[0]) for name, value in distribution(values).items()}
    assert found["mean"] == 3
    assert found["std"] == pytest.approx(np.sqrt(3.5))
    assert found["p50"] == 2.5
    assert found["skew"] == pytest.approx((-8 - 1 + 0 + 27) / 4 / 3.5**1.5, rel=1e-5)
    assert found["kurt"] == pytest.approx((16 + 1 + 0 + 81) / 4 / 3.5**2, rel=1e-5)
    assert found["slope"] == pytest.approx((-1 - 2 / 3 + 3 / 3 + 6) / (2 + 2 / 9))
    moved = {name: float(value[0]) for name, value in change(values).items()}
    assert moved["delta_size"] == 1.5  # of 1 and 2
    assert moved["delta_std"] == 0.5
    ends = {name: float(value[0]) for name, value in thirds(values).items()}
    assert ends == {"first": -2.0, "last": 3.0}
    assert runs(np.zeros(3, dtype=bool)).tolist() == []


def test_modulation_finds_its_band():
    seconds = np.arange(300) / 100
    for hertz, band in ((1.5, "1_2"), (3, "2_4"), (5.5, "4_8"), (11, "8_14"), (19, "14_25")):
        found = modulation(np.sin(2 * np.pi * hertz * seconds)[:, None])
        assert max(found, key=lambda name: found[name][0]) == f"modulation_{band}"
