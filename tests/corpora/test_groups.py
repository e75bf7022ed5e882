"""Source recordings from a file: MEACorpus' two tables, real and faulty, and a CSV."""

import pytest

from emospeech.corpora import groups
from emospeech.corpora.meacorpus2023 import TABLES
from emospeech.data import manifest
from emospeech.runtime.errors import UserError

NAMES, VIDEOS = TABLES[:2]


@pytest.fixture
def tables(tmp_path):
    """MEACorpus' folder from clips, and the keys of their videos or None."""

    def tables(clips, videos):
        named = "".join(f"{clip},joy,texto {k},train\n" for k, clip in enumerate(clips))
        (tmp_path / NAMES).write_text(f"filename,label,transcription,split\n{named}", encoding="utf-8")
        if videos is not None:
            keyed = "".join(f"{key},{k},joy,female,0,1000,texto {k},train\n" for k, key in enumerate(videos))
            header = "youtube_key,segment_id,label,gender,start_time,end_time,transcription,split"
            (tmp_path / VIDEOS).write_text(f"{header}\n{keyed}", encoding="utf-8")
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
    keys = groups.read(tables(["a.mp3", "b.mp3", "c.mp3"], ["v1", "v1", ""]))
    assert keys == {"a.mp3": "v1", "b.mp3": "v1"}, "a clip without a key has no group"


def test_tables_of_another_version(tables):
    with pytest.raises(UserError, match=r"2 rows in .*, 1 in "):
        groups.read(tables(["a.mp3", "b.mp3"], ["v1"]))


def test_a_folder_that_names_no_videos(tables, tmp_path):
    with pytest.raises(UserError, match="no table in it names the videos; expected a folder with the two tables"):
        groups.read(tables(["a.mp3"], None))
    with pytest.raises(UserError, match="expected a folder with"):
        groups.read(tmp_path / "absent")
    (tmp_path / NAMES).unlink()
    with pytest.raises(UserError, match="is not Spanish MEACorpus 2023"):
        groups.read(tmp_path)


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
