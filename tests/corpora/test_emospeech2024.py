"""The challenge's folder: the real tables where they are at hand, and small ones with every fault."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from emospeech.corpora import emospeech2024
from emospeech.corpora.emospeech2024 import DEV_SPLIT, TEST_TABLE, TRAIN_SPLIT, TRAIN_TABLE
from emospeech.data import usable
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError


@pytest.fixture(scope="session")
def real(data_folder) -> Path:
    folder = data_folder / "emospeech2024"
    if not (folder / TRAIN_TABLE).is_file():
        pytest.skip(f"the challenge's tables are not in {folder}")
    return folder


@pytest.fixture
def tables(tmp_path):
    """Write tables into a folder: file name -> content."""

    def tables(**files: str) -> Path:
        names = {"train": TRAIN_TABLE, "test": TEST_TABLE, "train_split": TRAIN_SPLIT, "dev_split": DEV_SPLIT}
        for name, content in files.items():
            (tmp_path / names[name]).write_text(content, encoding="utf-8")
        return tmp_path

    return tables


TRAIN = "id,label,transcription\na.mp3,joy,sí\nb.mp3,fear,no\nc.mp3,joy,bueno\n"


# -- the real tables ---------------------------------------------------------------------------------------------


def test_the_real_tables(real):
    rows = emospeech2024.index(real)
    assert len(rows) == 3750
    assert rows["split"].value_counts().to_dict() == {"train": 2520, "dev": 480, "test": 750}
    assert rows["id"].is_unique
    assert rows["label"].notna().sum() == 3000
    assert set(rows["label"].dropna()) == set(EMOSPEECH2024)
    assert (rows["label"] == "fear").sum() == 23
    assert rows.loc[rows["split"] == "test", "label"].isna().all()
    assert rows["transcription"].notna().all()
    assert rows["audio"].isna().all()
    usable.require_text(rows)
    # in the order of the tables, as the standard library reads them
    import csv

    ids = []
    for name in (TRAIN_TABLE, TEST_TABLE):
        with (real / name).open(encoding="utf-8-sig", newline="") as stream:
            ids += [row["id"] for row in csv.DictReader(stream)]
    assert rows["id"].tolist() == ids


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "latin-1"])
def test_the_real_tables_in_another_encoding(real, encoding, tmp_path):
    expected = emospeech2024.index(real)
    for name in (TRAIN_TABLE, TEST_TABLE, TRAIN_SPLIT, DEV_SPLIT):
        text = (real / name).read_text(encoding="utf-8-sig")
        (tmp_path / name).write_bytes(text.replace("\n", "\r\n").encode(encoding, errors="replace"))
    rows = emospeech2024.index(tmp_path)
    pd.testing.assert_frame_equal(rows.drop(columns="transcription"), expected.drop(columns="transcription"))
    # letters that the encoding lacks, such as a note sign, were lost in writing it
    possible = expected["transcription"].map(
        lambda text: text.encode(encoding, errors="ignore").decode(encoding) == text
    )
    assert possible.mean() > 0.99
    found = rows["transcription"].str.replace("\r\n", "\n")
    pd.testing.assert_series_equal(found[possible], expected["transcription"][possible])


def test_the_real_test_table_alone(real):
    rows = emospeech2024.read_table(real / TEST_TABLE)
    assert len(rows) == 750
    assert rows["label"].isna().all()
    assert rows["source"][0] == f"{TEST_TABLE}, line 2"


# -- small tables ------------------------------------------------------------------------------------------------


def test_words_that_look_like_missing_values_are_words(tables):
    root = tables(train="id,label,transcription\na,joy,NA\nb,fear,null\nc,fear,nan\n")
    assert emospeech2024.index(root)["transcription"].tolist() == ["NA", "null", "nan"]


def test_an_empty_transcript_is_found_where_text_is_used(tables):
    root = tables(train="id,label,transcription\na,joy,sí\nb,fear,\n")
    with pytest.raises(UserError, match=rf"{TRAIN_TABLE}, line 3: id b"):
        usable.require_text(emospeech2024.index(root))


def test_audio_by_the_name_of_the_id(challenge):
    rows = emospeech2024.index(challenge)
    assert [Path(path).name for path in rows["audio"]] == rows["id"].tolist()
    assert all(Path(path).is_file() for path in rows["audio"])
    assert {Path(path).parent.name for path in rows["audio"][rows["split"] == "test"]} == {"test_segments"}
    usable.require_audio(rows)


def test_a_half_downloaded_folder(make_challenge, tmp_path):
    root = make_challenge(tmp_path / "half", train=12, test=4)
    for path in sorted((root / "train_segments").iterdir())[5:]:
        path.unlink()
    with pytest.raises(UserError, match=r"7 of 16 audio files are missing.*train_segments: train0005\.mp3, train0006"):
        usable.require_audio(emospeech2024.index(root))


def test_a_folder_that_was_never_downloaded(make_challenge, tmp_path):
    root = make_challenge(tmp_path / "none", train=12, test=4)
    shutil.rmtree(root / "train_segments")
    with pytest.raises(UserError, match=r"12 of 16 rows have no audio \(train0000\.mp3"):
        usable.require_audio(emospeech2024.index(root))


def test_not_the_challenges_folder(tmp_path):
    with pytest.raises(UserError, match=rf"is not the EmoSPeech 2024 folder: no {TRAIN_TABLE} in it .*: none"):
        emospeech2024.index(tmp_path / "absent")
    (tmp_path / "train.csv").write_text("id\n")
    with pytest.raises(UserError, match=r"tables found: train\.csv"):
        emospeech2024.index(tmp_path)


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ("label,transcription\njoy,x\n", rf"{TRAIN_TABLE}: no column id \(found: label, transcription\)"),
        ("id,label\na,joy\n", rf"{TRAIN_TABLE}: no column transcription"),
        ("id,label,transcription\na,joy,x\nb,happy,x\n", "line 3: unknown label 'happy'; known: neutral, disgust"),
        ("id,label,transcription\na,joy,x\na,fear,x\n", "id 'a' is there 2 times: lines 2, 3"),
        ("id,label,transcription\na,joy,x\nb,,x\n", rf"1 rows without a label\n  - {TRAIN_TABLE}, line 3: id b"),
        ("id,transcription\na,x\n", "1 rows without a label"),
        ("", rf"{TRAIN_TABLE} is empty"),
    ],
)
def test_faults_of_the_training_table(train, says, tables):
    with pytest.raises(UserError, match=says):
        emospeech2024.index(tables(train=train))


def test_an_id_in_both_tables(tables):
    root = tables(train=TRAIN, test="id,transcription\nx.mp3,hola\nb.mp3,adiós\n")
    with pytest.raises(UserError, match=r"1 ids are in both .*: b\.mp3"):
        emospeech2024.index(root)


def test_a_test_table_with_labels_keeps_them(tables):
    root = tables(train=TRAIN, test="id,label,transcription\nx.mp3,anger,hola\n")
    assert emospeech2024.index(root)["label"].tolist() == ["joy", "fear", "joy", "anger"]


# -- split files -------------------------------------------------------------------------------------------------


def splits_of(root):
    return [value if pd.notna(value) else None for value in emospeech2024.index(root)["split"]]


def test_without_split_files_nothing_is_split(tables):
    assert splits_of(tables(train=TRAIN, test="id,transcription\nx,hola\n")) == [None, None, None, "test"]


def test_both_split_files(tables):
    root = tables(train=TRAIN, train_split="id,label\nc.mp3,joy\n", dev_split="id\na.mp3\n")
    assert splits_of(root) == ["dev", None, "train"]


def test_what_one_split_file_leaves_is_the_other_part(tables):
    assert splits_of(tables(train=TRAIN, dev_split="id\nb.mp3\n")) == ["train", "dev", "train"]


def test_a_train_file_alone_counts_too(tables):
    assert splits_of(tables(train=TRAIN, train_split="id\na.mp3\nc.mp3\n")) == ["train", "dev", "train"]


@pytest.mark.parametrize("name", ["train_split", "dev_split"])
def test_split_files_about_other_clips(name, tables):
    with pytest.raises(UserError, match=rf"{name}\.csv: 2 ids are not in {TRAIN_TABLE}: y\.mp3, z\.mp3"):
        emospeech2024.index(tables(train=TRAIN, **{name: "id\na.mp3\nz.mp3\ny.mp3\n"}))


def test_split_files_that_overlap(tables):
    root = tables(train=TRAIN, train_split="id\na.mp3\nb.mp3\n", dev_split="id\nb.mp3\nc.mp3\n")
    with pytest.raises(UserError, match=r"dev_split\.csv: 1 ids are in train_split\.csv too: b\.mp3"):
        emospeech2024.index(root)
