"""Vectors are computed once: order, doubles, disk, memory, damage, full and read-only stores, several processes."""

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.data import audio
from emospeech.encoders import by_clip, functionals
from emospeech.encoders.store import upkeep
from emospeech.encoders.store.folder import FeatureSet, shard_paths
from emospeech.runtime.errors import UserError
from emospeech.systems import vectors

NAMES = ["functionals", "speech", "text"]


@pytest.fixture
def computed(monkeypatch):
    """How many clips functionals were computed of."""
    count = []
    once = by_clip.computed

    def counted(*arguments):
        count.append(1)
        return once(*arguments)

    monkeypatch.setattr(by_clip, "computed", counted)
    return count


def shards(tmp_path, kind):
    return [shard for path in (tmp_path / "store").glob(f"{kind}-*") for shard in shard_paths(path)]


def test_each_row_is_its_own_clip(vectors_of, rows):
    found = vectors_of("functionals")
    assert found.dtype == np.float32
    for row, path in zip(found, rows["audio"], strict=True):
        np.testing.assert_array_equal(row, functionals.functionals(audio.load(path)))


@pytest.mark.parametrize("name", NAMES)
def test_order_in_is_order_out_doubles_included(vectors_of, rows, name):
    found = vectors_of(name)
    order = [3, 1, 1, 11, 0]
    np.testing.assert_array_equal(vectors_of(name, rows.iloc[order].reset_index(drop=True)), found[order])


@pytest.mark.parametrize("name", NAMES)
def test_from_disk_and_from_memory_as_fresh(vectors_of, afresh, capsys, name, tmp_path):
    fresh = vectors_of(name)
    assert f"computing {name}" in capsys.readouterr().err
    again = vectors_of(name)
    afresh()
    from_disk = vectors_of(name)
    assert "computing" not in capsys.readouterr().err
    afresh()
    in_memory = vectors_of(name, cache=None)
    for other in (again, from_disk, in_memory):
        np.testing.assert_array_equal(other, fresh)


def test_without_a_store_nothing_is_written_and_nothing_computed_twice(vectors_of, computed, tmp_path, rows):
    for cache in (None, {"write": False}):
        vectors_of("functionals", cache=cache)
        vectors_of("functionals", cache=cache)
    assert not (tmp_path / "store").exists()
    assert len(computed) == len(rows)  # both are the same memory


def test_new_rows_alone_are_computed(vectors_of, computed, rows):
    vectors_of("functionals", rows[:5])
    vectors_of("functionals", rows)
    assert len(computed) == len(rows)


def test_the_content_counts_not_the_name(vectors_of, computed, rows, tmp_path, afresh):
    first = vectors_of("functionals")
    copy = tmp_path / "copy.wav"
    copy.write_bytes(Path(rows["audio"][0]).read_bytes())
    renamed = rows[:1].assign(audio=pd.Series([str(copy)], dtype="string"))
    afresh()
    np.testing.assert_array_equal(vectors_of("functionals", renamed), first[:1])
    assert len(computed) == len(rows)
    soundfile.write(copy, 0.1 * np.random.default_rng(0).standard_normal(8_000), 16_000)
    assert not np.allclose(vectors_of("functionals", renamed), first[:1])


def test_a_damaged_shard_is_named_and_computed_anew(vectors_of, afresh, tmp_path, capsys, computed):
    fresh = vectors_of("functionals")
    (shard,) = shards(tmp_path, "functionals")
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    os.utime(shard, ns=(1, 1))  # a program does not verify a file twice
    afresh()
    np.testing.assert_array_equal(vectors_of("functionals"), fresh)
    assert f"{shard} was damaged" in capsys.readouterr().err
    assert len(computed) == 2 * len(fresh)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_store_that_takes_nothing(vectors_of, monkeypatch, capsys, number):
    fresh = vectors_of("functionals", cache=None)
    capsys.readouterr()

    def refused(self, entries):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FeatureSet, "add", refused)
    monkeypatch.setattr("emospeech.encoders.store.extraction.UNIT_ITEMS", 4)
    np.testing.assert_array_equal(vectors_of("functionals"), fresh)
    said = capsys.readouterr().err
    assert said.count("kept in memory, for this program alone") == 1
    assert os.strerror(number) in said
    vectors_of("functionals")
    assert "computing" not in capsys.readouterr().err


def test_a_folder_that_cannot_be_made(vectors_of, tmp_path, capsys):
    (tmp_path / "store").write_text("a file in its place")
    assert np.isfinite(vectors_of("functionals")).all()
    assert "kept in memory" in capsys.readouterr().err


def test_every_clip_that_cannot_be_heard_is_named(vectors_of, rows, tmp_path):
    junk = tmp_path / "junk.wav"
    junk.write_bytes(b"no sound")
    paths = rows["audio"].tolist()
    paths[2], paths[7] = str(junk), str(junk)
    for name in ("functionals", "speech"):
        with pytest.raises(UserError, match="2 of 12 clips cannot be heard") as raised:
            vectors_of(name, rows.assign(audio=pd.Series(paths, dtype="string")))
        assert f"id {rows['id'][2]}: {junk}" in str(raised.value)
        assert f"id {rows['id'][7]}" in str(raised.value)
    paths[3] = str(tmp_path / "absent.wav")
    with pytest.raises(UserError, match="3 of 12") as raised:
        vectors_of("functionals", rows.assign(audio=pd.Series(paths, dtype="string")))
    assert "no such file" in str(raised.value)


def test_rows_without_audio_are_a_second_of_silence(vectors_of, rows):
    silent = rows.assign(audio=rows["audio"].mask(rows.index == 1))
    expected = functionals.functionals(np.zeros(16_000, dtype="f4"))
    np.testing.assert_array_equal(vectors_of("functionals", silent)[1], expected)
    assert np.isfinite(vectors_of("speech", silent)).all()


def test_rows_without_a_transcription_are_named(vectors_of, rows):
    blank = rows.assign(transcription=rows["transcription"].mask(rows.index == 4))
    with pytest.raises(UserError, match=r"1 of 12 rows have no transcription(.|\n)*id train0004"):
        vectors_of("text", blank)


def test_what_is_done_when_stopped_is_kept(vectors_of, monkeypatch, afresh, rows, tmp_path):
    monkeypatch.setattr("emospeech.encoders.store.extraction.UNIT_ITEMS", 4)
    once, count = by_clip.computed, []

    def stopped(*arguments):
        count.append(1)
        if len(count) == 10:
            raise KeyboardInterrupt
        return once(*arguments)

    monkeypatch.setattr(by_clip, "computed", stopped)
    with pytest.raises(KeyboardInterrupt):
        vectors_of("functionals")
    afresh()
    vectors_of("functionals")
    assert len(count) == 10 + len(rows) - 8


@pytest.mark.slow
def test_a_pool_of_processes_gives_the_same(vectors_of, monkeypatch):
    alone = vectors_of("functionals", cache=None)
    monkeypatch.setattr(by_clip, "WORTH", 6)
    monkeypatch.setattr(by_clip, "cores", lambda: 2)
    np.testing.assert_array_equal(vectors_of("functionals"), alone)


def test_a_pool_that_breaks_is_done_without(vectors_of, monkeypatch, capsys):
    from concurrent.futures import Future
    from concurrent.futures.process import BrokenProcessPool
    from contextlib import contextmanager

    class Broken:
        def submit(self, *_):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    alone = vectors_of("functionals", cache=None)
    monkeypatch.setattr(by_clip, "processes", contextmanager(lambda clips: iter([Broken()])))
    np.testing.assert_array_equal(vectors_of("functionals"), alone)
    assert "it goes on in one" in capsys.readouterr().err


def test_played_faster(vectors_of, rows, recipe):
    found = vectors_of("functionals", options={"speed": 1.25})
    made = vectors.build("functionals", {"speed": 1.25}, recipe())
    np.testing.assert_array_equal(made.of(rows), found)
    own = vectors_of("functionals")
    length = functionals.names().index("frames")
    np.testing.assert_allclose(found[:, length] * 1.25, own[:, length], rtol=0.1)
    with pytest.raises(UserError, match=r"between 0\.5 and 2\.0"):
        vectors.build("functionals", {"speed": 5.0}, recipe())


def test_pitch_goes_with_the_speed():
    seconds = np.arange(16_000) / 16_000
    voice = sum(0.3 / 2**k * np.sin(2 * np.pi * 110 * k * seconds) for k in range(1, 9)).astype("f4")
    found = by_clip.played_faster(1.25, functionals.functionals, voice)
    pitch = functionals.names().index("f0_p50")
    assert found[pitch] - functionals.functionals(voice)[pitch] == pytest.approx(12 * np.log2(1.25), abs=0.05)


def test_a_daemon_starts_no_processes(monkeypatch):
    monkeypatch.setattr(by_clip, "cores", lambda: 8)
    with monkeypatch.context() as patched:
        patched.setattr("multiprocessing.current_process", lambda: type("Daemon", (), {"daemon": True}))
        with by_clip.processes(10_000) as pool:
            assert pool is None
    with by_clip.processes(10) as pool:
        assert pool is None


SCRIPT = """
    import sys
    from pathlib import Path
    import numpy as np
    from emospeech import config
    from emospeech.corpora import emospeech2024
    from emospeech.encoders.store import extraction
    from emospeech.systems import vectors
    extraction.UNIT_ITEMS = 3
    store, root, out = sys.argv[1:]
    words = {"name": "x", "system": "classical", "classical": {"features": ["functionals"]}, "cache": {"folder": store}}
    recipe = config.validate({**words, "data": {"corpus": "demo", "root": "-"}}, "test")
    np.save(out, vectors.build("functionals", {}, recipe).of(emospeech2024.index(Path(root))))
"""


@pytest.mark.slow
def test_two_programs_at_once_share_the_work(challenge, tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path / "store"), str(challenge)]
    outs = [tmp_path / f"{k}.npy" for k in range(2)]
    pair = [subprocess.Popen([*command, str(out)], stderr=subprocess.PIPE, text=True) for out in outs]
    said = [process.communicate(timeout=300)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    one, other = (np.load(out) for out in outs)
    np.testing.assert_array_equal(one, other)
    (kept,) = upkeep.listed(tmp_path / "store")
    assert kept.utterances == len(one)
    assert not kept.damaged


def test_the_store_lists_verifies_and_prunes_them(vectors_of, tmp_path, capsys):
    from emospeech.cli.main import main

    for name in NAMES:
        vectors_of(name)
    folder = ["--folder", str(tmp_path / "store")]
    assert main(["cache", "ls", *folder]) == 0
    listed = capsys.readouterr().out
    assert "3 sets" in listed
    assert "1 x 1663 fp32" in listed
    assert "5 x 16 fp32" in listed  # the hidden states 0 to 3, and the output
    assert [one.name.split("-")[0] for one in upkeep.listed(tmp_path / "store")] == ["functionals", "pooled", "pooled"]
    assert main(["cache", "verify", *folder]) == 0
    assert main(["cache", "prune", "--all", *folder]) == 0
    assert not upkeep.listed(tmp_path / "store")


def test_another_version_is_another_set(vectors_of, monkeypatch, tmp_path, afresh):
    vectors_of("functionals")
    monkeypatch.setattr(functionals, "VERSION", functionals.VERSION + 1)
    vectors_of("functionals")
    assert len(upkeep.listed(tmp_path / "store")) == 2


def test_names_go_with_the_columns(recipe, rows):
    made = vectors.build("functionals", {}, recipe())
    found = made.of(rows)
    assert len(made.names) == found.shape[1]
    assert made.names[0] == "functionals:level"
    assert made.needs == "audio"
