"""What every corpus tells of itself, and what it does with a folder that is not quite as it should be."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, some

SOUND = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".mp4")  # corpora are kept converted, too
MAC = "__MACOSX"  # beside the folder of a Mac's zip: a stump for each file


@dataclass(frozen=True)
class Corpus:
    """What `emospeech data list` tells of a corpus, and how to index it."""

    title: str
    language: str  # ISO 639-1; several with commas; any
    size: str  # clips, and where known speakers and hours, for people
    labels: tuple[str, ...] | None  # None: those that its table has
    licence: str
    source: str  # where users get it
    index: Callable[..., pd.DataFrame]  # (root); and (root, columns) where `further_columns`
    audio_at: str = ""  # where its audio lies, for messages
    makes_itself: bool = False  # the root need not exist
    further_columns: bool = False  # its table may have columns of the user's own, such as votes
    kind: Literal["emotion", "intensity"] = "emotion"  # what its labels are words for
    # how its speech came about; None: it is not told. elicited: felt, or played, in a situation made for it
    speech: Literal["acted", "elicited", "natural", "synthetic"] | None = None


class Skipped:
    """Files that an index leaves out, by reason; told once, in a line a reason."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: dict[str, list[str]] = {}

    def add(self, path: Path, why: str) -> None:
        self.files.setdefault(why, []).append(path.relative_to(self.root).as_posix())

    def told(self) -> None:
        for why, names in self.files.items():
            say(f"note: {len(names)} file{'s' if len(names) > 1 else ''} in {self.root} left out, {why}: {some(names)}")


def sounds(root: Path, below: str = "") -> Iterator[Path]:
    """Sound files below a folder, in the order of their paths; hidden ones and those in hidden folders left out, and
    what a Mac adds to its archives.

    Links are followed to files, and to folders that are direct members of the root.
    """
    start = root / below
    members = sorted(start.iterdir()) if start.is_dir() else []
    for member in members:
        if member.name.startswith(".") or member.name == MAC:
            continue
        found: Iterable[Path] = sorted(member.rglob("*")) if member.is_dir() else [member]
        for path in found:
            inside = path.relative_to(start).parts
            if path.suffix.lower() not in SOUND or any(part.startswith(".") or part == MAC for part in inside):
                continue
            if path.is_file():
                yield path


def nothing_found(root: Path, corpus: str, expected: str) -> UserError:
    """The error for a root that holds nothing of a corpus: what is there, and what was expected."""
    if not root.is_dir():
        return UserError(f"no folder {root}; expected {expected}")
    suffixes = Counter(
        (path.suffix.lower() or "no suffix") if path.is_file() else "links to nothing"
        for path in root.rglob("*")
        if not path.is_dir()
    )
    most = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))[:4]
    there = ", ".join(f"{count} {suffix}" for suffix, count in most) or "no files"
    return UserError(f"{root} is not {corpus}: it holds {there}; expected {expected}")


def incomplete(root: Path, found: int, expected: int, what: str = "clips", missing: str = "") -> None:
    """Say that a corpus is not whole, or holds more than was published.

    Args:
        missing: which part is not whole, for the message.
    """
    if found != expected:
        word = "a download or unpacking that is not finished?" if found < expected else "files of the user's own?"
        place = f" ({missing})" if missing else ""
        say(f"note: {found} {what} in {root}, the published corpus has {expected}{place}: {word}")
