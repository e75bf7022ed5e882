"""What can be done to a training clip; each effect tells what it drew.

An effect takes what it works on from what lies before it, the crop or another effect, in the length that it needs: to
play 2.5 s 1.1 times as fast it takes 2.75 s. All but `speed` give the length they take.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from emospeech.data import audio
from emospeech.data.examples.augment.sounds import Sounds, sounds_in
from emospeech.data.examples.augment.synthetic import synthetic_noise, synthetic_room
from emospeech.data.examples.augment.waves import Heard, Take, add_noise, crop, rms

FADE = audio.SAMPLE_RATE // 200  # samples = 5 ms, at each end of a mask: a hard edge would be heard as a click
SLOWEST, FASTEST = 0.5, 2.0


class Effect(Protocol):
    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        """`samples` of what it takes, altered; None: all of it."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Tempo and pitch together, as sox's `speed`: factor 1.1 plays a stretch 1.1 times as long in the same time.

    `factors`: one of them is drawn; `between`: two numbers between which the factor is drawn instead.

    Source: Ko et al. 2015, audio augmentation for speech recognition (doi 10.21437/Interspeech.2015-711).
    """

    factors: Sequence[float] = (0.9, 1.1)
    between: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not self.factors or not all(SLOWEST <= factor <= FASTEST for factor in self.factors):
            raise ValueError(f"factors should be numbers from {SLOWEST} to {FASTEST}, got {list(self.factors)}")
        if self.between is not None:
            _check_range("between", self.between, SLOWEST, FASTEST)

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        factor = float(rng.choice(list(self.factors))) if self.between is None else _drawn(self.between, rng)
        stretch = take(None if samples is None else int(np.ceil(samples * factor)))
        changed = audio.played_at(stretch.waveform, factor)
        return stretch.then(changed if samples is None else np.resize(changed, samples), "speed", f"× {factor:.3g}")


@dataclass(frozen=True, kw_only=True)
class Reverb:
    """Convolution with an impulse response; length, direct path and loudness stay as they were.

    `folder`: of recorded responses, one of which is drawn; null: synthetic rooms.

    Source: Ko et al. 2017 (doi 10.1109/ICASSP.2017.7953152); rooms of the user's, or synthetic ones.
    """

    folder: str | None = None
    recorded: Sounds = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "recorded", _sounds(self.folder))

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        from scipy.signal import fftconvolve

        if len(self.recorded):
            chosen = int(rng.integers(len(self.recorded)))
            impulse, drawn = self.recorded[chosen], f"by {self.recorded.paths[chosen].name}"
        else:
            impulse = synthetic_room(rng)
            drawn = f"in a synthetic room of {len(impulse) / audio.SAMPLE_RATE:.2f} s"
        impulse = impulse[int(np.abs(impulse).argmax()) :]  # the direct path first, so that nothing is delayed
        dry = take(samples)
        wet = fftconvolve(dry.waveform, impulse)[: len(dry.waveform)]
        return dry.then(wet * (rms(dry.waveform) / max(rms(wet), 1e-8)), "reverb", drawn)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Background noise over the whole crop, at a signal-to-noise ratio drawn evenly in dB.

    `folder`: of recorded noises, one of which is drawn; null: synthetic noise. Silence stays silence.

    Source: Snyder et al. 2015, MUSAN (arXiv 1510.08484); recordings of the user's, or synthetic noise.
    """

    snr_db: Sequence[float] = (15.0, 25.0)
    folder: str | None = None
    recorded: Sounds = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_range("snr_db", self.snr_db, -100, 100)
        object.__setattr__(self, "recorded", _sounds(self.folder))

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        clean = take(samples)
        if len(self.recorded):
            chosen = int(rng.integers(len(self.recorded)))
            added, name = crop(self.recorded[chosen], len(clean.waveform), rng), self.recorded.paths[chosen].name
        else:
            added, name = synthetic_noise(len(clean.waveform), rng), "synthetic"
        ratio = _drawn(self.snr_db, rng)
        return clean.then(add_noise(clean.waveform, added, ratio), "noise", f"at {ratio:.1f} dB ({name})")


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """White noise whose standard deviation is drawn evenly, whatever the clip's level.

    Source: the SE&R 2022 winner's, as audiomentations' AddGaussianNoise with these amplitudes.
    """

    amplitude: Sequence[float] = (1e-4, 1e-3)  # full scale is 1

    def __post_init__(self) -> None:
        _check_range("amplitude", self.amplitude, 0, 1)

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        clean, amplitude = take(samples), _drawn(self.amplitude, rng)
        noisy = clean.waveform + amplitude * rng.standard_normal(len(clean.waveform))
        return clean.then(noisy, "gaussian_noise", f"of {amplitude:.1e}")


@dataclass(frozen=True, kw_only=True)
class Pitch:
    """Pitch and formants moved by semitones, drawn evenly; tempo and length stay.

    By Signalsmith Stretch, as audiomentations gives it: on speech it keeps level and place, where librosa's phase
    vocoder, which takes as long, loses a third of the level (both: `benchmarks/augmentation.py`).

    Source: the SE&R 2022 winner's, ±3 semitones; Signalsmith Stretch (Luff, signalsmith-audio.co.uk).
    """

    semitones: Sequence[float] = (-3.0, 3.0)

    def __post_init__(self) -> None:
        _check_range("semitones", self.semitones, -12, 12)

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        from audiomentations import PitchShift

        clip, semitones = take(samples), _drawn(self.semitones, rng)
        shift = PitchShift(p=1.0)
        shift.parameters = {"should_apply": True, "num_semitones": semitones}
        shift.freeze_parameters()  # else it draws its own, from Python's global generator
        shifted = shift(np.ascontiguousarray(clip.waveform, dtype=np.float32), audio.SAMPLE_RATE)
        return clip.then(shifted, "pitch", f"{semitones:+.1f} semitones")


@dataclass(frozen=True, kw_only=True)
class Gain:
    """Another level, drawn evenly in dB; nothing is clipped.

    An encoder that normalises what it hears, as most pre-trained ones and `normalise: true` of a spectrogram do, does
    not notice.

    Source: audiomentations' Gain.
    """

    db: Sequence[float] = (-6.0, 6.0)

    def __post_init__(self) -> None:
        _check_range("db", self.db, -60, 60)

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        clip, level = take(samples), _drawn(self.db, rng)
        return clip.then(clip.waveform * 10 ** (level / 20), "gain", f"{level:+.1f} dB")


@dataclass(frozen=True, kw_only=True)
class TimeMask:
    """A stretch of the crop replaced by silence, or by white noise; its length drawn evenly, then its place.

    `fraction`: of the crop; `seconds`: the length itself instead. `floor_db`: the noise in its place, against the
    crop's level; null: zeros. Faded over 5 ms at each end.

    Source: Park et al. 2019, SpecAugment (arXiv 1904.08779), there on the spectrogram.
    """

    fraction: Sequence[float] = (0.0, 0.1)
    seconds: Sequence[float] | None = None
    floor_db: float | None = None

    def __post_init__(self) -> None:
        _check_range("fraction", self.fraction, 0, 1)
        if self.seconds is not None:
            _check_range("seconds", self.seconds, 0, 60)
        if self.floor_db is not None and not -100 <= self.floor_db <= 0:
            raise ValueError(f"floor_db should be -100 to 0, got {self.floor_db}")

    def __call__(self, take: Take, samples: int | None, rng: np.random.Generator) -> Heard:
        clip = take(samples)
        length = len(clip.waveform)
        in_samples = audio.SAMPLE_RATE if self.seconds is not None else length
        wanted = _drawn(self.fraction if self.seconds is None else self.seconds, rng) * in_samples
        hidden = min(round(wanted), length)
        start = int(rng.integers(length - hidden + 1))
        kept = np.ones(length)  # how much of each sample stays
        fade = np.linspace(1, 0, min(FADE, hidden // 2), endpoint=False)
        kept[start : start + hidden] = np.concatenate([fade, np.zeros(hidden - 2 * len(fade)), fade[::-1]])
        masked = clip.waveform * kept
        if self.floor_db is not None:
            level = rms(clip.waveform) * 10 ** (self.floor_db / 20)
            masked = masked + (1 - kept) * level * rng.standard_normal(length)
        ends = f"{start / audio.SAMPLE_RATE:.2f} to {(start + hidden) / audio.SAMPLE_RATE:.2f} s"
        return clip.then(masked, "time_mask", ends)


EFFECTS: dict[str, Callable[..., Effect]] = {
    "speed": Speed,
    "reverb": Reverb,
    "noise": Noise,
    "gaussian_noise": GaussianNoise,
    "pitch": Pitch,
    "gain": Gain,
    "time_mask": TimeMask,
}


def _check_range(name: str, values: Sequence[float], lowest: float, highest: float) -> None:
    if len(values) != 2 or not lowest <= values[0] <= values[1] <= highest:
        raise ValueError(
            f"{name} should be two numbers, the lower one first, from {lowest:g} to {highest:g}, got {list(values)}"
        )


def _drawn(bounds: Sequence[float], rng: np.random.Generator) -> float:
    return float(rng.uniform(bounds[0], bounds[1]))


def _sounds(folder: str | None) -> Sounds:
    """The recipe's check has decoded every recording already; that is not done again for each fit."""
    return sounds_in(folder, decode=False) if folder is not None else Sounds([])
