"""One file of a store: what goes in comes out bit for bit, in place; what was damaged is told."""

import errno
import gc
import json
import pickle
import resource
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from emospeech.encoders.store import shards
from emospeech.encoders.store.packed import DTYPES, Packed
from emospeech.encoders.store.shards import DamagedShard, Shard, write

from .conftest import all_same, entries, flip, key, same, states


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


@pytest.fixture
def shard(path):
    """A file with two utterances of int8."""
    write(path, entries(1, 2, dtype="int8"))
    return path


def read(path):
    opened = Shard(path)
    opened.check()
    return {name: opened.get(name) for name in opened.keys}


# -- round trip --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_bit_for_bit(dtype, path):
    kept = entries(1, 2, dtype=dtype) | {key(3): states(3, dtype, frames=1)}
    write(path, kept)
    assert all_same(read(path), kept)
    opened = Shard(path)
    assert {name: opened.nbytes(name) for name in opened.keys} == {name: kept[name].nbytes for name in kept}


def test_every_bit_pattern_survives(path):
    """No infinity, no NaN with its payload, no negative zero is put right on the way."""
    values = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.float16).reshape(1, 64, 1024)
    write(path, {"a": Packed(values), "b": Packed(values.view(torch.bfloat16))})
    assert all_same(read(path), {"a": Packed(values), "b": Packed(values.view(torch.bfloat16))})


def test_a_name_is_only_a_name(path, tmp_path):
    kept = entries(1, 2, 3, dtype="int8")
    write(path, dict(reversed(kept.items())))
    moved = path.rename(tmp_path / "b.safetensors")
    assert all_same(read(moved), kept)


def test_views_are_written_as_what_they_show(path):
    batch = torch.randn(2, 3, 7, 16)
    kept = {
        "first": Packed(batch[0]),
        "second": Packed(batch[1]),
        "again": Packed(batch[0]),
        "cut": Packed(batch[0]).cut(2, 3),
        "overlap": Packed(batch[0, :2]),
    }
    write(path, kept)
    assert all_same(read(path), kept)


def test_absent(shard):
    opened = Shard(shard)
    assert key(1) in opened
    assert key(9) not in opened
    for name in (key(9), key(1) + ".scales"):
        with pytest.raises(KeyError):
            opened.get(name)


def test_rights_are_those_of_an_ordinary_file(shard, tmp_path):
    (tmp_path / "ordinary").touch()
    assert shard.stat().st_mode == (tmp_path / "ordinary").stat().st_mode


# -- in place ----------------------------------------------------------------------------------------------------


def own_memory() -> int:
    """Bytes that are this process's alone, files that it maps left out."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("RssAnon:")[1].split()[0])


def test_reading_takes_no_memory(path):
    write(path, {key(k): Packed(torch.ones(4, 512, 1024)) for k in range(8)})  # 64 MiB
    gc.collect()
    before = own_memory()
    found = read(path)
    assert sum(int(packed.values.sum()) for packed in found.values()) == 8 * 4 * 512 * 1024
    assert own_memory() - before < 4 * 2**20
    opened = Shard(path)
    assert opened.get(key(0)).values.data_ptr() == opened.get(key(0)).values.data_ptr()


def test_hundreds_of_shards_hold_no_file_open(shard):
    before = len(list(Path("/proc/self/fd").iterdir()))
    opened = [Shard(shard) for _ in range(300)]
    views = [one.get(key(1)) for one in opened]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert same(views[-1], states(1, "int8"))


def test_views_outlive_shard_and_file(shard):
    opened = Shard(shard)
    view = opened.get(key(1))
    shard.unlink()
    del opened
    gc.collect()
    assert same(view, states(1, "int8"))


def test_writing_into_a_view_spares_the_file(shard):
    Shard(shard).get(key(1)).values.zero_()
    assert all_same(read(shard), entries(1, 2, dtype="int8"))


# -- damage ------------------------------------------------------------------------------------------------------


def test_truncated_anywhere(shard):
    whole = shard.read_bytes()
    for length in {0, 1, 7, 8, 9, 100, len(whole) // 2, len(whole) - 1}:
        shard.write_bytes(whole[:length])
        with pytest.raises(DamagedShard):
            Shard(shard)


def test_a_bit_of_the_data(shard):
    flip(shard, -1)
    opened = Shard(shard)
    bad = opened.keys[-1]
    with pytest.raises(DamagedShard, match=f"checksum of {bad} differs") as error:
        opened.check()
    assert error.value.path == shard
    assert str(shard) in str(error.value)
    opened.check([opened.keys[0]])  # the other one is sound


def test_a_bit_of_the_scales(shard):
    flip(shard, 8 + int.from_bytes(shard.read_bytes()[:8], "little"))  # the widest type comes first
    opened = Shard(shard)
    with pytest.raises(DamagedShard, match=r"checksum of [0-9a-f]+\.scales differs"):
        opened.check([opened.keys[0]])


def test_no_byte_of_the_header_gives_other_states(path):
    """Told at once, or found by the checksums, or of no account, as a blank in the padding."""
    kept = entries(1, frames=2) | entries(2, dtype="int8", frames=2)
    write(path, kept)
    whole = path.read_bytes()
    told = 0
    header = 8 + int.from_bytes(whole[:8], "little")
    for offset in range(header):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ (1 << offset % 8)]) + whole[offset + 1 :])
        try:
            assert all_same(read(path), kept), offset
        except DamagedShard:
            told += 1
    assert told > 0.9 * header


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 4096, (2**40).to_bytes(8, "little") + b"{}", bytes(64)])
def test_junk(content, path):
    path.write_bytes(content)
    with pytest.raises(DamagedShard):
        Shard(path)


def test_foreign(path):
    save_file({"weight": torch.zeros(3, 4, 5)}, path)
    with pytest.raises(DamagedShard, match="not written by emospeech"):
        Shard(path)


@pytest.mark.parametrize("checksums", ["{", "[]", "{}", '{"a": 1, "b": 2}'])
def test_checksums_of_other_tensors(checksums, path):
    save_file({"a": torch.zeros(3, 4, 5)}, path, metadata={shards.CHECKSUMS: checksums})
    with pytest.raises(DamagedShard, match="not those of its tensors"):
        Shard(path)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"a": torch.zeros(3, 4)}, "which no store writes"),
        ({"a": torch.zeros(3, 4, 5, dtype=torch.int16)}, "which no store writes"),
        ({"a": torch.zeros(3, 4, 5, dtype=torch.int8)}, "a is I8 without scales"),
        ({"a": torch.zeros(3, 4, 5), "a.scales": torch.zeros(3, 4)}, "a is F32 with scales"),
        ({"a": torch.zeros(3, 4, 5, dtype=torch.int8), "a.scales": torch.zeros(3, 5)}, "do not fit"),
        ({"a.scales": torch.zeros(3, 4)}, "scales without values"),
    ],
)
def test_what_no_store_writes(tensors, reason, path):
    save_file(tensors, path, metadata={shards.CHECKSUMS: json.dumps(dict.fromkeys(tensors, 0))})
    with pytest.raises(DamagedShard, match=reason):
        Shard(path)


def test_what_is_not_there_or_no_file_is_not_damaged(tmp_path):
    with pytest.raises(FileNotFoundError):
        Shard(tmp_path / "absent.safetensors")
    with pytest.raises(IsADirectoryError):
        Shard(tmp_path)


def test_no_memory_to_map_is_not_damage(shard, monkeypatch):
    import safetensors

    def no_memory(*args):
        raise RuntimeError("unable to mmap 512 bytes from file <a>: Cannot allocate memory (12)")

    monkeypatch.setattr(safetensors, "safe_open", no_memory)
    with pytest.raises(OSError, match="Cannot allocate memory") as error:
        Shard(shard)
    assert error.value.errno == errno.ENOMEM


def test_the_error_travels_between_processes(tmp_path):
    error = pickle.loads(pickle.dumps(DamagedShard(tmp_path, "reason")))
    assert (error.path, error.reason) == (tmp_path, "reason")


# -- failing to write --------------------------------------------------------------------------------------------


@pytest.fixture
def small_files():
    """A limit on the size of files, which stops safetensors in the middle, as a full disk does."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_half_way(path, small_files):
    write(path, entries(1))
    with pytest.raises(OSError, match="File too large") as error:
        write(path.with_name("b.safetensors"), {str(k): Packed(torch.zeros(1, 100, 100)) for k in range(10)})
    assert (error.value.errno, error.value.filename) == (errno.EFBIG, str(path.with_name("b.safetensors")))
    assert list(path.parent.iterdir()) == [path]
    assert all_same(read(path), entries(1))


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        write(disk / "a.safetensors", entries(1))
        with pytest.raises(OSError, match="No space left on device") as error:
            write(disk / "b.safetensors", entries(2, frames=10_000))
        assert error.value.errno == errno.ENOSPC
        assert [path.name for path in disk.iterdir()] == ["a.safetensors"]
        assert all_same(read(disk / "a.safetensors"), entries(1))
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "a.safetensors", entries(1))
