"""Recordings of noises and of rooms, in a folder of the user's."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from emospeech.data import audio
from emospeech.runtime.errors import UserError, some

SOUND_FILES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".m4a")


class Sounds(Sequence[np.ndarray]):
    """Recordings on disk, each read when it is asked for: a collection of noises may be larger than the memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        return audio.load(self.paths[index])


def sounds_in(folder: str, decode: bool = True) -> Sounds:
    """Every sound below a folder, sorted by path; files of other kinds are passed over.

    `decode`: try each once now, so that none fails later; once in a process, as long as names, sizes and times of
    change stay the same.

    Raises:
        UserError: if there is no such folder or no sound in it, or naming those that cannot serve: broken, silent,
            shorter than `audio.MIN_SAMPLES`.
    """
    place = Path(folder).expanduser()
    files = sorted(path for path in place.rglob("*") if not path.is_dir())
    paths = [path for path in files if path.suffix.lower() in SOUND_FILES]
    if not paths:
        others = f"only {some([path.name for path in files])}" if files else "it is empty"
        there = others if place.is_dir() else "there is no such folder"
        raise UserError(f"{folder} holds no sound files ({', '.join(SOUND_FILES)}): {there}")
    broken = _broken(tuple(map(_stamp, paths))) if decode else ()
    if broken:
        raise UserError(
            f"{folder}: {len(broken)} of {len(paths)} sounds cannot be used, the first: {some(broken)}; "
            "mend or remove them"
        )
    return Sounds(paths)


Stamp = tuple[Path, int, int]  # a file, its size in bytes and when it was changed, in ns


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:  # a link to nothing
        return path, -1, -1
    return path, found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)  # folders
def _broken(files: Sequence[Stamp]) -> Sequence[str]:
    """Those that cannot serve, with why. Decodes all of them."""
    return tuple(f"{path}: {fault}" for path, *_ in files if (fault := audio.fault(path)))
