"""Augmentation: exact where it can be, the same for the same seed, and harmless to odd clips."""

import numpy as np
import pytest
import soundfile

from emospeech.data.audio import SAMPLE_RATE as RATE
from emospeech.data.examples.augment import EFFECTS, Augmenter, Each, One, crop, rms
from emospeech.data.examples.augment.synthetic import synthetic_noise, synthetic_room
from emospeech.data.examples.augment.waves import add_noise


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed or 0)


def only(effect: str, **options) -> Augmenter:
    return Augmenter([EFFECTS[effect](**options)], One(1.0))


WINNER = ("speed", "reverb", "noise")  # of EmoSPeech 2024


def one_of(names, probability: float) -> Augmenter:
    return Augmenter([EFFECTS[name]() for name in names], One(probability))


@pytest.fixture
def voice():
    """Two seconds that nowhere repeat, float32."""
    noise = rng(1).standard_normal(2 * RATE)
    return (0.1 * noise * np.linspace(0.5, 1, len(noise))).astype(np.float32)


def pitch_of(waveform):
    spectrum = np.abs(np.fft.rfft(waveform * np.hanning(len(waveform)), n=4 * RATE))
    return float(spectrum.argmax()) / 4


# -- crops -------------------------------------------------------------------------------------------------------


def test_a_crop_is_a_stretch_of_the_clip(voice):
    starts = set()
    for seed in range(20):
        piece = crop(voice, 1000, rng(seed))
        start = int(np.flatnonzero(voice == piece[0])[0])
        np.testing.assert_array_equal(piece, voice[start : start + 1000])
        starts.add(start)
    assert len(starts) == 20


def test_every_start_can_be_drawn():
    drawn = {int(crop(np.arange(5.0), 3, rng(seed))[0]) for seed in range(60)}
    assert drawn == {0, 1, 2}


def test_a_short_clip_is_repeated_from_its_start():
    assert crop(np.array([1.0, 2.0, 3.0]), 7, rng()).tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert crop(np.array([1.0, 2.0]), 2, rng()).tolist() == [1, 2]
    assert crop(np.array([1.0, 2.0]), None, rng()).tolist() == [1, 2]


# -- the augmenter -----------------------------------------------------------------------------------------------


def test_probability_zero_is_a_plain_crop(voice):
    for never in (one_of(WINNER, 0.0), Augmenter([EFFECTS["gain"]()], Each([0.0]))):
        piece = never(voice, 1000, rng(3))
        start = int(np.flatnonzero(voice == piece[0])[0])
        np.testing.assert_array_equal(piece, voice[start : start + 1000])
        np.testing.assert_array_equal(never(voice, None, rng(3)), voice)


class Recorder:
    """An effect that only notes that it was there."""

    def __init__(self, name, heard):
        self.name, self.heard = name, heard

    def __call__(self, take, samples, generator):
        self.heard.append(self.name)
        return take(samples).then(np.zeros(1), self.name, "")


def test_the_share_of_augmented_clips_and_of_each_effect(voice):
    heard = []
    augmenter = Augmenter([Recorder(name, heard) for name in WINNER], One(0.6))
    for seed in range(3000):
        augmenter(voice, 10, rng(seed))
    assert len(heard) / 3000 == pytest.approx(0.6, abs=0.04)
    for name in WINNER:
        assert heard.count(name) / len(heard) == pytest.approx(1 / 3, abs=0.04)


def test_the_draws_of_older_recipes_stay(voice):
    """What 0.1 of this project drew for them, sample by sample: `probability`, then the effect, then its own."""
    expected = {
        8000: [0.6757, 0.37098, 0.5348, -0.20431, 0.18854, -0.39278, 0.7583, 1.16005, 0.41239, 0.16604, -1.23215],
        None: [0.31391, 0.26377, 0.31391, 0.54535, 0.2961, 0.19866, 0.88324, 0.31391, 0.31391, 0.80349, 0.26377],
    }
    for samples, values in expected.items():
        heard = [one_of(WINNER, 0.6)(voice, samples, rng(7, epoch, 5)) for epoch in range(len(values))]
        assert [out[100] + 10 * out[5000] for out in heard] == pytest.approx(values, abs=2e-5)


@pytest.mark.parametrize("effect", ["speed", "reverb", "noise"])
def test_a_seed_decides_everything(effect, voice):
    augmenter = only(effect)
    one, same, other = (augmenter(voice, 8000, rng(*seed)) for seed in ((7, 1, 5), (7, 1, 5), (7, 2, 5)))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("effect", ["speed", "reverb", "noise"])
@pytest.mark.parametrize("length", [1, 2, 399, 400, 7999, 8000, 8001, 32_000])
def test_the_length_is_exact_and_all_is_finite(effect, length, voice):
    for seed in range(4):
        out = only(effect)(voice[:length], 8000, rng(seed))
        assert out.shape == (8000,)
        assert out.dtype == np.float32
        assert np.isfinite(out).all()


@pytest.mark.parametrize("effect", ["speed", "reverb", "noise"])
@pytest.mark.parametrize("length", [1, 400, 5000])
def test_whole_clips(effect, length, voice):
    out = only(effect)(voice[:length], None, rng(2))
    assert np.isfinite(out).all()
    low, high = (length / 1.1, length / 0.9) if effect == "speed" else (length, length)
    assert low - 1 <= len(out) <= high + 1
    assert len(out) > 0


@pytest.mark.parametrize("effect", ["speed", "reverb", "noise"])
def test_silence_stays_silent(effect):
    out = only(effect)(np.zeros(4000, np.float32), 8000, rng())
    assert out.shape == (8000,)
    assert not out.any()


@pytest.mark.parametrize("effect", ["speed", "reverb", "noise"])
def test_the_clip_itself_is_not_touched(effect, voice):
    before = voice.copy()
    only(effect)(voice, 8000, rng())
    only(effect)(voice, None, rng())
    np.testing.assert_array_equal(voice, before)


# -- effects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.9, 1.1])
@pytest.mark.parametrize("samples", [None, RATE])
def test_speed_changes_pitch_by_its_factor(factor, samples):
    sine = np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE).astype(np.float32)
    out = only("speed", factors=[factor])(sine, samples, rng())
    assert pitch_of(out) == pytest.approx(300 * factor, abs=0.5)
    if samples is None:
        assert len(out) == pytest.approx(2 * RATE / factor, abs=1)


def test_speed_does_not_repeat_where_the_clip_is_long_enough(voice):
    """A crop of `samples` at factor 1.1 needs 1.1 times as much of the clip."""
    ramp = np.linspace(0, 1, 2 * RATE, dtype=np.float32)
    for seed in range(5):
        out = only("speed", factors=[1.1])(ramp, RATE, rng(seed))
        assert (np.diff(out[100:-100]) > 0).all()


def test_every_speed_is_drawn(voice):
    lengths = {len(only("speed", factors=[0.9, 1.0, 1.1])(voice, None, rng(seed))) for seed in range(30)}
    assert len(lengths) == 3


def test_reverb_keeps_length_level_and_place(voice):
    click = np.zeros(RATE, np.float32)
    click[3000] = 1.0
    for seed in range(5):
        wet = only("reverb")(click, None, rng(seed))
        assert np.abs(wet).argmax() == 3000  # the direct path is not delayed
        assert np.abs(wet[:3000]).max() < 1e-6  # nothing sounds before it
        assert rms(wet) == pytest.approx(rms(click), rel=1e-5)
        assert rms(only("reverb")(voice, None, rng(seed))) == pytest.approx(rms(voice), rel=1e-5)


def test_reverb_by_a_recorded_impulse_response(voice, tmp_path):
    """An echo at half the level 100 samples after a direct path that itself comes late."""
    impulse = np.zeros(500)
    impulse[50], impulse[150] = 0.8, 0.4
    soundfile.write(tmp_path / "room.wav", impulse, RATE, subtype="FLOAT")
    wet = only("reverb", folder=str(tmp_path))(voice, None, rng())
    expected = voice.astype(float)
    expected[100:] += 0.5 * voice[:-100]
    expected *= rms(voice) / rms(expected)
    np.testing.assert_allclose(wet, expected, atol=1e-6)


def test_synthetic_rooms_decay_by_60_db_within_their_time():
    for seed in range(5):
        room = synthetic_room(rng(seed))
        assert 0.2 * RATE <= len(room) <= 0.8 * RATE
        assert room[0] == np.abs(room).max() == 1.0
        late = np.sum(room[1:] ** 2)
        assert 0 <= -10 * np.log10(late) <= 10  # direct-to-reverberant ratio in dB
        tenth = len(room) // 10
        fall = 20 * np.log10(rms(room[1:tenth]) / rms(room[-tenth:]))
        assert fall == pytest.approx(54, abs=4)  # from the middle of the first tenth to that of the last


@pytest.mark.parametrize("snr", [-5.0, 0.0, 15.0, 25.0])
def test_the_signal_to_noise_ratio_is_exact(snr, voice):
    noise = rng(9).standard_normal(len(voice)) * 7
    added = add_noise(voice, noise, snr) - voice
    assert 20 * np.log10(rms(voice) / rms(added)) == pytest.approx(snr, abs=1e-6)
    assert np.corrcoef(added, noise)[0, 1] == pytest.approx(1.0)


@pytest.mark.parametrize("recorded", [True, False])
def test_the_ratio_is_drawn_evenly_from_its_range(recorded, voice, tmp_path):
    for seed, length in ((4, 500), (5, 90_000)):
        soundfile.write(tmp_path / f"{seed}.wav", 0.1 * rng(seed).standard_normal(length), RATE, subtype="FLOAT")
    folder = str(tmp_path) if recorded else None
    ratios = []
    for seed in range(200):
        noisy = only("noise", snr_db=[15.0, 25.0], folder=folder)(voice, None, rng(seed))
        ratios.append(20 * np.log10(rms(voice) / rms(noisy - voice)))
    assert min(ratios) > 14.99
    assert max(ratios) < 25.01
    assert np.mean(ratios) == pytest.approx(20, abs=0.8)
    assert np.std(ratios) == pytest.approx(10 / np.sqrt(12), abs=0.4)


def test_a_silent_noise_adds_nothing(voice):
    np.testing.assert_array_equal(add_noise(voice, np.zeros(len(voice)), 20.0), voice)


def test_synthetic_noise_is_white_to_brown():
    slopes = []
    for seed in range(60):
        spectrum = np.abs(np.fft.rfft(synthetic_noise(4 * RATE, rng(seed)))) ** 2
        low, high = spectrum[200:400].mean(), spectrum[20_000:22_000].mean()
        slopes.append(np.log10(low / high) / np.log10(21_000 / 300))
    assert min(slopes) > -0.2
    assert max(slopes) < 2.2
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.25)
