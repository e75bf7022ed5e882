"""From what a client uploaded to sound within limits, and to the segments of a long recording."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from emospeech.data import audio
from emospeech.data.audio import SAMPLE_RATE

MEMORY_FOLDER = Path("/dev/shm")  # files that are never on a disk
ROOM = 1 << 29  # bytes that must be free there: containers often give it 64 MB
COPIED = 1 << 20  # bytes at a time
UPLOAD = "upload"  # the only name that an uploaded file gets here


class Unheard(audio.BadAudio):
    """Sound that cannot be answered; `code` says why in a word."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True)
class Segment:
    """A part of a recording."""

    start: float  # seconds
    end: float
    waveform: np.ndarray  # float32 (samples,) at 16 kHz


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder that nobody else reads, in memory where there is room; gone with all in it afterwards."""
    inside = MEMORY_FOLDER if _has_room(MEMORY_FOLDER) else None
    with tempfile.TemporaryDirectory(prefix="emospeech_", dir=inside) as folder:
        yield Path(folder)


def _has_room(folder: Path) -> bool:
    if not os.access(folder, os.W_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ROOM


def heard(stream: BinaryIO, name: str, longest: float) -> np.ndarray:
    """The waveform of an uploaded file: float32 (samples,), 16 kHz, mono.

    Args:
        stream: its bytes.
        name: what the client calls it, for messages alone.
        longest: seconds.

    Raises:
        Unheard: if it is empty, no audio, cut short, too long, too short, or silent.
    """
    with private_folder() as folder:
        path = folder / UPLOAD
        with path.open("wb") as copy:
            while part := stream.read(COPIED):
                copy.write(part)
        if path.stat().st_size == 0:
            raise Unheard("empty", f"{name}: the file is empty")
        try:
            waveform = audio.load(path, longest)
        except audio.TooLong as error:
            raise Unheard("too_long", f"{name}: {_without(path, str(error))}, which this server takes") from None
        except audio.BadAudio as error:
            raise Unheard("not_audio", f"{name}: {_without(path, str(error))}") from None
    if len(waveform) < audio.MIN_SAMPLES:
        seconds = len(waveform) / SAMPLE_RATE
        raise Unheard("too_short", f"{name}: {seconds * 1000:.0f} ms of sound; at least 25 ms are needed")
    if np.abs(waveform).max() < audio.SILENCE:
        raise Unheard("silent", f"{name}: silent, no sample differs from zero")
    return waveform


def _without(path: Path, message: str) -> str:
    """Where files of a server lie is nobody's business; ffmpeg tells it in its own way."""
    return message.removeprefix(f"{path}: ").replace(f"file:{path}: ", "").replace(str(path), "the file")


def segments(waveform: np.ndarray, seconds: float) -> Sequence[Segment]:
    """A recording that is longer than `seconds` in equal parts, none longer than that; none of a shorter one.

    >>> [(one.start, one.end) for one in segments(np.zeros(16_000 * 25, dtype=np.float32), 10)]
    [(0.0, 8.333), (8.333, 16.667), (16.667, 25.0)]
    """
    count = int(np.ceil(len(waveform) / (seconds * SAMPLE_RATE)))
    if count < 2:
        return ()
    edges = np.linspace(0, len(waveform), count + 1).round().astype(int)
    return tuple(
        Segment(round(float(a) / SAMPLE_RATE, 3), round(float(b) / SAMPLE_RATE, 3), waveform[a:b])
        for a, b in pairwise(edges)
    )


def audible(waveform: np.ndarray) -> bool:
    """Whether a system can hear it."""
    return len(waveform) >= audio.MIN_SAMPLES and bool(np.abs(waveform).max() >= audio.SILENCE)
