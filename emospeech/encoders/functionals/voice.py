"""Pitch, harmonicity and formants of each frame."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.functionals.frames import FFT, FLOOR, HAMMING, WINDOW, Columns, decibels, framed

LOW, HIGH = 60, 600  # Hz of the pitches looked for
SHORTEST, LONGEST = SAMPLE_RATE // HIGH, SAMPLE_RATE // LOW  # samples of a period
FIELD = 960  # samples: 60 ms hold more than three periods of the lowest pitch
FIELD_FFT = 2048
HANN = np.hanning(FIELD)
A0 = 27.5  # Hz, from which semitones are counted

CANDIDATES = 6  # periods of each frame
PEAK = 0.25  # autocorrelation of a candidate, at least
UNVOICED = 0.45  # what a voiced frame's autocorrelation competes with (Boersma's voicing threshold)
SILENT = 0.03  # amplitude, relative to the loud frames, below which a frame is rather silence (silence threshold)
OCTAVE_COST = 0.01  # an octave: higher candidates are preferred a little
JUMP_COST = 0.03  # a semitone from one frame to the next
VOICING_COST = 0.14  # of a change between voiced and unvoiced

LPC = 10  # order: five resonances below
FORMANT_BAND = 5500  # Hz


@dataclass(frozen=True)
class Pitch:
    """Of each frame."""

    semitones: np.ndarray  # (frames,) above A0; NaN: unvoiced
    strength: np.ndarray  # (frames,) of the period, as normalised autocorrelation between 0 and 1
    power: np.ndarray  # (frames, bins) of the long frames' spectrum


def descriptors(waveform: np.ndarray) -> Columns:
    """(frames,) each; f0 and the harmonics' differences are NaN on unvoiced frames, formants where none is found."""
    found = pitch(waveform)
    odds = np.clip(found.strength, 1e-3, 1 - 1e-3)
    return {
        "f0": found.semitones,
        "strength": found.strength,
        "hnr": 10 * np.log10(odds / (1 - odds)),  # dB; Boersma 1993
        **_harmonics(found),
        **_formants(waveform),
    }


def pitch(waveform: np.ndarray) -> Pitch:
    """The pitch contour by autocorrelation: peaks of each frame, and the cheapest path through them.

    Source: Boersma 1993, "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of
    a sampled sound".
    """
    frames = framed(waveform, FIELD)
    frames = frames - frames.mean(axis=1, keepdims=True)
    power = np.abs(scipy.fft.rfft(frames * HANN, FIELD_FFT)) ** 2
    correlation = scipy.fft.irfft(power, FIELD_FFT)[:, : LONGEST + 2]
    window = scipy.fft.irfft(np.abs(scipy.fft.rfft(HANN, FIELD_FFT)) ** 2)[: LONGEST + 2]
    correlation = correlation / (correlation[:, :1] + FLOOR) / (window / window[0])
    periods, strength = _candidates(correlation)
    semitones = 12 * np.log2(SAMPLE_RATE / periods / A0)
    path = _path(semitones, strength, np.sqrt((frames**2).mean(axis=1)))
    rows = np.arange(len(path))
    voiced, taken = path < CANDIDATES, np.minimum(path, CANDIDATES - 1)
    strongest = correlation[:, SHORTEST:LONGEST].max(axis=1)
    return Pitch(
        semitones=np.where(voiced, semitones[rows, taken], np.nan),
        strength=np.clip(np.where(voiced, strength[rows, taken], strongest), 0, 1),
        power=power,
    )


def _candidates(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The highest peaks of each frame: their periods in samples, interpolated, and heights; 0 where there are fewer."""
    lags = np.arange(SHORTEST, LONGEST)
    here = correlation[:, lags]
    peaks = (here > correlation[:, lags - 1]) & (here >= correlation[:, lags + 1]) & (here > PEAK)
    worth = np.where(peaks, here - OCTAVE_COST * np.log2(lags / SHORTEST), -1.0)
    best = np.argsort(-worth, axis=1, kind="stable")[:, :CANDIDATES]
    at = lags[best]
    left, top, right = (np.take_along_axis(correlation, at + shift, axis=1) for shift in (-1, 0, 1))
    curve = left - 2 * top + right
    shift = np.divide(0.5 * (left - right), curve, out=np.zeros_like(top), where=curve < 0)
    worth = np.take_along_axis(worth, best, axis=1)
    return at + np.where(worth > 0, np.clip(shift, -0.5, 0.5), 0.0), np.where(worth > 0, top, 0.0)


def _path(semitones: np.ndarray, strength: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """Which candidate each frame takes, or `CANDIDATES`: unvoiced. Viterbi's algorithm."""
    quiet = np.maximum(0.0, 1 - amplitude / SILENT)
    octaves = np.log2(HIGH / A0) - semitones / 12  # below the highest
    worth = np.where(strength > 0, strength - OCTAVE_COST * octaves, -np.inf)
    local = np.column_stack([worth, UNVOICED + 0.5 * quiet])
    jumps = np.full((len(local), CANDIDATES + 1, CANDIDATES + 1), VOICING_COST)
    jumps[1:, :-1, :-1] = JUMP_COST * np.abs(semitones[:-1, :, None] - semitones[1:, None, :])
    jumps[:, -1, -1] = 0.0
    total, origins = local[0], np.zeros(local.shape, dtype=np.int64)
    for frame in range(1, len(local)):
        reached = total[:, None] - jumps[frame]
        origins[frame] = reached.argmax(axis=0)
        total = reached.max(axis=0) + local[frame]
    path = np.empty(len(local), dtype=np.int64)
    path[-1] = total.argmax()
    for frame in range(len(local) - 1, 0, -1):
        path[frame - 1] = origins[frame, path[frame]]
    return path


def _harmonics(found: Pitch) -> Columns:
    """dB between the first harmonic and the second, and the strongest partial around the third formant: how breathy."""
    level = decibels(found.power)
    width = SAMPLE_RATE / FIELD_FFT  # Hz of a bin
    voiced = np.isfinite(found.semitones)
    hertz = A0 * 2 ** (np.where(voiced, found.semitones, 0.0) / 12)

    def harmonic(number: int) -> np.ndarray:
        middle = np.clip(np.rint(number * hertz / width).astype(int), 2, level.shape[1] - 3)
        near = np.take_along_axis(level, middle[:, None] + np.arange(-2, 3), axis=1)
        found: np.ndarray = near.max(axis=1)
        return found

    first, third = harmonic(1), level[:, int(2200 / width) : int(3200 / width)].max(axis=1)
    columns = {"h1_h2": first - harmonic(2), "h1_a3": first - third}
    return {name: np.where(voiced, column, np.nan) for name, column in columns.items()}


def _formants(waveform: np.ndarray) -> Columns:
    """The first three resonances in kHz and the widths of two in 100 Hz, by linear prediction below 5.5 kHz."""
    emphasised = np.append(waveform[0], waveform[1:] - 0.97 * waveform[:-1])
    power = np.abs(scipy.fft.rfft(framed(emphasised, WINDOW) * HAMMING, FFT)) ** 2
    bins = int(FORMANT_BAND / SAMPLE_RATE * FFT)
    correlation = scipy.fft.irfft(power[:, : bins + 1], 2 * bins)[:, : LPC + 1]
    correlation[:, 0] = correlation[:, 0] * 1.0001 + FLOOR
    lags = np.abs(np.arange(LPC)[:, None] - np.arange(LPC))
    predictors = np.linalg.solve(correlation[:, lags], correlation[:, 1:, None])[..., 0]
    companion = np.zeros((len(predictors), LPC, LPC))
    companion[:, 0] = predictors
    companion[:, np.arange(1, LPC), np.arange(LPC - 1)] = 1
    roots = np.linalg.eigvals(companion)
    hertz = np.angle(roots) * FORMANT_BAND / np.pi
    widths = -np.log(np.abs(roots) + 1e-9) * 2 * FORMANT_BAND / np.pi
    plausible = (hertz > 150) & (hertz < 5300) & (widths < 900)
    hertz, widths = np.where(plausible, hertz, np.nan), np.where(plausible, widths, np.nan)
    order = np.argsort(hertz, axis=1)[:, :3]  # NaN last
    hertz, widths = (np.take_along_axis(one, order, axis=1) for one in (hertz, widths))
    formants = {f"formant_{k + 1}": hertz[:, k] / 1000 for k in range(3)}
    return formants | {f"width_{k + 1}": widths[:, k] / 100 for k in range(2)}
