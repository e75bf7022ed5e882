"""Sound files by their content: the key of each, and how long it is."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pandas as pd

from emospeech.data import audio
from emospeech.encoders.store import keys
from emospeech.runtime.files import HASHING_THREADS, content_hashes

UNKNOWN_SECONDS = 5.0  # assumed of a clip whose header does not tell


class Clips:
    """The files of manifests; each is read once in a program."""

    def __init__(self) -> None:
        self.hashes: dict[str, str] = {}
        self.seconds: dict[str, float] = {}

    def note(self, manifest: pd.DataFrame) -> list[str | None]:
        """Hash and measure the files that are new; the path of each row.

        Raises:
            OSError: if a file cannot be read.
        """
        paths = paths_of(manifest)
        new = [path for path in dict.fromkeys(paths) if path is not None and path not in self.hashes]
        hashes = content_hashes(new)
        self._note_lengths(manifest, new)
        self.hashes |= hashes
        return paths

    def _note_lengths(self, manifest: pd.DataFrame, paths: Sequence[str]) -> None:
        told = {str(p): float(s) for p, s in zip(manifest["audio"], manifest["duration"], strict=True) if pd.notna(s)}
        with ThreadPoolExecutor(HASHING_THREADS) as pool:
            headers = pool.map(lambda path: told.get(path) or audio.duration(path) or UNKNOWN_SECONDS, paths)
            self.seconds |= dict(zip(paths, headers, strict=True))

    def key(self, path: str | None) -> str:
        """Of a file that was noted; None is a second of silence."""
        if path is None:
            return keys.SILENCE
        clip = self.hashes[path]
        if path.lower().endswith(audio.NEEDS_FFMPEG):  # decided by the name: another decoder
            return keys.digest([clip, "ffmpeg"])
        return clip

    def length(self, path: str | None) -> float:
        """Seconds."""
        return 1.0 if path is None else self.seconds[path]


def paths_of(manifest: pd.DataFrame) -> list[str | None]:
    """By row; None: it has no audio."""
    return [None if pd.isna(path) else str(path) for path in manifest["audio"]]
