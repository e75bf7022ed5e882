"""A feature set: what several processes, killed writers and bad disks leave of it."""

import errno
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from emospeech.encoders.store import folder, shards
from emospeech.encoders.store.folder import FeatureSet
from emospeech.runtime.errors import UserError

from .conftest import IDENTITY, all_same, entries, flip, key


def names(path):
    return sorted(file.name for file in path.iterdir())


def kept(features):
    """All of it, verified; no complaint."""
    found, complaints = features.load(features.index())
    assert not complaints
    return found


@pytest.fixture
def writers(tmp_path):
    """Run a script that has a FeatureSet `features`, `entries`, and may fork; torch is imported once."""

    def writers(script: str) -> None:
        head = f"""
            import os, random, signal, sys, time
            from pathlib import Path
            import torch
            from emospeech.encoders.store.folder import FeatureSet
            from emospeech.encoders.store.packed import pack
            features = FeatureSet(Path({str(tmp_path / "store")!r}), {IDENTITY!r})
            def entries(*numbers, frames=7):
                def states(n):
                    return pack(torch.randn(3, frames, 16, generator=torch.Generator().manual_seed(n)))
                return {{f"{{n:064x}}": states(n) for n in numbers}}
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(head) + textwrap.dedent(script)], check=True, timeout=60)

    return writers


# -- keeping and finding -----------------------------------------------------------------------------------------


def test_what_was_added_is_found(features):
    first, second = features.add(entries(1, 2)), features.add(entries(3))
    assert first != second
    found, complaints = features.load([key(3), key(1), key(9)])
    assert all_same(found, entries(1, 3))
    assert not complaints
    assert features.index() == {name: packed.nbytes for name, packed in entries(1, 2, 3).items()}
    assert all_same(kept(FeatureSet(features.path.parent, dict(reversed(IDENTITY.items())))), entries(1, 2, 3))


def test_nothing_is_made_before_something_is_kept(features, tmp_path):
    with features.use():
        assert features.load([key(1)]) == ({}, [])
    assert features.index() == {}
    assert features.writable()
    assert names(tmp_path) == []
    features.add(entries(1))
    assert json.loads((features.path / "identity.json").read_text()) == IDENTITY


def test_other_identities_have_other_folders(features, tmp_path):
    features.add(entries(1))
    assert features.path.name.startswith("speech-")
    for change in ({"dtype": "bf16"}, {"kind": "text"}, {"layers": [0, 12]}):
        other = FeatureSet(tmp_path / "store", IDENTITY | change)
        assert other.path != features.path
        assert other.index() == {}


def test_files_may_be_renamed(features):
    path = features.add(entries(1))
    path.rename(path.with_name("0.safetensors"))
    assert all_same(kept(features), entries(1))


def test_the_bar_counts_the_bytes_of_what_is_found(features):
    features.add(entries(1, 2, 3))
    ticks = []
    features.load([key(1), key(2), key(9)], bar=ticks.append)
    assert ticks == [entries(1)[key(1)].nbytes] * 2


def test_a_changed_identity_is_refused(features):
    features.add(entries(1))
    (features.path / "identity.json").write_text(json.dumps(IDENTITY | {"dtype": "bf16"}))
    with pytest.raises(UserError, match="holds other features than its name says"):
        FeatureSet(features.path.parent, IDENTITY)
    with pytest.raises(UserError, match="holds other features"):
        features.add(entries(2))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_identity_is_written_anew(text, features):
    """The folder's name tells the same."""
    features.add(entries(1))
    (features.path / "identity.json").write_text(text)
    again = FeatureSet(features.path.parent, IDENTITY)
    assert all_same(again.load([key(1)])[0], entries(1))
    again.add(entries(2))
    assert json.loads((features.path / "identity.json").read_text()) == IDENTITY


# -- damage ------------------------------------------------------------------------------------------------------


def test_a_damaged_shard_is_told_and_removed(features):
    sound, bad = features.add(entries(1, 2)), features.add(entries(3, 4, 5))
    flip(bad, -1)
    found, complaints = features.load([key(1), key(4), key(5)])
    assert all_same(found, entries(1))
    assert len(complaints) == 1
    assert complaints[0].startswith(f"{bad} was damaged (the checksum of ")
    assert complaints[0].endswith("differs) and is removed; 2 of its utterances are computed anew")
    assert sound.exists()
    assert not bad.exists()
    assert all_same(kept(features), entries(1, 2))


def test_damage_outside_what_is_wanted_is_not_looked_for(features):
    path = features.add(entries(1, 2))
    flip(path, -1)
    assert all_same(features.load([key(1)])[0], entries(1))
    found, complaints = features.load([key(2)], verify=False)
    assert list(found) == [key(2)]
    assert not complaints


@pytest.mark.parametrize("content", [b"", b"junk" * 100])
def test_a_damaged_header(content, features):
    features.add(entries(1))
    (features.path / "x.safetensors").write_bytes(content)
    assert list(features.index()) == [key(1)]
    found, complaints = features.load([key(1), key(2)])
    assert all_same(found, entries(1))
    assert len(complaints) == 1
    assert "x.safetensors was damaged (" in complaints[0]
    assert not (features.path / "x.safetensors").exists()


@pytest.mark.parametrize("bad", [0, 1])
def test_a_key_in_two_shards(bad, features):
    """One sound copy is enough."""
    paths = sorted([features.add(entries(1)), features.add(entries(1))])
    flip(paths[bad], -1)
    found, _ = features.load([key(1)])
    assert all_same(found, entries(1))
    assert paths[1 - bad].exists()


def test_what_killed_writers_left_is_not_read(features):
    path = features.add(entries(1))
    path.rename(path.with_name(f".{path.name}.abc.safetensors"))
    (features.path / ".tmpAb12Cd").write_bytes(b"half")  # what safetensors writes into
    (features.path / "dir.safetensors").mkdir()
    assert features.load([key(1)]) == ({}, [])


def test_a_shard_that_vanishes(features, monkeypatch):
    features.add(entries(1))
    gone = features.path / "0.safetensors"
    monkeypatch.setattr(folder, "shard_paths", lambda path, real=folder.shard_paths: [gone, *real(path)])
    assert all_same(kept(features), entries(1))


def test_what_cannot_be_read_now_is_left_for_later(features, monkeypatch):
    """No file descriptor, no memory, no right: the file may be sound."""
    path = features.add(entries(1))

    def refuse(path):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(folder, "Shard", refuse)
    found, complaints = features.load([key(1)])
    assert found == {}
    assert "cannot be read (Too many open files), so it is not used" in complaints[0]
    assert path.exists()


# -- several processes -------------------------------------------------------------------------------------------


def test_processes_that_add_at_once_lose_nothing(features, writers):
    writers(
        """
        children = []
        for who in range(3):
            if not (child := os.fork()):
                for number in range(8):
                    features.add(entries(8 * who + number))
                os._exit(0)
            children.append(child)
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        """
    )
    assert len(folder.shard_paths(features.path)) == 24
    assert all_same(kept(features), entries(*range(24)))


def test_killed_writers_leave_whole_shards(features, writers):
    """Writers, each killed at some moment of a loop of writing."""
    writers(
        """
        random.seed(0)
        big = entries(*range(20), frames=1000)
        written = 0
        for attempt in range(200):
            child = os.fork()
            while not child:
                features.add(big)
            time.sleep(random.uniform(0.005, 0.06) * (1 + attempt / 20))  # longer where the machine is busy
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            written = len(list(features.path.glob("*.safetensors")))
            if attempt >= 11 and written > 3:  # a busy machine needs more of them
                break
        """
    )
    assert len(folder.shard_paths(features.path)) > 3
    for path in folder.shard_paths(features.path):
        shards.Shard(path).check()
    assert all_same(kept(features), entries(*range(20), frames=1000))


def hold_claim(features, claimed):
    with features.claim("a") as mine:
        claimed.put(mine)
        signal.pause()


def test_claims(features):
    context = multiprocessing.get_context("fork")
    claimed = context.SimpleQueue()
    process = context.Process(target=hold_claim, args=(features, claimed))
    process.start()
    assert claimed.get()
    with features.claim("a") as mine, features.claim("b") as another:
        assert not mine
        assert another
    process.kill()
    process.join()
    for _ in range(2):
        with features.claim("a") as mine:
            assert mine


def test_claims_without_locks(features, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with features.use(), features.claim("a") as mine, features.claim("a") as again:
        assert mine
        assert again
        features.add(entries(1))
    assert all_same(kept(features), entries(1))


def test_use_is_noted(features):
    features.add(entries(1))
    lock = features.path / "lock"
    os.utime(lock, (0, 0))
    with features.use():
        assert lock.stat().st_mtime > 0
    os.utime(lock, (0, 0))
    features.add(entries(2))
    assert lock.stat().st_mtime > 0


# -- a disk that takes nothing -----------------------------------------------------------------------------------


def test_a_failed_addition_leaves_nothing(features, monkeypatch):
    features.add(entries(1))
    before = names(features.path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left") as error:
        features.add(entries(2))
    assert error.value.errno == errno.ENOSPC
    assert names(features.path) == before


@pytest.fixture
def read_only(features):
    """A set of two shards, one of them damaged, where nothing can be written."""
    features.add(entries(1))
    flip(features.add(entries(2)), -1)
    root = features.path.parent
    if subprocess.run(["mount", "-o", "bind,ro", root, root], capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a folder read-only")
    yield FeatureSet(root, IDENTITY)
    gc.collect()  # pytest.raises holds the test's frame, and that the mapped files
    subprocess.run(["umount", root], check=True)


def test_read_only(read_only):
    assert not read_only.writable()
    assert not FeatureSet(read_only.path.parent, {"kind": "text"}).writable()
    before = names(read_only.path)
    with read_only.use():
        found, complaints = read_only.load([key(1), key(2)])
        with read_only.claim("a") as mine:
            assert mine
    assert all_same(found, entries(1))
    assert len(complaints) == 1
    assert "cannot be removed (Read-only file system), so it is not used; 1 of its utterances" in complaints[0]
    with pytest.raises(OSError, match="Read-only") as error:
        read_only.add(entries(3))
    assert error.value.errno == errno.EROFS
    assert names(read_only.path) == before


def test_a_root_below_a_file_is_not_writable(tmp_path):
    (tmp_path / "file").touch()
    assert not FeatureSet(tmp_path / "file" / "store", IDENTITY).writable()
