"""From waveforms to transcripts: windows of 30 s, several clips side by side, failed decodings tried again.

The windows follow Whisper's own algorithm for long recordings (arXiv 2212.04356, section 3.8), without text of the
window before as a prompt (`condition_on_previous_text=False`), which is how loops spread. What differs:

- the window that reaches a clip's end is its last, whatever times were written: Whisper would hear what lies after the
  last of them once more, mostly padding, where it tends to invent;
- of six decodings that all fail, the one with the fewest faults is kept, not the last;
- nothing is dropped: what Whisper would leave out as no speech is kept, and flagged;
- each window's sampling has a seed of its own, from the clip's content.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emospeech.encoders.transcribe import guards as guarding
from emospeech.encoders.transcribe.guards import Guards
from emospeech.encoders.transcribe.transcript import (
    FRAMES_PER_POSITION,
    HOP,
    WINDOW_FRAMES,
    Decoded,
    Recogniser,
    Transcript,
)

LEAST_STEP = 100  # frames: a broken decoding must not be followed by 1500 windows of 20 ms


@dataclass(frozen=True)
class Sound:
    """A clip to transcribe."""

    key: str  # of its content; seeds what is sampled
    waveform: np.ndarray  # float32 (samples,), at 16 kHz


def listen(recogniser: Recogniser, sounds: Sequence[Sound], language: str, guards: Guards) -> list[Transcript]:
    """Transcripts of clips that speak one language, in their order; a silent one costs nothing."""
    import torch

    hearings = [_Hearing(recogniser, sound, guards) for sound in sounds]
    while active := [hearing for hearing in hearings if hearing.next_window()]:
        states = recogniser.encode(torch.stack([hearing.window() for hearing in active]))
        seeds = [hearing.seed() for hearing in active]
        for hearing, decoded in zip(active, decode(recogniser, states, language, seeds, guards), strict=True):
            hearing.take(decoded)
    return [hearing.transcript() for hearing in hearings]


def decode(recogniser: Recogniser, states: Any, language: str, seeds: Sequence[int], guards: Guards) -> list[Decoded]:
    """The best decoding of each window: all at the first temperature together, then each failed one by itself."""
    first, *others = guards.temperatures
    best = []
    for row, decoded in enumerate(recogniser.decode(states, language, first, seeds[0])):
        tried = [decoded]
        for k, temperature in enumerate(others, 1):
            found = _faults(tried[-1], guards)
            if not found or guarding.NO_SPEECH in found:  # sampling makes no words of what is not speech
                break
            tried += recogniser.decode(states[row : row + 1], language, temperature, seeds[row] + k)
        best.append(min(tried, key=lambda one: (len(_faults(one, guards)), -one.avg_logprob)))
    return best


def advance(tokens: Sequence[int], timestamp_begin: int) -> tuple[int, int] | None:
    """How much of a window can be relied on, by the times that were written: tokens, and positions of 20 ms.

    A pair of times ends one segment and begins the next; where the last segment was not finished, the next window
    begins with it. None: all of it.

    >>> advance([100, 7, 8, 150, 150, 9, 9], 100), advance([100, 7, 8, 150], 100), advance([100, 7, 8], 100)
    ((4, 50), None, None)
    """
    is_time = [token >= timestamp_begin for token in tokens]
    pairs = [k for k in range(1, len(tokens)) if is_time[k - 1] and is_time[k]]
    if not pairs or is_time[-2:] == [False, True]:
        return None
    return pairs[-1], tokens[pairs[-1] - 1] - timestamp_begin


def _faults(decoded: Decoded, guards: Guards) -> tuple[str, ...]:
    return guarding.faults(decoded.text, decoded.avg_logprob, decoded.no_speech_prob, guards)


def _printable(text: str) -> str:
    """Without control characters, which a model can spell and a table cannot hold; single spaces."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


class _Hearing:
    """A clip under way: where the next window begins, and what the windows before it gave."""

    def __init__(self, recogniser: Recogniser, sound: Sound, guards: Guards) -> None:
        self.recogniser, self.sound, self.guards = recogniser, sound, guards
        self.frames = len(sound.waveform) // HOP
        self.at = 0
        self.texts: list[str] = []
        self.taken: list[Decoded] = []
        self.spectrogram: Any = None

    def next_window(self) -> bool:
        """Go to the next window that holds sound, if there is one."""
        while self.at < self.frames:
            heard = self.sound.waveform[self.at * HOP : (self.at + WINDOW_FRAMES) * HOP]
            if not guarding.is_silent(heard, self.guards):
                return True
            self.at += WINDOW_FRAMES
        return False

    def window(self) -> Any:
        """(bands, 3000)"""
        if self.spectrogram is None:
            self.spectrogram = self.recogniser.spectrogram(self.sound.waveform)
        return self.spectrogram[:, self.at : self.at + WINDOW_FRAMES]

    def seed(self) -> int:
        return int(hashlib.sha256(f"{self.sound.key} {self.at}".encode()).hexdigest()[:12], 16)

    def take(self, decoded: Decoded) -> None:
        """Keep a window's text, and step to the next."""
        reliable = advance(decoded.tokens, self.recogniser.timestamp_begin)
        last = self.at + WINDOW_FRAMES >= self.frames and decoded.ended
        if last or reliable is None:
            text, step = decoded.text, WINDOW_FRAMES
        else:
            text = self.recogniser.text(decoded.tokens[: reliable[0]])
            step = max(reliable[1] * FRAMES_PER_POSITION, LEAST_STEP)
        self.taken.append(decoded)
        self.texts.append(_printable(text))
        self.at += step

    def transcript(self) -> Transcript:
        if not self.taken:
            return Transcript("", flags=(guarding.SILENCE,))
        text = " ".join(filter(None, self.texts))
        found = {flag for decoded in self.taken for flag in _faults(decoded, self.guards)} - {guarding.EMPTY}
        found |= {guarding.EMPTY} if not text else set()
        found |= {guarding.REPETITION} if guarding.loops(text) else set()  # from window to window, too
        no_speech = [decoded.no_speech_prob for decoded in self.taken if decoded.no_speech_prob is not None]
        return Transcript(
            text,
            avg_logprob=round(min(decoded.avg_logprob for decoded in self.taken), 4),
            no_speech_prob=round(max(no_speech), 4) if no_speech else None,
            compression_ratio=round(max(guarding.compression_ratio(decoded.text) for decoded in self.taken), 3),
            flags=tuple(flag for flag in guarding.FLAGS if flag in found),
        )
