"""Everything that an audit wants to know of a clip's sound, from decoding it once."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.audit.sound.fingerprint import Fingerprint, fingerprint
from emospeech.runtime.console import track

FRAME = SAMPLE_RATE // 40  # samples: 25 ms
QUIET = 0.01  # amplitude relative to the loud frames (-40 dB): below it is silence before or after speech
LOUD = 95  # percentile of the frames' levels that counts as loud
FULL_SCALE = 0.99
FLAT = 3  # samples in a row at full scale that no voice makes


@dataclass(frozen=True)
class Sound:
    """What was heard of one clip; the measures are zero where nothing could be."""

    fault: str | None  # why it cannot serve
    missing: bool = False  # there is no such file
    silent: bool = False  # not even noise
    seconds: float = 0.0
    rate: int | None = None  # Hz in the file; None where libsndfile cannot tell
    level: float = 0.0  # dB below full scale, root mean square
    clipped: float = 0.0  # share of samples in runs at full scale
    offset: float = 0.0  # mean of the samples
    lead: float = 0.0  # seconds of silence before the first sound
    trail: float = 0.0  # seconds of silence after the last
    content: str | None = None  # hash of the decoded samples; None for silence
    prints: Fingerprint | None = None


def listen(paths: Sequence[str | None]) -> tuple[Sound | None, ...]:
    """Each file decoded once, in threads; None where there is no path. Waveforms are not kept."""
    different = sorted({path for path in paths if path is not None and not pd.isna(path)})
    pool = ThreadPoolExecutor(os.cpu_count())  # libsndfile, soxr and scipy let go of the interpreter while they work
    try:
        sounds = dict(zip(different, track(pool.map(measure, different), "listening", len(different)), strict=True))
    finally:
        pool.shutdown(cancel_futures=True)
    return tuple(None if path is None or pd.isna(path) else sounds[path] for path in paths)


def measure(path: str) -> Sound:
    """What there is to hear in a file."""
    try:
        waveform = audio.load(path)
    except audio.BadAudio as error:
        return Sound(str(error).removeprefix(f"{path}: "), missing=not audio.is_file(path))
    seconds, rate = len(waveform) / SAMPLE_RATE, _rate(path)
    if len(waveform) < audio.MIN_SAMPLES:
        return Sound(f"too short: {len(waveform)} samples at 16 kHz", seconds=seconds, rate=rate)
    if np.abs(waveform).max() < audio.SILENCE:
        return Sound("silent: no sample differs from zero", silent=True, seconds=seconds, rate=rate)
    lead, trail = _silence(waveform)
    return Sound(
        fault=None,
        seconds=seconds,
        rate=rate,
        level=float(10 * np.log10(np.square(waveform, dtype=np.float64).mean())),
        clipped=clipped(waveform),
        offset=float(waveform.mean(dtype=np.float64)),
        lead=lead,
        trail=trail,
        content=hashlib.sha256(np.rint(waveform * 32767).astype("<i2").tobytes()).hexdigest(),
        prints=fingerprint(waveform),
    )


def clipped(waveform: np.ndarray) -> float:
    """Share of samples that stand at full scale in runs of at least `FLAT`.

    >>> clipped(np.array([0.0, 1.0, 1.0, 1.0, 0.5, 1.0, -1.0, 0.0]))
    0.375
    """
    full = np.concatenate([[False], np.abs(waveform) >= FULL_SCALE, [False]])
    starts, ends = np.flatnonzero(np.diff(full))[::2], np.flatnonzero(np.diff(full))[1::2]
    lengths = ends - starts
    return float(lengths[lengths >= FLAT].sum() / len(waveform))


def _silence(waveform: np.ndarray) -> tuple[float, float]:
    """Seconds of silence before the first and after the last sound."""
    frames = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME)
    level = np.sqrt(np.square(frames).mean(axis=1))
    sound = np.flatnonzero(level > QUIET * np.percentile(level, LOUD))
    if not len(sound):
        return 0.0, 0.0
    return float(sound[0]) * FRAME / SAMPLE_RATE, float(len(level) - 1 - sound[-1]) * FRAME / SAMPLE_RATE


def _rate(path: str) -> int | None:
    found = audio.header(path)
    return None if found is None else int(found.samplerate)
