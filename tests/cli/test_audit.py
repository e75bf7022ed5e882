"""`emospeech data audit` as a user types it."""

import json

import pytest

from emospeech.cli.main import main

TRAIN = "id,label,transcription,speaker\na,joy,Hoy vamos al mercado,s1\nb,fear,Tengo mucho miedo,s2\n"
TEST = "id,transcription,speaker\nc,¡Hoy vamos al mercado!,s2\n"


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text(TRAIN, encoding="utf-8")
    (tmp_path / "test.csv").write_text(TEST, encoding="utf-8")
    return tmp_path


def test_tables_as_they_come(tables, capsys):
    assert main(["data", "audit", "train.csv", "test.csv"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("3 clips: train 2, test 1\n")
    assert (
        "error    same speaker           train | test: 1 of 1 test clips are of the speaker of a clip of train" in said
    )
    assert "    speaker s2; test c; train b" in said
    assert "1 of 1 test clips have the words of a clip of train; 0 letter for letter, 0 of at most 3 words" in said
    assert "not checked: same recording, guess by recording (no row has a group)" in said


def test_json_has_everything(tables):
    assert main(["data", "audit", "train.csv", "test.csv", "--json", "report.json"]) == 0
    report = json.loads((tables / "report.json").read_text(encoding="utf-8"))
    assert report["parts"] == {"train": 2, "test": 1}
    shared = next(one for one in report["findings"] if one["check"] == "same speaker")
    assert shared["details"] == [{"speaker": "s2", "test": ["c"], "train": ["b"]}]
    assert report["skipped"]["clipped"] == "no row names an audio file"
    assert main(["data", "audit", "train.csv", "--json", "report.json"]) == 2, "never overwritten"


def test_strict(tables, capsys):
    assert main(["data", "audit", "train.csv", "test.csv", "--strict"]) == 1
    assert capsys.readouterr().err.endswith("failed: 1 finding of severity error\n")
    assert main(["data", "audit", "train.csv", "--strict"]) == 0


def test_groups(tables, capsys):
    (tables / "videos.csv").write_text("id,group\na,v1\nc,v1\n")
    assert main(["data", "audit", "train.csv", "test.csv", "--groups", "videos.csv"]) == 0
    said = capsys.readouterr()
    assert "same recording         train | test: 1 of 1 test clips share a source recording" in said.out
    assert "groups: 2 of 3 rows" in said.err


def test_compare(tables, capsys):
    (tables / "before.csv").write_text("id,transcription\nc,Tengo mucho miedo\n")
    assert main(["data", "audit", "train.csv", "test.csv", "--compare", "before.csv"]) == 0
    said = capsys.readouterr().out
    assert "1 of 1 rows have another transcription in before, 1 of them other words" in said
    assert "as in before, 1 of 1 test clips have the words of a clip of train" in said


def test_listening_or_not(challenge, tmp_path, capsys):
    path = tmp_path / "m.csv"
    assert main(["data", "index", "emospeech2024", str(challenge), "-o", str(path)]) == 0
    assert main(["data", "audit", str(path), "--no-audio"]) == 0
    assert "(not asked to listen)" in capsys.readouterr().out
    assert main(["data", "audit", str(path)]) == 0
    assert "same sound (m | test)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (["none.csv"], "no file none.csv; expected a manifest"),
        (["train.csv", "--groups", "nowhere"], "no nowhere; expected a folder with"),
        (["train.csv", "--groups", "other.csv"], "other.csv knows none of the 2 ids"),
        (["train.csv", "--compare", "other.csv"], "other has none of the ids under audit"),
        (["doubled.csv"], "id 'a' is there 2 times: lines 2, 3"),
        (["header.csv"], "has a header but no rows"),
        (["none.csv", "header.csv"], "tables that cannot be read"),
    ],
)
def test_bad_input(tables, capsys, typed, says):
    (tables / "other.csv").write_text("id,group\nz,v\n")
    (tables / "doubled.csv").write_text("id\na\na\n")
    (tables / "header.csv").write_text("id,label\n")
    assert main(["data", "audit", *typed]) == 2
    assert says in capsys.readouterr().err
