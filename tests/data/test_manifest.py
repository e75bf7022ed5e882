"""The manifest as a file: order, missing values, paths and faults."""

from pathlib import Path

import pandas as pd
import pytest

from emospeech.data import manifest
from emospeech.runtime.errors import UserError


@pytest.fixture
def rows(tmp_path):
    sounds = tmp_path / "sonidos ñ"
    sounds.mkdir()
    (sounds / "canción.wav").write_bytes(b"")
    return manifest.make(
        id=["b", "a", "c,1"],
        audio=[str(sounds / "canción.wav"), None, str(sounds / "not there.mp3")],
        transcription=["NA", None, 'él dijo "no", y\nse fue'],
        label=["joy", None, "fear"],
        speaker=[None, "s1", "007"],
        split=["train", None, "test"],
        duration=[2.5, None, 0.1],
    )


def test_make_fills_what_is_not_given():
    frame = manifest.make(id=["a"], label=["joy"])
    assert tuple(frame.columns) == manifest.COLUMNS
    assert frame.drop(columns=["id", "label"]).isna().all(axis=None)
    with pytest.raises(AssertionError, match="not a manifest column"):
        manifest.make(id=["a"], emotion=["joy"])


def test_reads_back_as_written(rows, tmp_path):
    path = tmp_path / "m.csv"
    manifest.write(rows, path)
    back = manifest.read(path)
    pd.testing.assert_frame_equal(back.drop(columns="source"), rows.drop(columns="source"))
    assert back["source"].tolist() == ["m.csv, line 2", "m.csv, line 3", "m.csv, line 4"]


def test_audio_is_relative_to_the_file_and_opens_from_anywhere(rows, tmp_path, monkeypatch):
    elsewhere = tmp_path / "lists" / "deep"
    elsewhere.mkdir(parents=True)
    manifest.write(rows, elsewhere / "m.csv")
    assert "../../sonidos ñ/canción.wav" in (elsewhere / "m.csv").read_text(encoding="utf-8")

    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("lists", "sonidos ñ"):
        (tmp_path / name).rename(moved / name)
    monkeypatch.chdir(moved)
    back = manifest.read(moved / "lists" / "deep" / "m.csv")
    assert Path(back["audio"][0]).samefile(moved / "sonidos ñ" / "canción.wav")


def test_relative_paths_are_taken_from_where_the_program_runs(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.wav").write_bytes(b"")
    monkeypatch.chdir(tmp_path / "work")
    manifest.write(manifest.make(id=["a"], audio=["a.wav"]), Path("../m.csv"))
    assert Path(manifest.read(tmp_path / "m.csv")["audio"][0]).is_file()


def test_links_keep_their_name_and_linked_folders_work(tmp_path):
    """Hub caches and git-annex keep sounds under names without a suffix, which `audio.load` goes by."""
    store, clips = tmp_path / "disk" / "store", tmp_path / "clips"
    store.mkdir(parents=True)
    clips.mkdir()
    (store / "0a1b2c").write_bytes(b"")
    (clips / "a.m4a").symlink_to(store / "0a1b2c")
    (tmp_path / "link").symlink_to(store, target_is_directory=True)  # a manifest written through a linked folder

    manifest.write(manifest.make(id=["a"], audio=[str(clips / "a.m4a")]), tmp_path / "link" / "m.csv")
    found = manifest.read(tmp_path / "link" / "m.csv")["audio"][0]
    assert found.endswith("a.m4a")
    assert Path(found).samefile(store / "0a1b2c")


def test_absolute_audio_paths_stay(tmp_path):
    (tmp_path / "m.csv").write_text("id,audio\na,/somewhere/a.wav\nb,\n")
    frame = manifest.read(tmp_path / "m.csv")
    assert frame["audio"][0] == "/somewhere/a.wav"
    assert frame["audio"].isna().tolist() == [False, True]


def test_foreign_columns_are_left_alone(tmp_path):
    (tmp_path / "m.csv").write_text("remark,id,source\nnice,a,me\n")
    frame = manifest.read(tmp_path / "m.csv")
    assert tuple(frame.columns) == manifest.COLUMNS
    assert frame["source"][0] == "m.csv, line 2"


def test_every_fault_at_once(tmp_path):
    (tmp_path / "m.csv").write_text(
        'id,label,split,duration\na,joy,train,1\na,Joy,validation,-2\n"",fear,,long\nb,,dev,\n'
    )
    with pytest.raises(UserError) as error:
        manifest.read(tmp_path / "m.csv", labels=["joy", "fear"])
    assert str(error.value).splitlines() == [
        f"{tmp_path / 'm.csv'}: 6 faults",
        "  - line 4: the id is empty",
        "  - id 'a' is there 2 times: lines 2, 3",
        "  - line 3: unknown label 'Joy'; known: joy, fear",
        "  - line 3: unknown split 'validation'; known: train, dev, test",
        "  - line 3: duration '-2' is not a positive number of seconds",
        "  - line 4: duration 'long' is not a positive number of seconds",
    ]


def test_labels_are_free_where_none_are_given(tmp_path):
    (tmp_path / "m.csv").write_text("id,label\na,boredom\n")
    assert manifest.read(tmp_path / "m.csv")["label"].tolist() == ["boredom"]


def test_a_column_of_the_users_own_where_it_is_asked_for(tmp_path):
    (tmp_path / "m.csv").write_text('id,my votes,label\na,"joy:1, fear:2",joy\nb,,fear\n')
    frame = manifest.read(tmp_path / "m.csv", columns=["my votes"])
    assert tuple(frame.columns) == (*manifest.COLUMNS, "my votes")
    assert frame["my votes"][0] == "joy:1, fear:2"
    assert frame["my votes"].isna().tolist() == [False, True]
    manifest.write(frame, tmp_path / "again.csv")
    again = manifest.read(tmp_path / "again.csv", columns=["my votes", "label"])
    pd.testing.assert_frame_equal(again.drop(columns="source"), frame.drop(columns="source"))
    with pytest.raises(UserError, match=r"no column Votes \(found: id, my votes, label\)"):
        manifest.read(tmp_path / "m.csv", columns=["Votes"])
