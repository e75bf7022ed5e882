"""Batches made ready while the network works on the one before: pages fetched from disk, memory that a GPU can copy."""

import ctypes
import mmap
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from torch import Tensor

from emospeech.encoders.store.packed import Packed

T = TypeVar("T")

DEPTH = 2  # batches made ahead
WILL_NEED = 3  # of madvise; mmap's own constant is missing on some systems
END = object()


def ahead(items: Iterable[T], make_ready: Callable[[T], Any], depth: int = DEPTH) -> Iterator[T]:
    """The items, in order; those to come are made, and made ready, in a thread beside."""
    waiting: queue.Queue[Any] = queue.Queue(depth)
    stopped = threading.Event()

    def put(item: Any) -> None:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                make_ready(item)
                put((item, None))
                if stopped.is_set():
                    return
            put((END, None))
        except BaseException as error:  # handed to whoever waits for the item
            put((END, error))

    thread = threading.Thread(target=work, name="batches ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is END:
                return
            yield item
    finally:
        stopped.set()
        thread.join()


def fetch(states: Iterable[Packed]) -> None:
    """Tell the kernel that these states, in memory-mapped files, will be read soon; what is in memory it leaves alone."""
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
