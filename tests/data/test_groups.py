"""Source recordings from a file: MEACorpus' two tables, real and faulty, and a CSV."""

import pytest

from emospeech.data import groups, manifest
from emospeech.data.groups import CLIPS, VIDEOS
from emospeech.runtime.errors import UserError


@pytest.fixture
def tables(tmp_path):
    """MEACorpus' folder from the two tables' rows."""

    def tables(clips: str, videos: str):
        (tmp_path / CLIPS).write_text(f"filename,transcription\n{clips}", encoding="utf-8")
        (tmp_path / VIDEOS).write_text(f"youtube_key,transcription\n{videos}", encoding="utf-8")
        return tmp_path

    return tables


def test_the_real_tables(data_folder):
    folder = data_folder / "meacorpus2023"
    if not (folder / VIDEOS).is_file():
        pytest.skip(f"no {VIDEOS} in {folder}")
    keys = groups.video_keys(folder)
    assert len(keys) == 5129
    assert keys["55ea70ba-9ce28715.mp3"] == "CfD_mpA-8WE"
    assert len(set(keys.values())) == 3006


def test_rows_are_joined_by_their_order(tables):
    keys = groups.read(tables("a.mp3,uno\nb.mp3,dos\nc.mp3,dos\n", "v1,uno\nv1,dos\n,dos\n"))
    assert keys == {"a.mp3": "v1", "b.mp3": "v1"}, "a clip without a key has no group"


@pytest.mark.parametrize(
    ("clips", "videos", "says"),
    [
        ("a,uno\nb,dos\n", "v1,uno\n", f"{CLIPS} has 2 rows and {VIDEOS} has 1; expected the same rows"),
        ("a,uno\nb,dos\n", "v1,dos\nv2,uno\n", "2 of 2 rows .* another transcription, the first in lines 2 and 2"),
        ("a,uno\na,dos\n", "v1,uno\nv2,dos\n", "id 'a' is there 2 times"),
    ],
)
def test_tables_of_another_version(tables, clips, videos, says):
    with pytest.raises(UserError, match=says):
        groups.read(tables(clips, videos))


def test_a_folder_without_them(tmp_path):
    (tmp_path / "other.csv").write_text("id\n")
    with pytest.raises(UserError, match=rf"no {CLIPS} and no {VIDEOS} \(tables found: other\.csv\); expected a folder"):
        groups.read(tmp_path)
    with pytest.raises(UserError, match="expected a folder with"):
        groups.read(tmp_path / "absent")


def test_a_csv(tmp_path):
    path = tmp_path / "groups.csv"
    path.write_text("id,group\na,v1\nb,\n")
    assert groups.read(path) == {"a": "v1"}
    path.write_text("id,group\na,v1\na,v2\n")
    with pytest.raises(UserError, match="id 'a' is there 2 times"):
        groups.read(path)


def test_a_manifest_is_filled(tmp_path, capsys):
    path = tmp_path / "groups.csv"
    path.write_text("id,group\na,v1\nb,v2\nz,v3\n")
    rows = manifest.make(id=["c", "b", "a"], group=["own", "old", None])
    assert groups.with_groups(rows, path)["group"].tolist() == ["own", "v2", "v1"]
    assert "groups: 2 of 3 rows, 2 different" in (said := capsys.readouterr().err)
    assert "1 had another before" in said
    with pytest.raises(UserError, match=r"knows none of the 1 ids \(q\); its own are such as a, b, z"):
        groups.with_groups(manifest.make(id=["q"]), path)
