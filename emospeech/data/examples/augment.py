"""Augmentation of training waveforms: one effect a clip, as the EmoSPeech 2024 winner trained (arXiv 2407.12467).

Every draw comes from the generator handed in, which the dataset seeds by run, epoch and row: a resumed run, or one on
more processes, hears the same clips.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.data import audio
from emospeech.runtime.errors import UserError

SOUND_FILES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a")


@dataclass(frozen=True)
class Augmenter:
    """Draws a training example from a clip: a random crop with, sometimes, one effect."""

    probability: float = 0.6
    effects: Sequence[str] = ("speed", "reverb", "noise")
    speeds: Sequence[float] = (0.9, 1.1)
    snr_db: Sequence[float] = (15.0, 25.0)
    impulses: Sequence[np.ndarray] = field(default=())  # recorded impulse responses (time,); none: synthetic rooms
    noises: Sequence[np.ndarray] = field(default=())  # recorded noises (time,); none: synthetic noise

    def __call__(self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
        """float32 (time,) -> float32 (`samples`,), or of about its own length where `samples` is None."""
        if rng.random() >= self.probability:
            return crop(waveform, samples, rng)
        return self.altered(waveform, samples, rng)

    def altered(self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
        """The same, with an effect for certain."""
        return EFFECTS[str(rng.choice(list(self.effects)))](self, waveform, samples, rng).astype(np.float32)


def crop(waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
    """A random stretch of `samples`; a shorter clip is repeated to fill it. None: the clip as it is.

    >>> crop(np.array([1.0, 2.0, 3.0]), 5, np.random.default_rng(0)).tolist()
    [1.0, 2.0, 3.0, 1.0, 2.0]
    """
    if samples is None or len(waveform) == 0:
        return waveform
    if len(waveform) <= samples:
        return np.resize(waveform, samples)
    start = int(rng.integers(len(waveform) - samples + 1))
    return waveform[start : start + samples]


def speed(self: Augmenter, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
    """Tempo and pitch together, as sox's `speed`: factor 1.1 plays a stretch 1.1 times as long in the same time.

    Source: Ko et al. 2015, audio augmentation for speech recognition (doi 10.21437/Interspeech.2015-711).
    """
    import soxr

    factor = float(rng.choice(list(self.speeds)))
    stretch = crop(waveform, None if samples is None else int(np.ceil(samples * factor)), rng)
    changed = soxr.resample(stretch, audio.SAMPLE_RATE * factor, audio.SAMPLE_RATE)
    return changed if samples is None else np.resize(changed, samples)


def reverb(self: Augmenter, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
    """Convolution with an impulse response; length, direct path and loudness stay as they were.

    Source: Ko et al. 2017 (doi 10.1109/ICASSP.2017.7953152); rooms of the user's, or synthetic ones.
    """
    from scipy.signal import fftconvolve

    impulse = self.impulses[int(rng.integers(len(self.impulses)))] if len(self.impulses) else synthetic_room(rng)
    impulse = impulse[int(np.abs(impulse).argmax()) :]  # the direct path first, so that nothing is delayed
    dry = crop(waveform, samples, rng)
    wet = fftconvolve(dry, impulse)[: len(dry)]
    return wet * (rms(dry) / max(rms(wet), 1e-8))


def noise(self: Augmenter, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
    """Background noise over the whole crop, at a signal-to-noise ratio drawn evenly in dB.

    Source: Snyder et al. 2015, MUSAN (arXiv 1510.08484); recordings of the user's, or synthetic noise.
    """
    clean = crop(waveform, samples, rng)
    if len(self.noises):
        added = crop(self.noises[int(rng.integers(len(self.noises)))], len(clean), rng)
    else:
        added = synthetic_noise(len(clean), rng)
    return add_noise(clean, added, snr_db=float(rng.uniform(min(self.snr_db), max(self.snr_db))))


EFFECTS: dict[str, Callable[[Augmenter, np.ndarray, int | None, np.random.Generator], np.ndarray]] = {
    "speed": speed,
    "reverb": reverb,
    "noise": noise,
}


def add_noise(clean: np.ndarray, added: np.ndarray, snr_db: float) -> np.ndarray:
    """`clean` plus `added`, scaled so that 20 log10(rms(clean) / rms(added)) = `snr_db`. Silence stays silence.

    >>> noisy = add_noise(np.ones(4), np.array([1.0, -1.0, 1.0, -1.0]), snr_db=20.0)
    >>> np.round(noisy, 3).tolist()
    [1.1, 0.9, 1.1, 0.9]
    """
    level = rms(added)
    return clean if level == 0 else clean + added * (rms(clean) / level * 10 ** (-snr_db / 20))


def rms(waveform: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))) if len(waveform) else 0.0


def synthetic_room(rng: np.random.Generator) -> np.ndarray:
    """An impulse response: a direct path and exponentially decaying noise, reverberation time (RT60) 0.2 to 0.8 s.

    Polack's model of late reverberation (1988), direct-to-reverberant ratio 0 to 10 dB.
    """
    rt60 = rng.uniform(0.2, 0.8)
    time = np.arange(int(rt60 * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / rt60)  # -60 dB at t = RT60
    tail[0] = 0.0
    tail *= 10 ** (-rng.uniform(0, 10) / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def synthetic_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """Noise whose power falls as 1 / f^a, a between 0 (white) and 2 (brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples), 1 / max(samples, 1))
    return np.fft.irfft(spectrum * frequency ** (-rng.uniform(0, 2) / 2), n=samples)


class Sounds(Sequence[np.ndarray]):
    """Recordings on disk, each read when it is asked for: a collection of noises may be larger than the memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return audio.load(self.paths[index])


def sounds_in(folder: str, decode: bool = True) -> Sounds:
    """Every sound below a folder, sorted by path.

    `decode`: try each once now, so that none fails later.

    Raises:
        UserError: if there is none, or one cannot be read.
    """
    paths = sorted(path for path in Path(folder).expanduser().rglob("*") if path.suffix.lower() in SOUND_FILES)
    if not paths:
        raise UserError(f"{folder} holds no sound files ({', '.join(SOUND_FILES)})")
    broken = [f"{path}: {fault}" for path in paths if decode and (fault := audio.fault(path))]
    if broken:
        raise UserError(f"{folder}: {len(broken)} of {len(paths)} sounds cannot be used, the first: {broken[0]}")
    return Sounds(paths)
