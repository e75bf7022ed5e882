"""Which sound files were decoded whole before: known by content, so that no later run decodes them only to look."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

VERSION = 1  # raised when `audio.fault` comes to find more


class Heard:
    """A list of content hashes in a text file, a line each; lost or half written, it costs time alone."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"heard_v{VERSION}.txt"

    def known(self) -> set[str]:
        try:
            lines = self.path.read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            return set()
        return {line for line in lines if len(line) == 64}

    def add(self, hashes: Iterable[str]) -> None:
        """Several processes may add at once: each writes its lines in one piece at the end."""
        text = "".join(f"{one}\n" for one in sorted(set(hashes)))
        with suppress(OSError):  # a store that cannot be written
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="ascii") as stream:
                stream.write(text)
