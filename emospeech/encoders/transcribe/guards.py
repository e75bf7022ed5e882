"""What gives a recogniser's failure away: pure functions of a text, a waveform, and the decoder's own figures."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from emospeech.data.audio import MIN_SAMPLES, SAMPLE_RATE

SILENCE = "silence"  # too quiet to be speech: the model is not asked
NO_SPEECH = "no_speech"  # the model itself takes it for something else
LOW_CONFIDENCE = "low_confidence"
COMPRESSION = "compression"  # the text is far more regular than speech
REPETITION = "repetition"  # a phrase follows itself over and over
EMPTY = "empty"  # there is sound, and no text
FLAGS = (SILENCE, NO_SPEECH, LOW_CONFIDENCE, COMPRESSION, REPETITION, EMPTY)

FRAME = SAMPLE_RATE // 40  # samples: 25 ms
LONGEST_PHRASE = 16  # words
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Guards:
    """When a decoding counts as failed. Whisper's own values (arXiv 2212.04356, section 4.5), but for the silence."""

    temperatures: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)  # tried in turn until one does not fail
    min_logprob: float = -1.0  # mean log-probability of a token
    max_compression: float = 2.4  # bytes of the text for each byte of its zlib compression
    max_no_speech: float = 0.6  # probability
    silence_db: float = -60.0  # dB of full scale: of the loudest 25 ms


def is_silent(waveform: np.ndarray, guards: Guards) -> bool:
    """Whether no 25 ms of it are as loud as `silence_db` (root mean square), or it is too short to hold a sound.

    Args:
        waveform: float32 (samples,), at 16 kHz.

    >>> tone = np.sin(np.arange(16_000)).astype("float32")
    >>> is_silent(tone, Guards()), is_silent(tone / 2000, Guards())
    (False, True)
    """
    if len(waveform) < MIN_SAMPLES:
        return True
    frames = waveform[: len(waveform) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    return float((frames**2).mean(axis=1).max()) < 10 ** (guards.silence_db / 10)


def compression_ratio(text: str) -> float:
    """Bytes of the text for each byte that zlib makes of it.

    >>> compression_ratio("que es lo que hay, " * 20) > 10 > 2 > compression_ratio("Hoy vamos al mercado.")
    True
    """
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw))


def loops(text: str) -> bool:
    """Whether a phrase follows itself as no speaker repeats himself.

    A word eight times, a phrase of two or three words four times, a longer one three times; inside a word of 20
    letters and more, letters or syllables five times. Punctuation and case are left out.

    >>> loops("No, no, no, no, no. Daisy."), loops("muy duro, muy duro, muy duro")
    (False, False)
    >>> loops("que no se puede hacer nada, " * 3), loops("ja" * 20)
    (True, True)
    """
    words = WORD.findall(text.casefold())
    return any(length >= 8 and times >= (4 if phrase < 4 else 3) for phrase, length, times in _stretches(words)) or any(
        length >= 20 and times >= 5 for word in words for _, length, times in _stretches(word)
    )


def _stretches(units: Sequence[str]) -> Iterator[tuple[int, int, float]]:
    """(length of a phrase, of the stretch in which it follows itself, times that it is there), longest stretches."""
    for phrase in range(1, min(LONGEST_PHRASE, len(units) // 2) + 1):
        same = 0
        for k in range(phrase, len(units) + 1):
            if k < len(units) and units[k] == units[k - phrase]:
                same += 1
            elif same:
                yield phrase, same + phrase, (same + phrase) / phrase
                same = 0


def faults(text: str, avg_logprob: float, no_speech_prob: float | None, guards: Guards) -> tuple[str, ...]:
    """The flags that a decoding earns, in the order of `FLAGS`.

    >>> faults("Hola, ¿qué tal?", -0.3, 0.9, Guards()), faults("Gracias.", -1.2, 0.9, Guards())
    ((), ('no_speech', 'low_confidence'))
    """
    unsure = avg_logprob < guards.min_logprob
    found = {
        NO_SPEECH: unsure and no_speech_prob is not None and no_speech_prob > guards.max_no_speech,
        LOW_CONFIDENCE: unsure,
        COMPRESSION: compression_ratio(text) > guards.max_compression,
        REPETITION: loops(text),
        EMPTY: not text.strip(),
    }
    return tuple(flag for flag in FLAGS if found.get(flag))
