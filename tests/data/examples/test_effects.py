"""Each effect: does what it says, tells what it drew, and harms no odd clip; several of them as a chain."""

import pickle
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE as RATE
from emospeech.data.examples.augment import EFFECTS, Augmenter, Each, One, rms

FIRST = {"fraction": (0.4, 0.4)}  # of a mask


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 0)


def told(effect, waveform, samples=None, seed=0, **options):
    return Augmenter([EFFECTS[effect](**options)], One(1.0)).told(waveform, samples, rng(seed))


@pytest.fixture
def voice():
    noise = rng(1).standard_normal(2 * RATE)
    return (0.1 * noise * np.linspace(0.5, 1, len(noise))).astype(np.float32)


def sine(hertz, seconds=2.0):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def pitch_of(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), n=8 * RATE))
    return float(spectrum.argmax()) / 8


# -- any effect --------------------------------------------------------------------------------------------------


@given(
    name=st.sampled_from(sorted(EFFECTS)),
    length=st.sampled_from([0, 1, 2, 3, 63, 399, 400, 2047, 2048, 5000, 9000]),
    samples=st.sampled_from([None, 400, 8000]),
    level=st.sampled_from([0.0, 1e-7, 0.1, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=150, deadline=None)
def test_no_clip_breaks_an_effect(name, length, samples, level, seed):
    """Too short for a window, silent, faint, full scale, empty."""
    clip = (level * np.clip(rng(seed).standard_normal(length), -1, 1)).astype(np.float32)
    before = clip.copy()
    heard = told(name, clip, samples, seed)
    np.testing.assert_array_equal(clip, before)
    assert heard.waveform.dtype == np.float32
    assert np.isfinite(heard.waveform).all()
    if length == 0:
        assert len(heard.waveform) == 0
        assert not heard.done
        return
    assert [done.effect for done in heard.done] == [name]
    if samples is not None:
        assert len(heard.waveform) == samples
    elif name != "speed":
        assert len(heard.waveform) == length
    else:
        assert 1 <= len(heard.waveform) <= length / 0.9 + 1
    if level == 0 and name != "gaussian_noise":
        assert not heard.waveform.any()


@pytest.mark.parametrize("name", EFFECTS)
def test_the_global_generators_neither_decide_nor_move(name, voice):
    heard = []
    for state in (1, 2):
        random.seed(state)
        np.random.seed(state)  # noqa: NPY002
        before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
        heard.append(told(name, voice, 8000, seed=5))
        assert before == (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    np.testing.assert_array_equal(heard[0].waveform, heard[1].waveform)
    assert heard[0].done == heard[1].done
    assert not np.array_equal(heard[0].waveform, told(name, voice, 8000, seed=6).waveform)


@pytest.mark.parametrize("name", EFFECTS)
def test_worker_processes_are_sent_the_same(name, voice):
    augmenter = Augmenter([EFFECTS[name]()], Each([1.0]))
    sent = pickle.loads(pickle.dumps(augmenter))
    np.testing.assert_array_equal(sent(voice, 4000, rng(3)), augmenter(voice, 4000, rng(3)))


# -- one by one --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("semitones", [-3.0, -0.5, 2.0, 12.0])
def test_pitch_moves_by_its_semitones_and_nothing_else_does(semitones):
    heard = told("pitch", sine(220), semitones=[semitones, semitones])
    inner = heard.waveform[4000:-4000]
    assert 12 * np.log2(pitch_of(inner) / 220) == pytest.approx(semitones, abs=0.15)
    assert rms(inner) == pytest.approx(rms(sine(220)), rel=0.05)
    assert str(heard.done[0]) == f"pitch {semitones:+.1f} semitones"


def test_pitch_delays_nothing():
    burst = np.zeros(RATE, np.float32)
    burst[8000:9600] = sine(400, 0.1)
    for semitones in (-3.0, 3.0):
        energy = told("pitch", burst, semitones=[semitones, semitones]).waveform.astype(float) ** 2
        centre = (energy * np.arange(RATE)).sum() / energy.sum()
        assert centre == pytest.approx(8800, abs=80)  # 5 ms


def test_the_deviation_of_gaussian_noise_is_drawn_evenly_from_its_range(voice):
    drawn = [rms(told("gaussian_noise", voice, seed=k).waveform - voice) for k in range(200)]
    assert 0.98e-4 < min(drawn) < 1.5e-4
    assert 0.95e-3 < max(drawn) < 1.02e-3
    assert np.mean(drawn) == pytest.approx(5.5e-4, rel=0.08)
    silence = told("gaussian_noise", np.zeros(RATE, np.float32)).waveform
    assert rms(silence) > 0.98e-4, "it does not ask for the clip's level"


@pytest.mark.parametrize("db", [-6.0, 0.0, 6.0])
def test_gain_is_exact_and_clips_nothing(db, voice):
    heard = told("gain", 9 * voice, db=[db, db])
    np.testing.assert_allclose(heard.waveform, 9 * voice * 10 ** (db / 20), rtol=1e-6)
    assert str(heard.done[0]) == f"gain {db:+.1f} dB"


def test_a_mask_hides_what_it_says(voice):
    heard = told("time_mask", voice, **FIRST)
    start, end = (round(float(second) * RATE) for second in heard.done[0].drawn.removesuffix(" s").split(" to "))
    assert end - start == pytest.approx(0.4 * len(voice), abs=RATE // 50)
    slack = RATE // 100 + 80  # what is told is rounded to 10 ms; a fade takes 5 ms
    assert not heard.waveform[start + slack : end - slack].any()
    np.testing.assert_array_equal(heard.waveform[: start - slack], voice[: start - slack])
    np.testing.assert_array_equal(heard.waveform[end + slack :], voice[end + slack :])
    flat = told("time_mask", np.ones(RATE, np.float32), **FIRST).waveform
    assert np.abs(np.diff(flat)).max() < 0.02, "faded, no click"


def test_a_mask_in_seconds_or_of_noise(voice):
    heard = told("time_mask", voice, seconds=[0.25, 0.25])
    assert (heard.waveform == 0).sum() == pytest.approx(0.25 * RATE - 160, abs=2)
    assert not told("time_mask", voice[:1000], seconds=[0.25, 0.25]).waveform[100:-100].any(), "longer than the clip"
    floor = told("time_mask", voice, fraction=[1.0, 1.0], floor_db=-40.0).waveform[100:-100]
    assert 20 * np.log10(rms(floor) / rms(voice)) == pytest.approx(-40, abs=0.1)
    np.testing.assert_array_equal(told("time_mask", voice, fraction=[0.0, 0.0]).waveform, voice)


def test_masks_are_of_every_length_and_place(voice):
    hidden = [told("time_mask", voice, fraction=[0.0, 0.2], seed=k).waveform == 0 for k in range(200)]
    lengths = np.array([one.sum() / len(voice) for one in hidden])
    assert lengths.max() < 0.2
    assert lengths.mean() == pytest.approx(0.1, abs=0.02)
    assert (np.mean(hidden, axis=0)[3200:-3200] > 0.03).all()


def test_speed_between_two_factors():
    factors = [pitch_of(told("speed", sine(300), between=[0.8, 1.2], seed=k).waveform) / 300 for k in range(40)]
    assert 0.8 <= min(factors) < 0.84
    assert 1.16 < max(factors) <= 1.201


def test_recordings_are_told_by_name(tmp_path, voice):
    import soundfile

    soundfile.write(tmp_path / "street.wav", 0.1 * rng(3).standard_normal(RATE), RATE)
    assert told("noise", voice, folder=str(tmp_path)).done[0].drawn.endswith("dB (street.wav)")
    assert told("reverb", voice, folder=str(tmp_path)).done[0].drawn == "by street.wav"
    assert "synthetic" in str(told("noise", voice).done[0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pitch", {"semitones": [3.0, -3.0]}, "semitones should be two numbers, the lower one first, from -12 to 12"),
        ("pitch", {"semitones": [-30.0, 3.0]}, "from -12 to 12"),
        ("gain", {"db": [1.0]}, "db should be two numbers"),
        ("gain", {"db": [float("nan"), 1.0]}, "db should be two numbers"),
        ("gaussian_noise", {"amplitude": [-0.1, 0.1]}, "amplitude should be two numbers"),
        ("noise", {"snr_db": [25.0, 15.0]}, "the lower one first"),
        ("time_mask", {"fraction": [0.0, 1.5]}, "fraction should be two numbers, the lower one first, from 0 to 1"),
        ("time_mask", {"seconds": [0.0, 100.0]}, "seconds should be"),
        ("time_mask", {"floor_db": 3.0}, "floor_db should be -100 to 0"),
        ("speed", {"factors": []}, "factors should be numbers from 0.5 to 2"),
        ("speed", {"factors": [3.0]}, "factors should be numbers"),
        ("speed", {"between": [0.1, 1.0]}, "between should be"),
    ],
)
def test_ranges_that_are_none(name, options, message):
    with pytest.raises(ValueError, match=message):
        EFFECTS[name](**options)


# -- several -----------------------------------------------------------------------------------------------------


def test_each_by_its_own_probability(voice):
    shares = [0.9, 0.5, 0.1]
    drawing = Each(shares)
    drawn = [drawing(3, rng(k)) for k in range(4000)]
    assert [np.mean([k in one for one in drawn]) for k in range(3)] == pytest.approx(shares, abs=0.025)
    assert drawing.probability == pytest.approx(1 - 0.1 * 0.5 * 0.9)
    assert np.mean([bool(one) for one in drawn]) == pytest.approx(drawing.probability, abs=0.015)
    together = np.mean([0 in one and 1 in one for one in drawn])
    assert together == pytest.approx(0.45, abs=0.025), "whatever the others do"


def test_given_one_the_others_are_as_likely_as_they_were():
    """The share of each among clips that are altered at all: P(k) / P(any)."""
    drawing = Each([0.2, 0.3, 0.0, 0.1])
    drawn = [drawing.some(4, rng(k)) for k in range(4000)]
    assert all(drawn)
    expected = [share / drawing.probability for share in (0.2, 0.3, 0.0, 0.1)]
    assert [np.mean([k in one for one in drawn]) for k in range(4)] == pytest.approx(expected, abs=0.03)
    assert Each([0.0]).some(1, rng()) == []
    assert Each([0.0, 1.0]).some(2, rng()) == [1]
    assert Each([1e-9]).some(1, rng()) == [0]


def test_a_chain_is_one_effect_after_another(voice):
    """Gain by 6 dB, then a mask: the same as the one on what the other gives."""
    gain, mask = EFFECTS["gain"](db=(6.0, 6.0)), EFFECTS["time_mask"](**FIRST)
    heard = Augmenter([gain, mask], Each([1.0, 1.0])).told(voice, None, rng(4))
    assert [done.effect for done in heard.done] == ["gain", "time_mask"]
    kept = heard.waveform != 0
    assert (~kept).mean() == pytest.approx(0.4, abs=0.01)
    assert rms(heard.waveform[kept]) / rms(voice[kept]) == pytest.approx(10 ** (6 / 20), rel=0.02)


def test_a_chain_takes_as_much_of_the_clip_as_its_speeds_need():
    """Two speeds of 1.25 on a crop of 1 s are 1.5625 s of the clip: a ramp that long nowhere starts anew."""
    faster = EFFECTS["speed"](factors=(1.25,))
    ramp = np.linspace(0, 1, int(1.6 * RATE), dtype=np.float32)
    for seed in range(5):
        heard = Augmenter([faster, EFFECTS["gain"](), faster], Each([1.0] * 3)).told(ramp, RATE, rng(seed))
        assert len(heard.waveform) == RATE
        assert (np.diff(heard.waveform[200:-200]) > 0).all()
        slope = np.diff(heard.waveform[200:-200]).mean() / 10 ** (float(heard.done[1].drawn.split()[0]) / 20)
        assert slope * len(ramp) == pytest.approx(1.5625, rel=0.02)


@given(
    names=st.lists(st.sampled_from(sorted(EFFECTS)), min_size=1, max_size=4),
    length=st.sampled_from([0, 1, 2, 399, 5000]),
    samples=st.sampled_from([None, 1, 400, 8000]),
    level=st.sampled_from([0.0, 1e-7, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_no_clip_breaks_a_chain(names, length, samples, level, seed):
    clip = (level * np.clip(rng(seed).standard_normal(length), -1, 1)).astype(np.float32)
    before = clip.copy()
    augmenter = Augmenter([EFFECTS[name]() for name in names], Each([1.0] * len(names)))
    heard = augmenter.told(clip, samples, rng(seed))
    np.testing.assert_array_equal(clip, before)
    assert np.isfinite(heard.waveform).all()
    assert heard.waveform.dtype == np.float32
    assert [done.effect for done in heard.done] == (names if length else [])
    if samples is not None and length:
        assert len(heard.waveform) == samples


def test_a_real_voice_through_everything(data_folder):
    clip = audio.load(sorted((data_folder / "emodb" / "wav").glob("*.flac"))[0])
    every = Augmenter([make() for make in EFFECTS.values()], Each([1.0] * len(EFFECTS)))
    heard = every.told(clip, int(2.5 * RATE), rng(2))
    assert [done.effect for done in heard.done] == list(EFFECTS)
    assert heard.waveform.shape == (40_000,)
    assert 0.2 < rms(heard.waveform) / rms(clip) < 4
