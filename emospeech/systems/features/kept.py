"""One modality of a run's stored features: what is missing is computed by all processes together, then all read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from emospeech.config import Cache
from emospeech.encoders.store import extraction
from emospeech.encoders.store.extraction import Memory, Packing
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import Packed
from emospeech.encoders.store.reader import Item, Reader
from emospeech.runtime.console import progress, say
from emospeech.runtime.distributed import agreed, everywhere, on_main
from emospeech.runtime.errors import WorkError, some
from emospeech.systems.features import layer_weights
from emospeech.systems.features.planning import item_bytes
from emospeech.systems.features.sources import Source

REPAIRS = 2  # times that damaged shards are computed anew before the disk is given up
MB = 2**20


@dataclass(frozen=True)
class Machine:
    """What encoders run on."""

    device: Any
    bf16: bool
    process: int = 0
    processes: int = 1


class Kept:
    """States of one modality: where they come from and go, and those that are here, by key.

    Args:
        device: where they lie while training reads them; None: as they are mapped from disk.
        weights: of the layers (layers,), where their sum is kept; `layered` is the set of the layers themselves.
    """

    def __init__(
        self,
        source: Source,
        into: FeatureSet | Memory,
        cache: Cache,
        machine: Machine,
        device: Any = None,
        weights: Tensor | None = None,
        layered: FeatureSet | None = None,
    ) -> None:
        self.source, self.into, self.cache, self.machine = source, into, cache, machine
        self.device, self.weights, self.layered = device, weights, layered
        self.packing = Packing(cache.dtype, source.stride(cache))
        self.layers = source.layers if weights is None else 1
        self.entries: dict[str, Packed] = {}

    def fill(self, wanted: Sequence[str]) -> None:
        """Have all of it here, on every process; damaged shards are named and computed anew.

        Raises:
            WorkError: if the disk is full, or keeps nothing.
        """
        new = [key for key in wanted if key not in self.entries]
        if on_main(lambda: not new):  # the same on every process: all have the same rows
            return
        if isinstance(self.into, Memory):
            memory = self.into
            missing = on_main(lambda: sorted(set(new) - memory.entries.keys()))
            if missing:
                everywhere(lambda: self.compute(missing))  # what is in memory, no other process sees
            self.entries = memory.entries
            return
        for _ in range(REPAIRS):
            found = self._brought_up_to_date(self.into, new)
            # a network's file system may show another process's files late
            if agreed(len(found) == len(new)):
                self.entries |= {key: self._placed(packed) for key, packed in found.items()}
                return
        raise WorkError(f"{self.into.path} does not keep what is written into it: of {len(new)}, {some(new)} …")

    def _brought_up_to_date(self, into: FeatureSet, new: Sequence[str]) -> dict[str, Packed]:
        self._check(into, new)
        if self.weights is not None and self.layered is not None:
            layered, weights = self.layered, self.weights
            on_main(lambda: layer_weights.sum_stored(layered, into, new, weights, self.packing))
        missing = on_main(lambda: sorted(set(new) - into.index().keys()))
        if missing:
            say(f"{len(new) - len(missing)} of {len(new)} utterances of {self.source.kind} are stored already")
            everywhere(lambda: self.compute(missing))
        return into.load(new, verify=False)[0]

    def _check(self, into: FeatureSet, wanted: Sequence[str]) -> None:
        """Every byte that will be read, once in a program, by the main process."""

        def checked() -> tuple[list[str], set[Path]]:
            there = into.index()
            with progress("checking stored features (MB)", sum(there.get(key, 0) for key in wanted) // MB) as bar:
                _, damaged = into.load(wanted, verify=True, bar=lambda count: bar(count / MB))
            return damaged, into.unusable

        sentences, unusable = on_main(checked)
        into.unusable |= unusable
        for sentence in sentences:
            say(sentence)

    def compute(self, wanted: Sequence[str]) -> None:
        """This process's part of what is missing; it waits for no other."""
        source, machine = self.source, self.machine
        items = [source.item(key) for key in wanted]
        total = round(sum(item.length for item in items))
        say(f"extracting {source.kind} with {source.name}: {len(items)} utterances, {total} {source.unit}")
        source.encoder.to(machine.device)
        encode, budget = source.encode(self.weights), source.budget(machine.device)
        reader = Reader(encode, machine.device, machine.bf16, budget, source.pad_value)
        share = (0, 1) if isinstance(self.into, Memory) else (machine.process, machine.processes)
        with progress(f"extracting {source.kind} ({source.unit})", total) as bar:
            extraction.extract(items, reader, self.into, self.packing, self._size, bar, share)

    def _size(self, item: Item) -> int:
        return item_bytes(self.source, self.layers, item, self.cache)

    def _placed(self, packed: Packed) -> Packed:
        return packed if self.device is None else packed.copied(self.device)
