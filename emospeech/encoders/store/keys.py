"""What names an utterance's states: the content they come from, and how; never a file's name or a row's place."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FORMAT = 1  # raised when the same words would mean other numbers: another decoder, other windows
SILENCE = hashlib.sha256(b"silence").hexdigest()  # of a clip whose audio is replaced by a second of silence


def canonical(value: Any) -> str:
    """A plain value as JSON: the same text whatever the order of its entries."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of a plain value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def of_view(clip: str, effects: Mapping[str, Any], view: int) -> str:
    """The key of an augmented view of a clip; view 0 is the clip itself.

    Args:
        effects: all that decides what augmentation does.
    """
    return clip if view == 0 else digest([clip, effects, view])


def at_level(clip: str, level: float | str) -> str:
    """The key of a clip that is scaled to a level, in dBFS."""
    return digest([clip, {"dbfs": level}])


def of_tokens(tokens: Sequence[int]) -> str:
    """The key of a text, by the ids that its encoder reads: transcript and tokenizer are both in them."""
    return hashlib.sha256(np.asarray(tokens, dtype="<i8").tobytes()).hexdigest()


def identity(
    kind: str,
    encoder: Mapping[str, str | None],
    reading: Mapping[str, Any],
    dtype: str,
    frame_stride: int,
    precision: str,
) -> dict[str, Any]:
    """What all utterances of one set have in common; sets that differ in any of it never mix.

    Args:
        kind: speech or text.
        encoder: as `checkpoint.identity` gives it; a folder counts by its content, not by its name.
        reading: how the encoder is read: layers, windows, level.
        precision: in which it computes.
    """
    which = {"sha256": encoder["sha256"]} if encoder["sha256"] else {k: encoder[k] for k in ("name", "revision")}
    return {
        "format": FORMAT,
        "kind": kind,
        "encoder": which,
        "reading": dict(reading),
        "dtype": dtype,
        "frame_stride": frame_stride,
        "precision": precision,
    }
