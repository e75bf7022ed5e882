"""Does the audit's fingerprint know a changed clip again, and does it take two takes of one sentence for one?

    OMP_NUM_THREADS=1 python benchmarks/audit_fingerprint.py FOLDER…

For each folder of sound: the bits that differ between clips and what becomes of them when they are cut, made louder,
encoded or recorded in noise; and the pairs of different clips that come nearest to being one sound.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from emospeech.corpora.base import sounds
from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.audit.sound import fingerprint as prints
from emospeech.data.audit.sound.fingerprint import fingerprint, matches

CLIPS = 60  # of each folder, drawn with seed 0
CUT = 4800 + 37  # samples: 0.3 s and a part of a frame


def changed(waveform: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """(what was done, waveform) of each change."""
    loud = np.abs(waveform).max()
    yield "cut by 0.3 s", waveform[CUT:]
    yield "12 dB quieter", waveform / 4
    yield "3.5 dB into clipping", np.clip(waveform * 1.5 / loud, -1, 1)
    for level, rate in ((0.1, 146), (0.5, 81), (0.9, 24)):
        yield f"mp3, {rate} kbit/s", _as_mp3(waveform, level)
    noise = rng.standard_normal(len(waveform)) * np.sqrt(np.square(waveform).mean())
    yield "noise 20 dB below", waveform + 0.1 * noise
    yield "cut, mp3, 24 kbit/s", _as_mp3(waveform[CUT:], 0.9)


def _as_mp3(waveform: np.ndarray, level: float) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, format="MP3", compression_level=level, bitrate_mode="CONSTANT")
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


def known_again(waveforms: list[np.ndarray], seed: int = 0) -> dict[str, list[float]]:
    """What was done -> share of bits that differ, a clip; 1 where the clip is not found."""
    rng = np.random.default_rng(seed)
    errors: dict[str, list[float]] = {}
    for k in rng.choice(len(waveforms), min(CLIPS, len(waveforms)), replace=False):
        original = fingerprint(waveforms[k])
        for name, waveform in changed(waveforms[k], rng):
            found = matches([original, fingerprint(waveform.astype(np.float32))])
            errors.setdefault(name, []).append(found[0].error if found else 1.0)
    return errors


def main(folders: list[str]) -> None:
    for folder in folders:
        paths = list(sounds(Path(folder)))
        waveforms = [audio.load(path) for path in paths]
        print(f"{folder}: {len(paths)} clips, {sum(map(len, waveforms)) / SAMPLE_RATE / 60:.0f} min")
        for name, errors in known_again(waveforms).items():
            found = [error for error in errors if error < 1]
            bits = f"bits that differ {np.median(found):.3f}, at most {max(found):.3f}"
            print(f"  {name:<22} found {len(found)} of {len(errors)}, {bits}")
        allowed, prints.ERROR = prints.ERROR, 0.5
        near = sorted(match.error for match in matches([fingerprint(waveform) for waveform in waveforms]))
        prints.ERROR = allowed
        taken = [error for error in near if error <= allowed]
        left = [f"{error:.3f}" for error in near if error > allowed][:3]
        exact, pairs = sum(error == 0 for error in taken), len(paths) * (len(paths) - 1) // 2
        print(f"  {pairs} pairs: {len(taken)} taken for one sound, {exact} of these without a bit that differs")
        print(f"  bits that differ in the next: {', '.join(left) or 'none near enough to be compared'}")


if __name__ == "__main__":
    main(sys.argv[1:])
