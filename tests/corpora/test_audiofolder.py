"""Any folder with a metadata.csv; es_acted where it is at hand."""

from pathlib import Path

import pandas as pd
import pytest

from emospeech.corpora import audiofolder
from emospeech.data import audio
from emospeech.runtime.errors import UserError


@pytest.fixture
def folder(tmp_path):
    def folder(table: str) -> Path:
        (tmp_path / "metadata.csv").write_text(table, encoding="utf-8")
        return tmp_path

    return folder


def test_es_acted(data_folder):
    root = data_folder / "es_acted"
    if not (root / "metadata.csv").is_file():
        pytest.skip(f"es_acted is not in {data_folder}")
    rows = audiofolder.index(root)
    assert len(rows) == 1153
    assert rows["label"].nunique() == 7
    assert sorted(rows["speaker"].unique()) == [f"s{k:02d}" for k in range(14)]
    assert rows["duration"].sum() / 60 == pytest.approx(46.4, abs=0.1)
    assert all(Path(path).is_file() for path in rows["audio"])
    assert len(audio.load(rows["audio"][0])) / audio.SAMPLE_RATE == pytest.approx(rows["duration"][0], abs=0.01)


def test_known_columns_are_taken_over(folder):
    root = folder(
        "file_name,label,transcription,speaker,split,duration,remark\n"
        "año 1/á.wav,joy,NA,01,train,1.5,x\n"
        "b.mp3,,sí,,,,y\n"
    )
    rows = audiofolder.index(root)
    assert rows["id"].tolist() == ["año 1/á.wav", "b.mp3"]
    assert rows["audio"].tolist() == [str(root / "año 1" / "á.wav"), str(root / "b.mp3")]
    assert rows["transcription"].tolist() == ["NA", "sí"]
    assert rows["speaker"][0] == "01"
    assert rows["duration"][0] == 1.5
    assert rows[["label", "speaker", "split", "duration"]].iloc[1].isna().all()
    assert rows["source"].tolist() == ["metadata.csv, line 2", "metadata.csv, line 3"]
    assert rows["corpus"].unique().tolist() == ["audiofolder"]


def test_file_names_alone_are_enough(folder):
    rows = audiofolder.index(folder("file_name\na.wav\n"))
    assert rows["label"].isna().all()
    assert rows["duration"].isna().all()


def test_a_column_id_of_its_own_does_not_get_in_the_way(folder):
    rows = audiofolder.index(folder("id,file_name,label\n1,a.wav,joy\n1,b.wav,fear\n"))
    assert rows["id"].tolist() == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("name,label\na.wav,joy\n", r"no column file_name \(found: name, label\); an audiofolder's table has"),
        ("file_name\na.wav\nb.wav\na.wav\n", r"file_name 'a\.wav' is there 2 times: lines 2, 4"),
        ('file_name,label\n"",joy\n', "line 2: the file_name is empty"),
        ("file_name,split\na.wav,valid\n", "line 2: unknown split 'valid'; known: train, dev, test"),
        ("file_name,duration\na.wav,-3\nb.wav,1:20\n", r"2 faults\n  - line 2: duration '-3'.*\n  - line 3: duration"),
        ("file_name\n", "has a header but no rows"),
    ],
)
def test_faults(table, says, folder):
    with pytest.raises(UserError, match=says):
        audiofolder.index(folder(table))


def test_no_table(tmp_path):
    with pytest.raises(UserError, match=r"no metadata\.csv; an audiofolder has one, with a column file_name"):
        audiofolder.index(tmp_path)


def test_the_manifest_has_the_right_types(folder):
    rows = audiofolder.index(folder("file_name,label,duration\na.wav,joy,1\n"))
    assert rows["label"].dtype == "string"
    assert rows["duration"].dtype == pd.Float64Dtype()


def test_a_column_of_the_users_own_where_it_is_asked_for(folder):
    root = folder("file_name,label,votes,remark\na.wav,joy,joy:1,x\nb.wav,fear,,y\n")
    rows = audiofolder.index(root, ["votes"])
    assert rows["votes"].fillna("-").tolist() == ["joy:1", "-"]
    assert "remark" not in rows
    assert "votes" not in audiofolder.index(root)
    with pytest.raises(UserError, match=r"metadata\.csv: no column ballots"):
        audiofolder.index(root, ["ballots"])
