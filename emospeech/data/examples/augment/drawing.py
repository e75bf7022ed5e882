"""Which effects a training clip gets, and the crop they work on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from emospeech.data.examples.augment.effects import Effect
from emospeech.data.examples.augment.waves import Heard, Take, crop


class Drawing(Protocol):
    """How effects are drawn."""

    @property
    def probability(self) -> float:
        """Of any effect at all."""

    def __call__(self, count: int, rng: np.random.Generator) -> list[int]:
        """Which of so many effects a clip gets, in their order; often none."""

    def some(self, count: int, rng: np.random.Generator) -> list[int]:
        """The same, given that it gets one."""


@dataclass(frozen=True)
class One:
    """With a probability one effect, drawn evenly, as the EmoSPeech 2024 winner trained (arXiv 2407.12467)."""

    probability: float = 0.6

    def __call__(self, count: int, rng: np.random.Generator) -> list[int]:
        return [] if rng.random() >= self.probability else self.some(count, rng)

    def some(self, count: int, rng: np.random.Generator) -> list[int]:
        return [int(rng.choice(count))]


@dataclass(frozen=True)
class Each:
    """Each effect by a probability of its own, whatever the others do."""

    probabilities: Sequence[float]

    @property
    def probability(self) -> float:
        return 1 - math.prod(1 - each for each in self.probabilities)

    def __call__(self, count: int, rng: np.random.Generator) -> list[int]:
        return [k for k, wanted in enumerate(self.probabilities) if rng.random() < wanted]

    def some(self, count: int, rng: np.random.Generator) -> list[int]:
        drawn: list[int] = []
        for k, wanted in enumerate(self.probabilities):
            any_left = 1 - math.prod(1 - each for each in self.probabilities[k:])
            if rng.random() < (wanted if drawn or not any_left else wanted / any_left):
                drawn.append(k)
        return drawn


@dataclass(frozen=True)
class Augmenter:
    """Draws a training example from a clip: a random crop with, sometimes, effects on it.

    Every draw comes from the generator handed in, which the dataset seeds by run, epoch and row: a resumed run, or one
    on more processes, hears the same clips.
    """

    effects: Sequence[Effect]
    drawing: Drawing = One()

    @property
    def probability(self) -> float:
        """Of any effect at all."""
        return self.drawing.probability

    def __call__(self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
        """float32 (time,) -> float32 (`samples`,), or of about its own length where `samples` is None."""
        return self.heard(waveform, samples, rng, self.drawing(len(self.effects), rng)).waveform

    def altered(self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> np.ndarray:
        """The same, with an effect for certain."""
        return self.told(waveform, samples, rng).waveform

    def told(self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator) -> Heard:
        """The same as `altered`, with what was done."""
        return self.heard(waveform, samples, rng, self.drawing.some(len(self.effects), rng))

    def heard(
        self, waveform: np.ndarray, samples: int | None, rng: np.random.Generator, chosen: Sequence[int]
    ) -> Heard:
        """A crop with these effects on it, the first first; an empty clip stays empty."""

        def plain(count: int | None) -> Heard:
            return Heard(crop(waveform, count, rng))

        take: Take = plain
        for number in chosen if len(waveform) else ():
            take = partial(_through, self.effects[number], take, rng)
        heard = take(samples)
        return heard if not heard.done else Heard(heard.waveform.astype(np.float32), heard.done)


def _through(effect: Effect, take: Take, rng: np.random.Generator, samples: int | None) -> Heard:
    return effect(take, samples, rng)
