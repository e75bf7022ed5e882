"""What is asked of a served system, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PROVIDED = "provided"


@dataclass(frozen=True)
class Question:
    """One clip, one text, or both. At least one of them is there."""

    waveform: np.ndarray | None  # float32 (samples,) at 16 kHz
    text: str | None
    explain: bool = False  # with the network's attention


@dataclass(frozen=True)
class Verdict:
    """What a system says of one clip, of one task."""

    label: str
    probabilities: Mapping[str, float]  # class -> probability, in the order of the system's classes


@dataclass(frozen=True)
class Part:
    """What it says of a segment of a long recording."""

    start: float  # seconds
    end: float
    verdict: Verdict | None  # None: nothing is to be heard in it
    transcript: str | None  # Whisper's


@dataclass(frozen=True)
class Glance:
    """Where the attention of a network lay. Shares of one clip sum to 1."""

    frames: np.ndarray | None  # (frames,): share of each
    step: float  # seconds of a frame
    words: tuple[tuple[str, int, int, float], ...]  # text, its characters from and to, share
    speech: float  # share of all frames
    text: float  # of all words
    rest: float


@dataclass(frozen=True)
class Reply:
    """All that a system says of one question."""

    verdicts: Mapping[str, Verdict]  # by task
    modalities: tuple[str, ...]  # that were used: speech, text
    transcript: str | None
    source: str | None  # of the transcript: provided, or whisper:<model>
    segments: tuple[Part, ...]
    glance: Glance | None
    transcribing: float  # seconds that Whisper took for the batch
