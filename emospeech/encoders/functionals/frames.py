"""A clip in overlapping frames, and what each frame's spectrum tells.

A waveform comes without its mean and scaled so that its loud frames have a mean square of 1: nothing here depends on
the recording's gain.
"""

import functools

import numpy as np
import scipy.fft

from emospeech.data.audio import SAMPLE_RATE

HOP = 160  # samples: 10 ms
WINDOW = 400  # samples: 25 ms
FFT = 512
HERTZ = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
HAMMING = np.hamming(WINDOW)
QUIETEST = 1e-8  # mean square that counts as silence: 80 dB below the loud frames
FLOOR = QUIETEST * (HAMMING**2).sum()  # of a bin's power: noise of that mean square
MEL_BANDS, MFCC = 32, 20
LOWEST = 60.0  # Hz of the mel bands
ROLLOFFS = (25, 50, 75, 90)  # percent of the power

Columns = dict[str, np.ndarray]  # descriptor -> (frames,)


def framed(waveform: np.ndarray, length: int) -> np.ndarray:
    """(time,) -> (frames, length): one every 10 ms, around the middle of a 25 ms window; 0 beyond the ends."""
    before = (length - WINDOW) // 2
    count = 1 + (len(waveform) - WINDOW) // HOP
    padded = np.pad(waveform, (before, length - WINDOW - before))
    return np.lib.stride_tricks.sliding_window_view(padded, length)[::HOP][:count]


def decibels(power: np.ndarray, floor: float = FLOOR) -> np.ndarray:
    return 10 * np.log10(power + floor)


def descriptors(waveform: np.ndarray) -> Columns:
    """All that needs no pitch, (frames,) each.

    Sources: Eyben et al. 2016 for slopes, alpha ratio and Hammarberg index; Peeters 2004 for moments and roll-offs.
    """
    frames = framed(waveform, WINDOW)
    power = np.abs(scipy.fft.rfft(frames * HAMMING, FFT)) ** 2  # (frames, bins)
    found = _waveform_columns(frames) | _moments(power) | _shape(power) | _tilt(power)
    mel = np.log(power @ _mel_filters().T + FLOOR)
    found |= {f"mfcc_{k}": c for k, c in enumerate(scipy.fft.dct(mel, norm="ortho", axis=1)[:, :MFCC].T)}
    return found | {f"mel_{k}": band for k, band in enumerate(mel.T)}


@functools.cache
def _mel_filters() -> np.ndarray:
    """(bands, bins), each summing to 1."""
    from librosa.filters import mel

    filters = mel(sr=SAMPLE_RATE, n_fft=FFT, n_mels=MEL_BANDS, fmin=LOWEST, htk=True, norm=None)
    weights: np.ndarray = filters / filters.sum(axis=1, keepdims=True)
    return weights


def _waveform_columns(frames: np.ndarray) -> Columns:
    energy = decibels((frames**2).mean(axis=1), QUIETEST)
    return {
        "energy": energy,  # dB above the loud frames
        "shimmer": np.abs(np.diff(energy, prepend=energy[:1])),  # dB from the frame before
        "zcr": np.diff(np.signbit(frames), axis=1).mean(axis=1),  # sign changes a sample
    }


def _moments(power: np.ndarray) -> Columns:
    """Of the spectrum as a distribution over kHz."""
    share = power / (power.sum(axis=1, keepdims=True) + FLOOR)
    khz = HERTZ / 1000
    centroid = share @ khz
    off = khz - centroid[:, None]
    bandwidth = np.sqrt((share * off**2).sum(axis=1)) + 1e-3
    rolled = np.cumsum(share, axis=1)
    rolloffs = {
        f"rolloff_{percent}": khz[np.minimum((rolled < percent / 100).sum(axis=1), len(khz) - 1)]
        for percent in ROLLOFFS
    }
    return {
        "centroid": centroid,
        "bandwidth": bandwidth,
        "skewness": (share * off**3).sum(axis=1) / bandwidth**3,
        "kurtosis": np.log1p((share * off**4).sum(axis=1) / bandwidth**4),
        "entropy": -(share * np.log(share + 1e-12)).sum(axis=1),
        **rolloffs,
    }


def _shape(power: np.ndarray) -> Columns:
    from librosa.feature import spectral_contrast

    magnitude = np.sqrt(power)
    unit = magnitude / (np.linalg.norm(magnitude, axis=1, keepdims=True) + np.sqrt(FLOOR))
    contrast = spectral_contrast(S=(magnitude + np.sqrt(FLOOR)).T, sr=SAMPLE_RATE)
    return {
        "flux": np.linalg.norm(np.diff(unit, axis=0, prepend=unit[:1]), axis=1),
        "flatness": np.log(power + FLOOR).mean(axis=1) - np.log(power.mean(axis=1) + FLOOR),
        **{f"contrast_{k}": band for k, band in enumerate(contrast)},
    }


def _tilt(power: np.ndarray) -> Columns:
    """How the power falls towards high frequencies, in dB and dB a kHz: effort and tension of a voice."""
    level = decibels(power)

    def within(low: float, high: float) -> np.ndarray:
        found: np.ndarray = (low <= HERTZ) & (high > HERTZ)
        return found

    def energy(low: float, high: float) -> np.ndarray:
        return decibels(power[:, within(low, high)].sum(axis=1))

    def slope(low: float, high: float) -> np.ndarray:
        khz = HERTZ[within(low, high)] / 1000
        off = khz - khz.mean()
        found: np.ndarray = level[:, within(low, high)] @ off / (off @ off)
        return found

    whole = decibels(power.sum(axis=1))
    return {
        "slope_0_500": slope(0, 500),
        "slope_500_1500": slope(500, 1500),
        "alpha_ratio": energy(50, 1000) - energy(1000, 5000),
        "hammarberg": level[:, within(0, 2000)].max(axis=1) - level[:, within(2000, 5000)].max(axis=1),
        "share_250_650": energy(250, 650) - whole,
        "share_1000_4000": energy(1000, 4000) - whole,
    }
