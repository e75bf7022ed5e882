"""Transcripts that were made before: a line each in a file that only grows, under the content that they come from.

Several processes may read, add and claim at once. One that is killed loses the lines that it had not written; half a
line, the last that it wrote, is passed over.
"""

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from emospeech.encoders.store.keys import digest
from emospeech.encoders.transcribe.transcript import Transcript
from emospeech.runtime.files import write_json
from emospeech.runtime.locks import locked

FOLDER = "transcripts"  # in the store


class Kept:
    """The transcripts of one checkpoint, made in one way."""

    def __init__(self, root: Path, label: str, identity: Mapping[str, Any]) -> None:
        """
        Args:
            root: of the store.
            label: the checkpoint's name, for people; under another name the same weights find the same transcripts.
            identity: all that decides what a clip's transcript is, beside its content; values for JSON.
        """
        self.identity = dict(identity)
        name = digest(self.identity)[:16]
        there = sorted((root / FOLDER).glob(f"*-{name}"))
        self.path = there[0] if there else root / FOLDER / f"{label.replace('/', '--')}-{name}"
        self.file = self.path / "transcripts.jsonl"
        self.found: dict[str, Transcript] = {}
        self._read = 0  # bytes of the file

    def look(self) -> Mapping[str, Transcript]:
        """Key -> transcript, of all that are there now, other processes' among them."""
        try:
            with self.file.open("rb") as stream:
                stream.seek(self._read)
                new = stream.read()
        except FileNotFoundError:
            return self.found
        whole = new[: new.rfind(b"\n") + 1]  # what another process is writing comes next time
        self._read += len(whole)
        for line in whole.splitlines():
            self.found |= _entry(line)
        return self.found

    def add(self, transcripts: Mapping[str, Transcript]) -> None:
        """Write them, in one piece."""
        self.path.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"key": key, **one.plain()}, ensure_ascii=False) for key, one in transcripts.items()]
        with locked(self.path / "lock", wait=True):
            if not (self.path / "identity.json").exists():
                write_json(self.path / "identity.json", self.identity)
            with self.file.open("ab+") as stream:
                torn = stream.seek(0, os.SEEK_END) > 0 and stream.seek(-1, os.SEEK_END) >= 0 and stream.read(1) != b"\n"
                stream.write((("\n" if torn else "") + "\n".join(lines) + "\n").encode())


def _entry(line: bytes) -> dict[str, Transcript]:
    """{key: transcript}; nothing of a line that a killed writer left."""
    try:
        values = json.loads(line)
        return {str(values.pop("key")): Transcript.of_plain(values)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


class Claims:
    """Who works on what: for each key a byte of a file, locked by the process at work, however that ends.

    Where a file system has no locks everything can be claimed, and some work may be done twice.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.handle = os.open(folder / "claims", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def taken(self, keys: Iterable[str]) -> list[str]:
        """Those that this process now has, the others being another's."""
        return [key for key in keys if self._take(key)]

    def release(self, keys: Iterable[str]) -> None:
        for key in keys:
            fcntl.lockf(self.handle, fcntl.LOCK_UN, 1, _byte(key))

    def close(self) -> None:
        """Let go of all."""
        os.close(self.handle)

    def _take(self, key: str) -> bool:
        try:
            fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError:
            return True
        return True


def _byte(key: str) -> int:
    """Where a key's byte lies; no file is that long, nor becomes so by a lock."""
    return int(digest(key)[:15], 16)
