"""Vectors computed once: on disk where a recipe keeps features, and in this program's memory for its other folds."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from emospeech.config import Cache
from emospeech.encoders.store import extraction
from emospeech.encoders.store.extraction import Packing, Reads
from emospeech.encoders.store.folder import FeatureSet, name_of
from emospeech.encoders.store.packed import Packed
from emospeech.encoders.store.reader import Item
from emospeech.runtime.console import progress, say
from emospeech.runtime.distributed import rank, world_size
from emospeech.runtime.errors import WorkError, some
from emospeech.systems.features.planning import folder_of

ATTEMPTS = 3  # at having all of it: shards are damaged, or pruned, while others read them
FP32 = Packing("fp32")
_IN_MEMORY: dict[tuple[Path | None, str], "Kept"] = {}  # by store and set: ten folds of a program read files once


class Source(Protocol):
    """What computes vectors."""

    what: str  # for people
    unit: str  # of an item's length

    def identity(self) -> Mapping[str, Any]:
        """All that decides the numbers."""

    def about(self) -> Mapping[str, Any]:
        """What `emospeech cache ls` tells of the set: encoder, layers, width. Asked for while `reading`."""

    def item(self, key: str) -> Item: ...

    def reading(self, count: int) -> AbstractContextManager[Reads]:
        """Ready to compute so many."""


def kept(source: Source, cache: Cache | None) -> "Kept":
    """The vectors of a source that a recipe's store holds; without one, those that this program computed.

    Raises:
        UserError: if the store's folder holds something else.
    """
    root = folder_of(cache) if cache is not None and cache.write is not False else None
    identity = source.identity()
    place = root, name_of(identity)
    if place not in _IN_MEMORY:
        _IN_MEMORY[place] = Kept(FeatureSet(root, identity) if root is not None else None)
    return _IN_MEMORY[place]


class Kept:
    """The vectors of one identity, by key: those that are on disk as they are mapped, the others in memory."""

    device = "cpu"  # of the entries that it takes

    def __init__(self, on_disk: FeatureSet | None) -> None:
        self.on_disk = on_disk
        self.entries: dict[str, Packed] = {}
        self.refused = False  # the disk took something no longer: said once

    def have(self, wanted: Sequence[str], source: Source) -> None:
        """Compute what is missing of these; several processes share the work, a stop keeps what is done.

        Raises:
            UserError: if a clip cannot be heard.
            WorkError: if the disk keeps nothing of what it takes, or memory is short.
        """
        missing = self._lacking(wanted)
        if not missing:
            return
        with self.on_disk.use() if self.on_disk is not None else nullcontext():
            for _ in range(ATTEMPTS):
                self._read(missing)
                missing = self._lacking(missing)
                if not missing:
                    return
                self._compute(missing, source)
            self._read(missing)
        if missing := self._lacking(missing):
            raise WorkError(
                f"{self.on_disk and self.on_disk.path} does not keep what is written into it: {some(missing)}"
            )

    def _lacking(self, wanted: Sequence[str]) -> list[str]:
        return [key for key in dict.fromkeys(wanted) if key not in self.entries]

    def _read(self, wanted: Sequence[str]) -> None:
        if self.on_disk is not None:
            found, damaged = self.on_disk.load(wanted)
            self.entries |= found
            for sentence in damaged:
                say(sentence)

    def _compute(self, missing: Sequence[str], source: Source) -> None:
        items = [source.item(key) for key in missing]
        total = round(sum(item.length for item in items))
        say(f"computing {source.what}: {len(items)} different clips, {total} {source.unit}")
        # in memory no other process sees what this one has done
        share = (0, 1) if self.on_disk is None else (rank(), world_size())
        with source.reading(len(items)) as reader, progress(f"{source.what} ({source.unit})", total) as bar:
            if self.on_disk is not None:
                self.on_disk.about = dict(source.about())
            extraction.extract(items, reader, self, FP32, _size, bar, share)

    def forget(self) -> None:
        """Let go of what is in memory; what is on disk stays."""
        self.entries.clear()

    # ------------------------------------- as a destination of `extraction.extract`

    def index(self) -> Mapping[str, int]:
        here = {key: packed.nbytes for key, packed in self.entries.items()}
        return here if self.on_disk is None else self.on_disk.index() | here

    def claim(self, unit: str) -> AbstractContextManager[bool]:
        return nullcontext(True) if self.on_disk is None or self.refused else self.on_disk.claim(unit)

    def add(self, entries: Mapping[str, Packed]) -> None:
        """On disk, and where that takes nothing (more), in memory."""
        if self.on_disk is not None and not self.refused:
            try:
                self.on_disk.add(entries)
            except OSError as error:
                self.refused = True
                say(
                    f"{self.on_disk.path} cannot be written ({error.strerror or error}): what is computed from here on "
                    "is kept in memory, for this program alone"
                )
            else:
                return
        self.entries |= entries

    # ----------------------------------------------------------------- reading

    def rows(self, keys: Sequence[str], layers: Sequence[int] = (0,), statistics: int = 1) -> np.ndarray:
        """float32 (rows, layers * statistics * D): of each key these layers end to end, each with its statistics."""
        chosen = list(layers)
        return np.stack([self.entries[key].values[chosen, :statistics].reshape(-1).numpy() for key in keys])


def _size(item: Item) -> int:
    """Small beside the units' limit in items, whatever it is."""
    return 1
