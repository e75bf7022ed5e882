"""Whole-or-nothing writes: what a reader sees while a writer fails, or is killed."""

import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from emospeech.runtime import files
from emospeech.runtime.errors import UserError


@pytest.fixture
def killed():
    """Run a script that prints when it is in the middle of its work, and kill it there."""

    def killed(script: str, *arguments: object) -> None:
        command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "half way\n"
            process.send_signal(signal.SIGKILL)
            assert process.wait(timeout=20) == -signal.SIGKILL

    return killed


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole(tmp_path):
    path = tmp_path / "deep" / "a.csv"
    with files.replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".csv"  # some writers go by it
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.csv"]


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("old")

    def write():
        with files.replacing(path) as temporary:
            temporary.write_text("new")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("old", ["old", None])
def test_a_killed_writer_leaves_the_old_file_or_none(old, tmp_path, killed):
    path = tmp_path / "a.csv"
    if old:
        path.write_text(old)
    killed(
        """
        import sys, time
        from pathlib import Path
        from emospeech.runtime.files import replacing
        with replacing(Path(sys.argv[1])) as temporary:
            temporary.write_text("new")
            print("half way", flush=True)
            time.sleep(60)
        """,
        path,
    )
    assert (path.read_text() if path.exists() else None) == old
    files.write_text(path, "next")  # what the dead left behind is in nobody's way
    assert path.read_text() == "next"


def test_rights_are_those_of_an_ordinary_file(tmp_path):
    former = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
        with files.replacing_folder(tmp_path / "b") as folder:
            (folder / "x").touch()
    finally:
        os.umask(former)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_a_folder_appears_whole_and_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "model"
    for content in ("one", "two"):
        with files.replacing_folder(path) as folder:
            (folder / content).write_text(content)
            assert not (path / content).exists()
        assert names(path) == [content]
    assert names(tmp_path) == ["model"]


def test_a_failing_writer_leaves_the_old_folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()

    def write():
        with files.replacing_folder(path) as folder:
            (folder / "new").touch()
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        write()
    assert names(path) == ["old"]
    assert names(tmp_path) == ["model"]


def test_a_killed_writer_leaves_the_old_folder(tmp_path, killed):
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    killed(
        """
        import sys, time
        from pathlib import Path
        from emospeech.runtime.files import replacing_folder
        with replacing_folder(Path(sys.argv[1])) as folder:
            (folder / "new").touch()
            print("half way", flush=True)
            time.sleep(60)
        """,
        path,
    )
    assert names(path) == ["old"]


def test_killed_while_the_old_folder_is_removed(tmp_path, killed):
    """By then the new one must be in place: half an old model is none."""
    path = tmp_path / "model"
    path.mkdir()
    (path / "old").touch()
    killed(
        """
        import shutil, sys, time
        from pathlib import Path
        from emospeech.runtime import files
        def remove(folder, *args, **kwargs):
            print("half way", flush=True)
            time.sleep(60)
        files.shutil.rmtree = remove
        with files.replacing_folder(Path(sys.argv[1])) as folder:
            (folder / "new").touch()
        """,
        path,
    )
    assert names(path) == ["new"]


def test_what_killed_writers_left_is_removed(tmp_path, killed):
    (tmp_path / "kept").mkdir()
    kept = [".lock", ".a.csv", ".hidden.folder", "a.csv", "kept/.gitignore"]
    for name in kept:
        (tmp_path / name).touch()
    killed(
        """
        import sys, time
        from pathlib import Path
        from emospeech.runtime.files import replacing, replacing_folder
        path = Path(sys.argv[1])
        with replacing_folder(path / "m") as folder, replacing(path / "kept" / "step-1.pt"), replacing(path / "t"):
            (folder / "new").touch()
            print("half way", flush=True)
            time.sleep(60)
        """,
        tmp_path,
    )
    assert len(list(tmp_path.rglob("*"))) == len(kept) + 5
    files.remove_unfinished(tmp_path)
    assert names(tmp_path) == sorted([".lock", ".a.csv", ".hidden.folder", "a.csv", "kept"])
    assert names(tmp_path / "kept") == [".gitignore"]


def test_text_is_written_as_it_is(tmp_path):
    files.write_text(tmp_path / "a", "ñ\r\n\n")
    assert (tmp_path / "a").read_bytes() == "ñ\r\n\n".encode()


def test_json_keeps_its_accents(tmp_path):
    files.write_json(tmp_path / "a.json", {"año": [1, 2.5, None]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "año" in text
    assert text.endswith("}\n")
    assert json.loads(text) == {"año": [1, 2.5, None]}


def test_refuse_existing(tmp_path):
    files.refuse_existing(tmp_path / "absent")
    (tmp_path / "a.csv").touch()
    with pytest.raises(UserError, match=r"a\.csv exists already; give another -o"):
        files.refuse_existing(tmp_path / "a.csv", "give another -o")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
def test_a_folder_that_nobody_can_write_into_is_refused_with_the_path_that_was_named():
    with pytest.raises(UserError, match=r"^cannot write /proc/x\.html: "):
        files.refuse_existing(Path("/proc/x.html"))


def test_content_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4, example B.1
    assert files.content_hash(tmp_path / "a") == expected


def test_folder_hash_is_of_names_and_contents(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "a").write_text("x")
        (tmp_path / name / "b").write_text("y")
    first = files.folder_hash(tmp_path / "one")
    assert files.folder_hash(tmp_path / "two") == first
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    assert files.folder_hash(tmp_path / "two") != first
    (tmp_path / "one" / "b").write_text("other")
    assert files.folder_hash(tmp_path / "one") != first
