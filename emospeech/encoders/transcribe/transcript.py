"""What a recogniser gives, for a window and for a clip; and what a recogniser is."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

WINDOW_SECONDS = 30  # what Whisper hears at once
HOP = 160  # samples of a frame of its spectrogram: 10 ms
WINDOW_FRAMES = WINDOW_SECONDS * 100
FRAMES_PER_POSITION = 2  # timestamps count 20 ms


@dataclass(frozen=True)
class Decoded:
    """One decoding of one window."""

    tokens: tuple[int, ...]  # text and timestamps, without the end
    text: str
    avg_logprob: float  # mean over the tokens and the end
    no_speech_prob: float | None  # None: the model has no such token
    ended: bool  # False: the decoder ran out of positions


@dataclass(frozen=True)
class Transcript:
    """Of a clip. Figures are those of its worst window; None where the model was not asked."""

    text: str
    avg_logprob: float | None = None
    no_speech_prob: float | None = None
    compression_ratio: float | None = None
    flags: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        return asdict(self) | {"flags": list(self.flags)}

    @classmethod
    def of_plain(cls, values: dict[str, Any]) -> "Transcript":
        """
        Raises:
            KeyError, TypeError: if they are not `plain`'s.
        """
        return cls(**values | {"flags": tuple(values["flags"])})


class Recogniser(Protocol):
    """A Whisper checkpoint in memory. States are what its encoder gives, a tensor with a row for each window."""

    languages: Sequence[str]  # codes that it can be told to write
    timestamp_begin: int  # the first of the tokens that tell a time

    def spectrogram(self, waveform: np.ndarray) -> Any:
        """(samples,) -> tensor (bands, samples // 160 + 3000): 30 s without sound follow."""
        ...

    def encode(self, windows: Any) -> Any:
        """(B, bands, 3000) -> states (B, …)."""
        ...

    def decode(self, states: Any, language: str, temperature: float, seed: int) -> list[Decoded]:
        """Greedy at temperature 0, else sampled by `seed`; a row each."""
        ...

    def text(self, tokens: Sequence[int]) -> str:
        """What tokens spell, timestamps left out."""
        ...
