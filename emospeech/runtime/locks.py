"""Locks between processes: they end with the process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked(path: Path, shared: bool = False, wait: bool = False) -> Iterator[bool | None]:
    """Hold a lock file, which is made if need be; its folder is not.

    Gives:
        True while it is held, False if another process holds it (never with `wait`), None where there is nothing to
        hold: no folder, no right to write into it, a file system without locks.
    """
    handle = None
    try:
        while True:
            handle = _opened(path, shared)
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
            if _is_at(handle, path):
                held: bool | None = True
                break
            os.close(handle)  # pruned, and perhaps made anew, between opening and locking: that lock binds nobody
            handle = None
    except BlockingIOError:
        held = False
    except OSError:
        held = None
    try:
        yield held
    finally:
        if handle is not None:
            with suppress(OSError):  # a forked child that still has the file open must not keep the lock
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def _opened(path: Path, shared: bool) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        if not shared:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # who may only read can still share


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
