"""What each effect of `speech.augment` costs, and two ways to shift a pitch.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py CLIP [--seconds 2.5] [--repeats 30]

Milliseconds of processor time on one core, the median over draws of an effect's default range, on a crop of one
clip. Of the ways to shift a pitch by 3 semitones up and down: the level that is left, and by how much the middle of a
click is moved.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emospeech.data import audio
from emospeech.data.examples.augment import EFFECTS, Augmenter, One, crop, rms

METHODS = ("signalsmith_stretch", "librosa_phase_vocoder")  # of audiomentations' PitchShift


def milliseconds(work: Callable[[int], object], repeats: int) -> float:
    """The median of so many; the first, which imports, is left out."""
    times = []
    for number in range(repeats + 1):
        start = time.process_time()
        work(number)
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times[1:])


def shifted(waveform: np.ndarray, semitones: float, method: str) -> np.ndarray:
    from audiomentations import PitchShift

    shift = PitchShift(p=1.0, method=method)
    shift.parameters = {"should_apply": True, "num_semitones": semitones}
    shift.freeze_parameters()
    moved: np.ndarray = shift(waveform, audio.SAMPLE_RATE)
    return moved


def effects(waveform: np.ndarray, samples: int, repeats: int) -> list[str]:
    lines = ["| effect | ms |", "|---|---|"]
    for name, make in EFFECTS.items():
        augmenter = Augmenter([make()], One(1.0))
        spent = milliseconds(lambda k, do=augmenter: do(waveform, samples, np.random.default_rng(k)), repeats)
        lines.append(f"| `{name}` | {spent:.1f} |")
    return lines


def pitches(stretch: np.ndarray, repeats: int) -> list[str]:
    lines = ["| pitch shift by | semitones | ms | level (dB) | click moved (ms) |", "|---|---|---|---|---|"]
    click = np.zeros(audio.SAMPLE_RATE, dtype=np.float32)
    click[len(click) // 2] = 1.0
    for method in METHODS:
        for semitones in (-3.0, 3.0):
            spent = milliseconds(lambda _, s=semitones, m=method: shifted(stretch, s, m), repeats)
            level = 20 * np.log10(rms(shifted(stretch, semitones, method)) / rms(stretch))
            energy = shifted(click, semitones, method).astype(float) ** 2
            late = float((energy * np.arange(len(click))).sum() / energy.sum()) - len(click) // 2
            late *= 1000 / audio.SAMPLE_RATE
            lines.append(f"| {method} | {semitones:+.0f} | {spent:.1f} | {level:+.1f} | {late:+.1f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", type=Path)
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    waveform, samples = audio.load(arguments.clip), round(arguments.seconds * audio.SAMPLE_RATE)
    stretch = np.array(crop(waveform, samples, np.random.default_rng(0)))
    for line in [*effects(waveform, samples, arguments.repeats), "", *pitches(stretch, arguments.repeats)]:
        print(line)


if __name__ == "__main__":
    main()
