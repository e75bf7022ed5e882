"""The sets of contours and covariances: shapes worked out by hand, oracles, what must not change them, odd clips."""

import numpy as np
import pytest
from scipy.linalg import logm

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.functionals import contours, covariances
from emospeech.encoders.functionals.contours import shape, turns
from emospeech.encoders.functionals.covariances import SHRINKAGE, log_correlations
from emospeech.encoders.functionals.statistics import delta

SETS = {"contours": (contours.contours, contours.names), "covariances": (covariances.covariances, covariances.names)}


def voice(hertz, seconds=1.0):
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    partials = sum(0.3 / 2**k * np.sin(2 * np.pi * k * hertz * time) for k in range(1, 11))
    return (partials + 1e-4 * np.random.default_rng(0).standard_normal(len(time))).astype("f4")


def test_a_parabola_and_its_levels():
    time = np.linspace(-1, 1, 201)
    found = {name: value[0] for name, value in shape((3 + 2 * time + 5 * time**2)[:, None]).items()}
    assert found["line"] == pytest.approx(2)
    assert found["bend"] == pytest.approx(5)
    assert found["off"] == pytest.approx(0, abs=1e-6)
    assert found["highest_at"] == pytest.approx(200 / 201)
    assert found["lowest_at"] == pytest.approx(80 / 201)  # at -2 / (2 x 5)
    assert found["rising"] == pytest.approx(0.6, abs=0.01)


def test_times_above_levels_of_a_ramp():
    found = {name: value[0] for name, value in shape(np.arange(1001.0)[:, None]).items()}
    assert [found[f"up_{level}"] for level in (25, 50, 75, 90)] == pytest.approx([0.745, 0.5, 0.255, 0.108], abs=0.002)
    assert [found[f"p{level}"] for level in (10, 30, 70, 90, 99, 1)] == [100, 300, 700, 900, 990, 10]


def test_echoes_of_a_wave():
    """A period of 16 frames: in step after 16, against itself after 8, neither after 4."""
    found = shape(np.sin(2 * np.pi * np.arange(1600) / 16)[:, None])
    assert [found[f"echo_{lag}"][0] for lag in (4, 8, 16)] == pytest.approx([0, -1, 1], abs=0.01)


def test_peaks_and_valleys_of_a_triangle():
    """Ten teeth of 20 frames up and 20 down, 0 to 20: smoothed, all alike, and a step a frame on the slopes."""
    tooth = np.concatenate([np.arange(20.0), 20 - np.arange(20.0)])
    found = {name: value[0] for name, value in turns(np.tile(tooth, 10)[:, None]).items()}
    assert found["peak_rate"] == pytest.approx(10 / 400)
    assert found["peak_std"] == pytest.approx(0, abs=1e-6)
    assert found["peak_mean"] + found["valley_mean"] == pytest.approx(20)
    assert 17 < found["peak_to_valley"] < 20
    assert found["rise"] == pytest.approx(1, abs=0.1)
    assert found["fall"] == pytest.approx(-1, abs=0.1)


def test_a_contour_without_turns():
    found = turns(np.full((7, 1), 4.0))
    assert [found[name][0] for name in ("peak_rate", "peak_mean", "valley_mean", "peak_to_valley")] == [0, 4, 4, 0]
    assert [found[name][0] for name in ("peak_std", "rise", "fall")] == [0, 0, 0]


def test_the_logarithm_of_correlations_as_scipy_has_it():
    values = np.random.default_rng(0).standard_normal((300, 6)) @ np.random.default_rng(1).standard_normal((6, 6))
    unit = (values - values.mean(axis=0)) / values.std(axis=0)
    shrunk = (1 - SHRINKAGE) * np.corrcoef(unit.T) + SHRINKAGE * np.eye(6)
    np.testing.assert_allclose(log_correlations(unit), logm(shrunk).real, atol=1e-9)


def test_delta_of_a_line_and_of_little():
    assert delta(np.stack([3 * np.arange(9.0)], axis=1))[2:-2] == pytest.approx(3)
    assert not delta(np.arange(4.0)[:, None]).any()


@pytest.mark.parametrize("name", SETS)
def test_names_are_all_different_and_as_many_as_numbers(name):
    compute, names = SETS[name]
    assert len(set(names())) == len(names()) == len(compute(voice(150)))


@pytest.mark.parametrize("name", SETS)
def test_gain_and_silence_at_the_ends_change_nothing(name):
    compute, _ = SETS[name]
    sound = voice(150, 0.8)
    np.testing.assert_array_equal(compute(np.pad(sound, (5_001, 12_345))), compute(sound))
    np.testing.assert_allclose(compute(0.25 * sound), compute(sound), rtol=1e-3, atol=1e-3)


def test_rising_voices_rise():
    seconds = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    rising = (0.3 * np.sin(2 * np.pi * np.cumsum(110 * 2**seconds) / SAMPLE_RATE)).astype("f4")  # an octave
    found = dict(zip(contours.names(), contours.contours(rising).tolist(), strict=True))
    assert found["f0_line"] == pytest.approx(6, abs=0.3)  # semitones from the middle to the end
    assert found["f0_bend"] == pytest.approx(0, abs=0.3)
    waves = dict(zip(covariances.names(), covariances.covariances(rising).tolist(), strict=True))
    assert waves["f0_wave_1"] < -10 * abs(waves["f0_wave_2"]), "half a cosine falls"


ODD = {
    "nothing": np.zeros(0),
    "one sample": np.full(1, 0.5),
    "5 ms": 0.1 * np.random.default_rng(0).standard_normal(80),
    "one frame": 0.1 * np.random.default_rng(0).standard_normal(400),
    "two frames": 0.1 * np.random.default_rng(0).standard_normal(560),
    "silence": np.zeros(16_000),
    "a click": np.pad(np.full(3, 0.9), 8_000),
    "clicks far apart": np.concatenate([[0.5], np.zeros(16_000), [-0.5]]),
    "a slow drift": np.linspace(-1, 1, 16_000),
}


@pytest.mark.parametrize("clip", ODD)
@pytest.mark.parametrize("name", SETS)
def test_odd_clips_give_finite_numbers(name, clip):
    compute, names = SETS[name]
    found = compute(ODD[clip].astype("f4"))
    assert found.shape == (len(names()),)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert np.abs(found).max() < 1e5
