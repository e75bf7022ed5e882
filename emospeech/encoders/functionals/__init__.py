"""The own functionals: what a clip's frames tell of voice, spectrum and rhythm, as one vector of named numbers.

The descriptors follow eGeMAPS (Eyben et al. 2016) where it defines them, and are written anew on numpy and librosa.
"""

import functools

import numpy as np

from emospeech.data.audio import SAMPLE_RATE, SILENCE, at_least
from emospeech.encoders.functionals import frames, voice
from emospeech.encoders.functionals.frames import MEL_BANDS, WINDOW, Columns, framed
from emospeech.encoders.functionals.statistics import (
    FRAMES_A_SECOND,
    Numbers,
    change,
    distribution,
    modulation,
    named,
    runs,
    summary,
    thirds,
)

VERSION = 1  # raised when the same clip would give other numbers
LOUD = 95  # percentile of the frames' energies that is the clip's level
PADDING = 1e-4  # amplitude relative to the peak: below it the ends are digital silence, not room
ACTIVE = -35.0  # dB below it: speech; quieter frames are pauses
SYLLABLE = -20.0  # dB below it, that a peak of the energy must reach
SMOOTH = np.hanning(9) / np.hanning(9).sum()  # over 90 ms
GROUP = MEL_BANDS // 8  # mel bands of which one modulation is taken
VOICED = ("f0", "h1_h2", "h1_a3")  # descriptors of voiced frames alone
QUIETEST = -100.0  # dB: level of a clip without sound


def functionals(waveform: np.ndarray) -> np.ndarray:
    """float32 (time,) at 16 kHz -> float32 (D,), named by `names`; always finite.

    Digital silence at the ends is no part of the clip, nor are quiet ends (35 dB below its loud frames). Another gain
    changes `level` alone. A clip in which nothing is to be heard is 0 throughout, but for its level of -100 dB. A clip
    shorter than a frame of 25 ms is followed by silence up to that.
    """
    level, sound = scaled(waveform)
    if sound is None:
        return np.array([QUIETEST if name == "level" else 0.0 for name in names()], dtype=np.float32)
    return np.array(list(_numbers(level, sound).values()), dtype=np.float32)


@functools.cache
def names() -> tuple[str, ...]:
    """Of the numbers, (D,), as `mfcc_3_p95`."""
    return tuple(_numbers(0.0, np.sin(np.arange(SAMPLE_RATE // 4))))


def scaled(waveform: np.ndarray) -> tuple[float, np.ndarray | None]:
    """A clip's level in dB, and its sound as float64 without mean, scaled to a level of 0 dB; None: there is none."""
    peak = np.abs(waveform).max(initial=0.0)
    if peak < SILENCE:
        return QUIETEST, None
    there = np.flatnonzero(np.abs(waveform) >= peak * PADDING)
    sound = waveform[there[0] : there[-1] + 1].astype(np.float64)
    sound = sound - sound.mean()
    if np.abs(sound).max() < SILENCE:
        return QUIETEST, None
    sound = at_least(sound, WINDOW)
    loud = np.percentile((framed(sound, WINDOW) ** 2).mean(axis=1), LOUD)
    if loud == 0:  # a click in silence, shorter than a frame in twenty
        loud = (sound**2).mean()
    return float(10 * np.log10(loud)), sound / np.sqrt(loud)


def _numbers(level: float, sound: np.ndarray) -> Numbers:
    """All numbers of a clip, in their order."""
    columns, active = spoken(sound)
    voiced = np.isfinite(columns["f0"])
    of_voice = {name: columns.pop(name) for name in VOICED}
    table = filled(columns, active)
    return {
        "level": level,
        **_of_pitch(of_voice, voiced),
        **_of_frames(list(columns), table, active, voiced),
        **_of_rhythm(table[:, list(columns).index("energy")], active, voiced),
        **_of_modulation(columns, of_voice["f0"]),
    }


def spoken(sound: np.ndarray) -> tuple[Columns, np.ndarray]:
    """A sound that was `scaled` -> descriptors from its first frame of speech to its last, and which frames are speech.

    Where none is, all frames are taken for it.
    """
    columns = frames.descriptors(sound) | voice.descriptors(sound)
    active = columns["energy"] > ACTIVE
    there = np.flatnonzero(active)
    if not len(there):
        return columns, np.ones(len(active), dtype=bool)
    span = slice(there[0], there[-1] + 1)
    return {name: column[span] for name, column in columns.items()}, active[span]


def filled(columns: Columns, active: np.ndarray) -> np.ndarray:
    """(frames, columns); where a descriptor is not defined, its median over speech, else 0."""
    table = np.column_stack(list(columns.values()))
    for column in table.T:  # views
        if not (known := np.isfinite(column)).all():
            of_speech = column[known & active]
            column[~known] = np.median(of_speech) if len(of_speech) else 0.0
    return table


def _of_pitch(of_voice: Columns, voiced: np.ndarray) -> Numbers:
    """The voice on voiced frames; how its pitch moves, in semitones, from frame to frame and over the clip."""
    table = np.column_stack(list(of_voice.values()))[voiced]
    pitch = of_voice["f0"]
    first, second = np.diff(pitch), np.diff(pitch, 2)
    first, second = first[np.abs(first) < 4], second[np.abs(second) < 2]  # neither NaN nor a jump of the tracker
    first, second = (steps if len(steps) else np.zeros(1) for steps in (first, second))
    rise, fall = first[first > 0], first[first < 0]
    low, high = np.percentile(first, (5, 95))
    semitones = table[:, :1] if len(table) else np.zeros((1, 1))
    return {
        **named(list(of_voice), distribution(table)),
        "f0_delta_size": float(np.abs(first).mean()),
        "f0_delta_std": float(first.std()),
        "f0_delta_p5": float(low),
        "f0_delta_p95": float(high),
        "f0_rising": float((first > 0.05).mean()),
        "f0_falling": float((first < -0.05).mean()),
        "f0_rise": float(rise.mean()) if len(rise) else 0.0,
        "f0_fall": float(fall.mean()) if len(fall) else 0.0,
        "f0_jitter": float(np.abs(second).mean()),
        "f0_jitter_median": float(np.median(np.abs(second))),
        "f0_range": float(np.subtract(*np.percentile(semitones, (90, 10)))),
        **named(["f0"], thirds(semitones)),
    }


def _of_frames(names: list[str], table: np.ndarray, active: np.ndarray, voiced: np.ndarray) -> Numbers:
    """Every other descriptor over speech; over its voiced and unvoiced frames apart; and how it moves."""
    sung, noise = (part if part.any() else active for part in (voiced, active & ~voiced))
    apart = {
        "voiced_mean": table[sung].mean(axis=0),
        "voiced_std": table[sung].std(axis=0),
        "unvoiced_mean": table[noise].mean(axis=0),
    }
    return named(names, {**distribution(table[active]), **change(table), **apart, **thirds(table)})


def _of_rhythm(energy: np.ndarray, active: np.ndarray, voiced: np.ndarray) -> Numbers:
    """Durations in frames of 10 ms, shares, and rates a second: of voiced stretches, pauses, and syllables."""
    count = len(energy)
    padded = np.pad(energy, len(SMOOTH) // 2 + 1, constant_values=ACTIVE)  # around the clip it is quiet
    smooth = np.convolve(padded, SMOOTH, mode="valid")  # with one more at either end
    peaks = np.flatnonzero((smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & (smooth[1:-1] > SYLLABLE))
    stretches, pauses = runs(voiced), runs(~active)
    return {
        "frames": float(count),
        "voiced_share": float(voiced.mean()),
        "active_share": float(active.mean()),
        "stretch_rate": len(stretches) / count * FRAMES_A_SECOND,
        **summary("stretch", stretches),
        **summary("unvoiced", runs(~voiced)),
        "pause_rate": len(pauses) / count * FRAMES_A_SECOND,
        **summary("pause", pauses),
        "syllable_rate": len(peaks) / count * FRAMES_A_SECOND,
        **summary("syllable_energy", smooth[1:-1][peaks]),
        **summary("syllable", np.diff(peaks)),
    }


def _of_modulation(columns: Columns, pitch: np.ndarray) -> Numbers:
    """How energy, eight groups of mel bands, and pitch wax and wane."""
    voiced = np.isfinite(pitch)
    middle = float(np.median(pitch[voiced])) if voiced.any() else 0.0
    mel = np.column_stack([columns[f"mel_{k}"] for k in range(MEL_BANDS)])
    groups = mel.reshape(len(mel), -1, GROUP).mean(axis=2)
    table = np.column_stack([columns["energy"], groups, np.where(voiced, pitch - middle, 0.0)])
    return named(["energy", *(f"mels_{k}" for k in range(groups.shape[1])), "f0"], modulation(table))
