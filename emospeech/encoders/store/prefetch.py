"""Batches made ready while the network works on the one before: pages fetched from disk, memory that a GPU can copy."""

import ctypes
import itertools
import mmap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor

from emospeech.encoders.features import PackedStates
from emospeech.encoders.store.dataset import StoredBatch
from emospeech.encoders.store.packed import Packed
from emospeech.runtime.ahead import in_order

T = TypeVar("T")

DEPTH = 2  # batches made ahead
WILL_NEED = 3  # of madvise; mmap's own constant is missing on some systems
END = object()


def ahead(items: Iterable[T], make_ready: Callable[[T], T], depth: int = DEPTH) -> Iterator[T]:
    """The items, in order; those to come are made, and made ready, in a thread beside."""
    source = iter(items)

    def ready() -> Any:
        item = next(source, END)
        return END if item is END else make_ready(item)  # type: ignore[arg-type]

    for item in in_order(itertools.repeat(ready), threads=1, depth=depth):
        if item is END:
            return
        yield item


def fetched(batch: StoredBatch) -> StoredBatch:
    """The batch, its pages on their way from the disk."""
    for states in (batch.stored.speech, batch.stored.text):
        if isinstance(states, PackedStates):
            fetch(states.utterances)
    return batch


def pinned(batch: StoredBatch) -> StoredBatch:
    """The batch in memory that a GPU copies by itself; what lies on the GPU stays there."""
    return replace(batch, stored=batch.stored.pinned())


def fetch(states: Iterable[Packed]) -> None:
    """Tell the kernel that these states, in mapped files, will be read soon; what is in memory it leaves alone."""
    for packed in states:
        for layer in packed.values:
            _advise(layer)


def _advise(stretch: Tensor) -> None:
    """`stretch`: contiguous."""
    first = stretch.data_ptr()
    page = first - first % mmap.PAGESIZE
    _madvise(ctypes.c_void_p(page), ctypes.c_size_t(first + stretch.nbytes - page), WILL_NEED)


def _found_madvise() -> Callable[..., Any]:
    try:
        return ctypes.CDLL(None, use_errno=True).madvise
    except (OSError, AttributeError):  # no such call here: pages come when they are read
        return lambda *_: 0


_madvise = _found_madvise()
