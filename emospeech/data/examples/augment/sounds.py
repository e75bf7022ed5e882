"""Recordings of noises and of rooms, in a folder of the user's."""

from collections.abc import Sequence
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

    `decode`: try each once now, so that none fails later.

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
    broken = [f"{path}: {fault}" for path in paths if decode and (fault := audio.fault(path))]
    if broken:
        raise UserError(
            f"{folder}: {len(broken)} of {len(paths)} sounds cannot be used, the first: {some(broken)}; "
            "mend or remove them"
        )
    return Sounds(paths)
