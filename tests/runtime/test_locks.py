"""Locks between processes, and what they do where there are none."""

import errno
import fcntl
import multiprocessing
import signal
import threading
from pathlib import Path

import pytest

from emospeech.runtime.locks import locked

HOLD = """
    import sys
    from pathlib import Path
    from emospeech.runtime.locks import locked
    with locked(Path(sys.argv[1]), shared=sys.argv[2] == "shared") as held:
        print(held, flush=True)
        sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "lock"


def test_one_holder(lock, other):
    process = other(HOLD, lock, "alone")
    with locked(lock) as held:
        assert held is False
    with locked(lock, shared=True) as held:
        assert held is False
    process.send_signal(signal.SIGKILL)
    process.wait()
    with locked(lock) as held:
        assert held is True


def test_many_readers(lock, other):
    process = other(HOLD, lock, "shared")
    with locked(lock, shared=True) as held:
        assert held is True
    with locked(lock) as held:
        assert held is False
    process.communicate("")
    with locked(lock) as held:
        assert held is True


def test_a_forked_child_does_not_keep_it(lock):
    """As the workers of a data loader, which outlive the block that holds the lock."""
    with locked(lock):
        child = multiprocessing.get_context("fork").Process(target=signal.pause)
        child.start()
    try:
        with locked(lock) as held:
            assert held is True
    finally:
        child.kill()
        child.join()


def test_a_lock_file_that_was_removed_binds_nobody(lock):
    """Whoever waited for it while it was pruned gets the one that is there now."""
    got = []

    def wait():
        with locked(lock, shared=True, wait=True) as held:
            got.append((held, lock.exists()))

    with locked(lock) as held:
        assert held
        waiting = threading.Thread(target=wait)
        waiting.start()
        waiting.join(0.2)
        assert not got
        lock.unlink()
    waiting.join(5)
    assert got == [(True, True)]


def test_no_folder(tmp_path):
    with locked(tmp_path / "absent" / "lock") as held:
        assert held is None
    assert not (tmp_path / "absent").exists()


def test_no_locks(lock, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with locked(lock) as held:
        assert held is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before
