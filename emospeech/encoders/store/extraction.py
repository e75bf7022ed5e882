"""Filling a store: what is missing is computed in units, by as many processes as there are, and kept unit by unit."""

import errno
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

from emospeech.encoders.store.keys import digest
from emospeech.encoders.store.packed import Packed, pack
from emospeech.encoders.store.reader import Item
from emospeech.runtime import distributed
from emospeech.runtime.errors import WorkError

UNIT_ITEMS = 32  # utterances of a unit, at most: what a kill may cost
UNIT_BYTES = 256 << 20
GPU_UNITS = 4  # times as large where an encoder hears minutes at once
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SMALLER = "cache.dtype=int8, cache.frame_stride=2, cache.views=1, cache.mode=mixed, or fewer speech.layers take less"


class Destination(Protocol):
    """Where states go: a set on disk, or memory."""

    @property
    def device(self) -> Any:
        """Of the entries that it takes."""

    def index(self) -> Mapping[str, int]:
        """Key -> bytes of what is there now, other processes' work included."""

    def claim(self, unit: str) -> AbstractContextManager[bool]:
        """Within it this process works on a unit, if it got it."""

    def add(self, entries: Mapping[str, Packed]) -> Any: ...


class Reads(Protocol):
    """Where states come from: a `Reader`, or what else gives some for each item."""

    @property
    def device(self) -> Any:
        """On which they are computed."""

    def read(self, items: Iterable[Item]) -> Iterator[tuple[Item, Any]]:
        """Each item, in order, with its states (layers, frames, width)."""


@dataclass(frozen=True)
class Packing:
    """How states are kept."""

    dtype: str = "fp16"
    stride: int = 1


def extract(
    items: Sequence[Item],
    reader: Reads,
    into: Destination,
    packing: Packing,
    size: Callable[[Item], int],
    bar: Callable[..., None],
    share: tuple[int, int] = (0, 1),
) -> None:
    """Compute and keep what `into` lacks of the items.

    Args:
        items: all different.
        size: bytes that an item will take.
        bar: told the length of each item done.
        share: this process's number, and of how many; each begins with another part and helps with the rest.

    Raises:
        WorkError: if the disk is full; what was finished stays.
    """
    there = into.index()
    scale = 1 if reader.device.type == "cpu" else GPU_UNITS
    units = _units([item for item in items if item.key not in there], size, scale)
    with _Writer(into) as writer:
        distributed.work_off(units, lambda unit: _worked_on(unit, reader, writer, packing, bar), share)


def _units(items: Sequence[Item], size: Callable[[Item], int], scale: int) -> list[list[Item]]:
    """Like lengths together, the longest first: what does not fit into memory shows at once."""
    units: list[list[Item]] = []
    room = 0
    for item in sorted(items, key=lambda item: (-item.length, item.key)):
        if not units or len(units[-1]) >= UNIT_ITEMS * scale or room < size(item):
            units.append([])
            room = UNIT_BYTES * scale
        units[-1].append(item)
        room -= size(item)
    return units


def _worked_on(
    unit: Sequence[Item], reader: Reads, writer: "_Writer", packing: Packing, bar: Callable[..., None]
) -> bool:
    """Whether the unit is done with; False: another process has it in hand."""
    with ExitStack() as stack:
        if not stack.enter_context(writer.into.claim(digest([item.key for item in unit])[:16])):
            return False
        there = writer.into.index()
        missing = [item for item in unit if item.key not in there]
        entries = {}
        for item, states in reader.read(missing):
            entries[item.key] = _packed(states, packing).to(writer.into.device)
            bar(item.length)
        writer.add(entries, stack.pop_all())
    return True


def _packed(states: Any, packing: Packing) -> Packed:
    try:
        packed = pack(states, packing.dtype, packing.stride)
    except ValueError as error:
        raise WorkError(f"features cannot be kept: {error} (cache.dtype)") from None
    return Packed(packed.values.contiguous(), packed.scales)


class _Writer:
    """Writes one unit while the encoder works on the next; a claim is let go when its unit is written."""

    def __init__(self, into: Destination) -> None:
        self.into = into
        self.pool = ThreadPoolExecutor(1)
        self.pending: Future[None] | None = None

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None or not issubclass(kind, WorkError):
                self._settle()
        finally:
            self.pool.shutdown()

    def add(self, entries: Mapping[str, Packed], claim: ExitStack) -> None:
        try:
            self._settle()
        except BaseException:
            claim.close()
            raise
        self.pending = self.pool.submit(self._write, entries, claim)

    def _settle(self) -> None:
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.result()

    def _write(self, entries: Mapping[str, Packed], claim: ExitStack) -> None:
        with claim:
            if not entries:
                return
            try:
                self.into.add(entries)
            except OSError as error:
                if error.errno not in FULL:
                    raise
                raise WorkError(
                    "the disk is full; what was finished before is kept. Free some room and go on (a training with "
                    f"--resume); or start afresh in another place, cache.folder=…, or with less: {SMALLER}"
                ) from None


class Memory:
    """Entries that live as long as the program."""

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device
        self.entries: dict[str, Packed] = {}

    def index(self) -> dict[str, int]:
        return {key: packed.nbytes for key, packed in self.entries.items()}

    def claim(self, unit: str) -> AbstractContextManager[bool]:
        return nullcontext(True)

    def add(self, entries: Mapping[str, Packed]) -> None:
        self.entries |= entries
