"""Fingerprints of sound, by which a clip is known again that was cut, made louder or encoded anew.

After Haitsma and Kalker, "A highly robust audio fingerprinting system" (ISMIR 2002): of each frame 32 bits, whether the
difference of energy between neighbouring bands grows. The frames overlap so far that a cut between two of them
changes few bits. Two clips are one sound if they are alike, bit by bit, along most of the shorter one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from emospeech.data.audio import SAMPLE_RATE

FRAME = 2048  # samples: 128 ms
HOP = 128  # samples: 8 ms
BITS = 32
LOWEST, HIGHEST = 300.0, 3400.0  # Hz: what telephones and low bit rates keep
QUIET = 1e-4  # energy relative to the loudest frame (-40 dB): below, there is noise, of which an encoder keeps nothing
FRAMES_AT_A_TIME = 1024

MIN_FRAMES = 40  # frames that must be compared: 0.32 s
SHORTER = 0.5  # share of the shorter clip's sound that the overlap must hold
# Share of bits that may differ. Clips that were cut, made louder or encoded as mp3 at a low rate differ in up to 0.15,
# two takes of one word by one speaker in 0.22 and more (docs/audit.md).
ERROR = 0.2
PROBES = np.array([k for k in range(-128, 129, 16) if k])  # frames from an equal one: up to a second before and after
PROBE_ERROR = 0.3  # of their bits
PAIRS_AT_A_TIME = 1 << 17
NEIGHBOURS = 16  # clips with one and the same 32 bits: each is held against so many of the next


@dataclass(frozen=True)
class Fingerprint:
    """The bits of each frame, and whether anything is to be heard in it."""

    bits: np.ndarray  # uint32 (frames,)
    heard: np.ndarray  # bool (frames,)


@dataclass(frozen=True)
class Match:
    """Two clips of one sound."""

    one: int
    other: int
    error: float  # share of bits that differ


def fingerprint(waveform: np.ndarray) -> Fingerprint:
    """The fingerprint of float32 (time,) at 16 kHz; of no frames where the clip is shorter than two."""
    energies = [_energies(waveform, start) for start in range(0, _frames(len(waveform)), FRAMES_AT_A_TIME)]
    if not energies or _frames(len(waveform)) < 2:
        return Fingerprint(np.empty(0, dtype=np.uint32), np.empty(0, dtype=bool))
    bands = np.concatenate(energies)  # (frames, bands)
    across = bands[:, :-1] - bands[:, 1:]
    grows = np.diff(across, axis=0) > 0  # (frames - 1, bits)
    bits = np.packbits(grows, axis=1, bitorder="little").view(np.uint32)[:, 0]
    total = bands[1:].sum(axis=1)
    return Fingerprint(bits, total > QUIET * total.max())


def matches(prints: Sequence[Fingerprint]) -> list[Match]:
    """All pairs that are one sound; a pair of three or more equal ones may be missing where others link it."""
    found: dict[tuple[int, int], float] = {}
    for one, other, shift in _candidates(prints):
        error = difference(prints[one], prints[other], shift)
        if error <= ERROR:
            found[one, other] = min(error, found.get((one, other), 1.0))
    return [Match(one, other, error) for (one, other), error in sorted(found.items())]


def difference(one: Fingerprint, other: Fingerprint, shift: int) -> float:
    """Share of bits that differ where `other` starts `shift` frames after `one`; 1 where too little is in both."""
    start, end = max(shift, 0), min(len(one.bits), len(other.bits) + shift)
    if end - start < MIN_FRAMES:
        return 1.0
    mine, theirs = slice(start, end), slice(start - shift, end - shift)
    heard = one.heard[mine] & other.heard[theirs]
    least = max(MIN_FRAMES, SHORTER * min(one.heard.sum(), other.heard.sum()))
    if heard.sum() < least:
        return 1.0
    differ = np.bitwise_count(one.bits[mine] ^ other.bits[theirs])[heard]
    return float(differ.mean()) / BITS


def _candidates(prints: Sequence[Fingerprint]) -> list[tuple[int, int, int]]:
    """(one, other, shift) that make a frame of each equal and others near it alike: those that are worth comparing."""
    if not prints:
        return []
    lengths = np.array([len(one.bits) for one in prints])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    bits, heard = np.concatenate([one.bits for one in prints]), np.concatenate([one.heard for one in prints])
    clip = np.repeat(np.arange(len(prints), dtype=np.int32), lengths)
    frames = np.flatnonzero(heard)
    frames = frames[np.argsort(bits[frames], kind="stable")]  # of equal frames those of the first clip come first
    found = []
    for lag in range(1, NEIGHBOURS + 1):
        one, other = frames[:-lag], frames[lag:]
        equal = (bits[one] == bits[other]) & (clip[one] != clip[other])
        one, other = one[equal], other[equal]
        for start in range(0, len(one), PAIRS_AT_A_TIME):
            mine, theirs = one[start : start + PAIRS_AT_A_TIME], other[start : start + PAIRS_AT_A_TIME]
            close = _alike_around(bits, heard, clip, mine, theirs)
            mine, theirs = mine[close], theirs[close]
            shift = (mine - starts[clip[mine]]) - (theirs - starts[clip[theirs]])
            found.append(np.stack([clip[mine], clip[theirs], shift], axis=1))
    different = np.unique(np.concatenate(found), axis=0) if found else np.empty((0, 3), dtype=int)
    return [(one, other, shift) for one, other, shift in different.tolist()]


def _alike_around(
    bits: np.ndarray, heard: np.ndarray, clip: np.ndarray, one: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """Whether frames before and after two equal ones are alike, too, bool (pairs,): most pairs are equal by chance."""
    here, there = one[:, None] + PROBES, other[:, None] + PROBES
    inside = (here >= 0) & (there >= 0) & (here < len(bits)) & (there < len(bits))
    here, there = np.where(inside, here, 0), np.where(inside, there, 0)
    inside &= (clip[here] == clip[one][:, None]) & (clip[there] == clip[other][:, None]) & heard[here] & heard[there]
    differ = np.bitwise_count(bits[here] ^ bits[there]) * inside
    return differ.sum(axis=1) <= PROBE_ERROR * BITS * inside.sum(axis=1)


def _frames(samples: int) -> int:
    return max((samples - FRAME) // HOP + 1, 0)


def _energies(waveform: np.ndarray, start: int) -> np.ndarray:
    """Energy by band, float32 (frames, bands), of at most `FRAMES_AT_A_TIME` frames from the frame `start` on."""
    from scipy.fft import rfft

    end = min(start + FRAMES_AT_A_TIME, _frames(len(waveform)))
    piece = waveform[start * HOP : (end - 1) * HOP + FRAME]
    frames = np.lib.stride_tricks.sliding_window_view(piece, FRAME)[::HOP]
    spectrum = rfft(frames * np.hanning(FRAME).astype(np.float32), axis=1)
    lowest, weights = _bands()
    part = spectrum[:, lowest : lowest + len(weights)]
    return (part.real**2 + part.imag**2) @ weights


@cache
def _bands() -> tuple[int, np.ndarray]:
    """(first bin, which bin belongs to which of 33 bands: float32 (bins, bands)); bands are even in log frequency."""
    edges = np.geomspace(LOWEST, HIGHEST, BITS + 2) * FRAME / SAMPLE_RATE
    bins = np.arange(int(edges[0]), int(np.ceil(edges[-1])) + 1)
    # a bin that two bands share is divided between them
    low, high = np.maximum(edges[:-1], bins[:, None] - 0.5), np.minimum(edges[1:], bins[:, None] + 0.5)
    return int(bins[0]), np.clip(high - low, 0, None).astype(np.float32)
