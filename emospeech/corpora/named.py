"""Corpora whose file names tell all that is known of a clip: each such corpus gives `read`, this walks its folder.

The folder is searched whatever its depth: people keep corpora as the archive unpacks, as one flat folder, inside
another folder of the same name. A clip's id is its published name without the suffix, so that it stays the same in a
copy converted to FLAC; rows are in the order of their ids, so that they stay the same in a copy laid out otherwise.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from emospeech.corpora.base import SOUND, Skipped, incomplete, nothing_found, sounds
from emospeech.data import manifest
from emospeech.runtime.errors import some


@dataclass(frozen=True)
class Clip:
    """What the name of a file tells of its clip; None where it does not."""

    id: str  # the published name, without suffix
    label: str
    language: str
    speaker: str | None = None  # as the corpus calls them
    gender: str | None = None
    accent: str | None = None
    group: str | None = None
    transcription: str | None = None


@dataclass(frozen=True)
class Published:
    """What a corpus holds when it is whole."""

    name: str  # as `corpus` of the manifest
    title: str  # for messages
    example: str  # a file of it, for messages
    parts: Mapping[str, int]  # clips of each speaker, or of each value of another column
    part: str = "speaker"


def index(root: Path, published: Published, read: Callable[[Path], Clip | str]) -> pd.DataFrame:
    """The manifest of a corpus, in the order of the ids.

    Args:
        read: from a file's path, its clip; or in words why the corpus has no such clip.

    Raises:
        UserError: if no file is a clip of the corpus.
    """
    skipped = Skipped(root)
    candidates: dict[str, list[tuple[Path, Clip]]] = {}
    for path in sounds(root):
        clip = read(path)
        if isinstance(clip, Clip) and getattr(clip, published.part) not in published.parts:
            clip = f"of no {published.part} of the corpus"
        if isinstance(clip, str):
            skipped.add(path, clip)
        elif fault := _unusable(path):
            skipped.add(path, fault)
        else:
            candidates.setdefault(clip.id, []).append((path, clip))
    taken = [_best(candidates[id], skipped) for id in sorted(candidates)]
    skipped.told()
    if not taken:
        raise nothing_found(root, published.title, f"files such as {published.example}, at any depth")
    counts = Counter(getattr(clip, published.part) for _, clip in taken)
    lacking = [f"{part} {counts[part]} of {whole}" for part, whole in published.parts.items() if counts[part] < whole]
    missing = f"by {published.part}: {some(lacking, 8)}"
    incomplete(root, len(taken), sum(published.parts.values()), missing=missing)
    return manifest.make(
        **{name: [getattr(clip, name) for _, clip in taken] for name in (field.name for field in fields(Clip))},
        audio=[str(path) for path, _ in taken],
        corpus=[published.name] * len(taken),
        source=[path.relative_to(root).as_posix() for path, _ in taken],
    )


def vocabulary(words: Iterable[str]) -> tuple[str, ...]:
    """Classes in their order: neutral first, then by alphabet.

    >>> vocabulary(["sadness", "neutral", "anger", "anger"])
    ('neutral', 'anger', 'sadness')
    """
    return tuple(sorted(set(words), key=lambda word: (word != "neutral", word)))


def _unusable(path: Path) -> str | None:
    """What is wrong with a file that can be seen without decoding it."""
    size = path.stat().st_size
    if size == 0:
        return "empty (0 bytes)"
    if size < 200 and path.read_bytes().startswith(b"version https://git-lfs"):
        return "pointers of git-lfs, not sound: run `git lfs pull` in the corpus"
    return None


def _best(copies: list[tuple[Path, Clip]], skipped: Skipped) -> tuple[Path, Clip]:
    """Of several files of one clip the uncompressed one, then the one that lies highest."""
    best, *others = sorted(copies, key=lambda copy: (SOUND.index(copy[0].suffix.lower()), len(copy[0].parts), copy[0]))
    for path, _ in others:
        skipped.add(path, "further copies of clips that are there already")
    return best
