"""Spanish and Portuguese corpora: the real tables of MEACorpus where they are at hand, and small folders."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.corpora import CORPORA, coraa_ser, emomatch, emowisconsin, inter1sp, meacorpus2023
from emospeech.data import manifest
from emospeech.labels import CORAA_SER, WORDS
from emospeech.runtime.errors import UserError

NAMES, KEYS = meacorpus2023.TABLES[:2]
NAMED = "filename,label,transcription,split\na-1.mp3,anger,¡Basta!,train\nb-2.mp3,,NA,train\nc-3.mp3,joy,¡Bien!,test\n"
KEYED = (
    "youtube_key,segment_id,label,gender,start_time,end_time,transcription,split,source\n"
    "-k1,0.mp3,anger,female,0.0,2500.0,¡Basta!,train,youtube\n"
    "-k1,4.mp3,,male,4000.0,5000.5,NA,train,youtube\n"
    "k_2,0.mp3,joy,male,1000.0,2000.0,¡Bien!,test,youtube\n"
)


@pytest.fixture(scope="session")
def real(data_folder) -> Path:
    folder = data_folder / "meacorpus2023"
    if not (folder / NAMES).is_file() or not (folder / KEYS).is_file():
        pytest.skip(f"MEACorpus's tables are not in {folder}")
    return folder


@pytest.fixture
def folder(tmp_path):
    """Write files into a folder: text as it is, None as a second of sound."""

    def folder(**files: str | None) -> Path:
        return fill(tmp_path / "corpus", {name.replace("__", "/"): content for name, content in files.items()})

    return folder


def fill(root: Path, files: dict[str, str | None]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            soundfile.write(path.with_suffix(".wav"), np.full(1600, 0.1), 16_000)
            path.with_suffix(".wav").rename(path)
        else:
            path.write_text(content, encoding="utf-8")
    return root


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


# -- what all tell of themselves ---------------------------------------------------------------------------------


def test_every_corpus_tells_its_labels_in_the_projects_words():
    for name in ("meacorpus2023", "emomatch", "inter1sp"):
        labels = CORPORA[name].labels
        assert set(labels) <= set(WORDS)
        assert list(labels) == ["neutral", *sorted(set(labels) - {"neutral"})]
    assert CORPORA["coraa_ser"].labels == CORAA_SER
    assert next(iter(CORPORA)) == "emospeech2024"
    assert list(CORPORA)[-2:] == ["audiofolder", "demo"]


def test_the_command_line(real, data_folder, tmp_path, capsys):
    assert main(["data", "index", "meacorpus2023", str(real), "-o", str(tmp_path / "m.csv")]) == 0
    said = capsys.readouterr()
    assert said.out == f"5129 rows, 0 with audio, 4379 labelled: {tmp_path / 'm.csv'}\n"
    assert "note: 750 rows have no label" in said.err
    assert "note: 436 of 3006 videos have clips on both sides of the table's own split" in said.err
    assert len(manifest.read(tmp_path / "m.csv", meacorpus2023.LABELS)) == 5129
    challenge = data_folder / "emospeech2024"
    if challenge.is_dir():
        assert main(["data", "index", "emospeech2024", str(challenge), "-o", str(tmp_path / "e.csv")]) == 0
        assert capsys.readouterr().out.startswith("3750 rows")
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("coraa_ser", "emomatch", "emowisconsin", "inter1sp", "meacorpus2023"))
    assert main(["data", "index", "meacorpus2023", str(tmp_path), "-o", str(tmp_path / "x.csv")]) == 2
    assert "is not Spanish MEACorpus 2023: it holds 2 .csv; expected one of its tables" in capsys.readouterr().err


# -- MEACorpus: the real tables ----------------------------------------------------------------------------------


def test_the_real_tables_together(real):
    rows = meacorpus2023.index(real)
    names, keys = rows_of(real / NAMES), rows_of(real / KEYS)
    assert rows["id"].tolist() == [row["filename"] for row in names]
    assert rows["id"].is_unique
    assert rows["group"].tolist() == [row["youtube_key"] for row in keys]
    assert rows["gender"].tolist() == [row["gender"] for row in keys]
    assert rows["label"].fillna("").tolist() == [row["label"] for row in names]
    assert rows["label"].isna().sum() == 750
    assert rows["split"].value_counts().to_dict() == {"train": 4102, "test": 1027}
    assert rows["duration"].sum() / 3600 == pytest.approx(13.168, abs=0.001)
    assert rows["duration"][0] == 14.57
    assert rows[["audio", "speaker", "accent"]].isna().all(axis=None)
    assert rows["transcription"].notna().all()
    assert rows["source"][0] == f"{NAMES}, line 2"


@pytest.mark.parametrize("kept", [NAMES, KEYS])
def test_one_real_table_alone(real, kept, tmp_path):
    whole = meacorpus2023.index(real)
    (tmp_path / "output").mkdir()
    (tmp_path / "output/dataset.csv").symlink_to(real / kept)  # in the authors' own place, under an older name
    rows = meacorpus2023.index(tmp_path)
    same = ["transcription", "label", "split", "language", "corpus"]
    pd.testing.assert_frame_equal(rows[same], whole[same])
    if kept == NAMES:
        assert rows["id"].equals(whole["id"])
        assert rows[["group", "gender", "duration"]].isna().all(axis=None)
    else:
        assert rows["id"][0] == "CfD_mpA-8WE/0.mp3"
        assert rows[["group", "gender", "duration"]].equals(whole[["group", "gender", "duration"]])


def test_the_real_tables_are_known_to_be_of_another_order_or_version(real, tmp_path):
    keys = (real / KEYS).read_text(encoding="utf-8")
    (tmp_path / NAMES).symlink_to(real / NAMES)
    frame = pd.read_csv(real / KEYS, dtype=str, keep_default_na=False)
    frame.iloc[::-1].to_csv(tmp_path / KEYS, index=False)
    with pytest.raises(UserError, match=r"expected the same rows in the same order\n(.*\n)*.*in another order"):
        meacorpus2023.index(tmp_path)
    (tmp_path / KEYS).write_text("\n".join(keys.splitlines()[:4001]), encoding="utf-8")
    with pytest.raises(UserError, match=rf"5129 rows in {NAMES}, 4000 in {KEYS}"):
        meacorpus2023.index(tmp_path)


# -- MEACorpus: small tables -------------------------------------------------------------------------------------


def test_two_small_tables(folder, capsys):
    rows = meacorpus2023.index(folder(**{NAMES: NAMED, KEYS: KEYED}))
    assert rows["id"].tolist() == ["a-1.mp3", "b-2.mp3", "c-3.mp3"]
    assert rows["group"].tolist() == ["-k1", "-k1", "k_2"]
    assert rows["duration"].tolist() == [2.5, 1.0005, 1.0]
    assert rows["transcription"][1] == "NA"
    assert pd.isna(rows["label"][1])
    assert "3 rows of the table" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "says"),
    [
        (NAMED.replace("Basta", "Vale"), r"transcription differs in 1 of 3 rows, first in .* line 2, .* line 2"),
        (NAMED.replace("test", "train"), "split differs in 1 of 3 rows"),
        (NAMED.replace("anger", "joy"), "label differs in 1 of 3 rows, .*'joy' and 'anger'"),
        (NAMED.rsplit("\n", 2)[0], f"2 rows in {NAMES}, 3 in {KEYS}"),
    ],
)
def test_tables_of_different_versions(folder, named, says):
    with pytest.raises(UserError, match=says):
        meacorpus2023.index(folder(**{NAMES: named, KEYS: KEYED}))


def test_a_label_that_one_release_hides_stays_hidden(folder, capsys):
    """An earlier release had the labels of what became the challenge's test."""
    for tables in (
        {NAMES: NAMED, KEYS: KEYED.replace("4.mp3,,", "4.mp3,fear,")},
        {NAMES: NAMED.replace("b-2.mp3,,", "b-2.mp3,fear,"), KEYS: KEYED},
    ):
        assert pd.isna(meacorpus2023.index(folder(**tables))["label"][1])
        assert "note: 1 labels are blank in one of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (NAMED.replace("b-2", "a-1"), "id 'a-1.mp3' is there 2 times: lines 2, 3"),
        (NAMED.replace("joy", "happy"), "line 4: unknown label 'happy'; known: neutral, anger"),
        (NAMED.replace("test", "validation"), "line 4: unknown split 'validation'"),
        (
            NAMED.replace("filename", "file"),
            r"a version that is not known \(columns found: file, label.*expected filename",
        ),
        (NAMED.replace("label", "emotion"), "no column label"),
        (KEYED.replace("start_time", "start"), r"a version that is not known .*missing: start_time"),
        (KEYED.replace("4000.0", "6000.0"), "line 3: start_time and end_time"),
        (KEYED.replace("4000.0", "soon"), "line 3: start_time and end_time"),
        (KEYED.replace("4.mp3", "0.mp3"), "id '-k1/0.mp3' is there 2 times"),
        (KEYED.replace(",male", ",m"), "line 3: unknown gender 'm'"),
        ("", "is empty"),
    ],
)
def test_faults_of_a_table(folder, table, says):
    with pytest.raises(UserError, match=says):
        meacorpus2023.index(folder(**{NAMES: table}))


def test_two_tables_of_one_kind(folder):
    with pytest.raises(UserError, match=r"2 tables with names of clips: .*keep one"):
        meacorpus2023.index(folder(**{NAMES: NAMED, f"output__{NAMES}": NAMED}))


def test_one_table_with_both_names_and_keys(folder):
    named, keyed = (list(csv.DictReader(text.splitlines())) for text in (NAMED, KEYED))
    frame = pd.DataFrame([{**a, **b} for a, b in zip(named, keyed, strict=True)])
    rows = meacorpus2023.index(folder(**{NAMES: frame.to_csv(index=False)}))
    assert rows["id"].tolist() == ["a-1.mp3", "b-2.mp3", "c-3.mp3"]
    assert rows["group"].tolist() == ["-k1", "-k1", "k_2"]


def test_rows_of_other_sites_and_without_a_key_are_told(folder, capsys):
    table = KEYED.replace("k_2,0.mp3", ",0.mp3").replace("NA,train,youtube", "NA,train,vimeo")
    rows = meacorpus2023.index(folder(**{KEYS: table}))
    assert rows["group"].isna().tolist() == [False, False, True]
    said = capsys.readouterr().err
    assert "note: 1 rows have no youtube_key" in said
    assert "note: 1 rows are not from youtube: vimeo" in said


def test_clips_are_found_by_name_wherever_they_lie(folder, capsys):
    root = folder(
        **{NAMES: NAMED, KEYS: KEYED, "my audio__a-1.flac": None, "b-2.mp3": "", "c-3.wav": None},
        **{"copy__c-3.flac": None, "videos__k_2.mp4": "video", "niño.wav": None},
    )
    (root / ".a-1.x.flac").write_text("half")
    (root / "linked").symlink_to(root / "my audio")
    rows = meacorpus2023.index(root)
    assert rows["audio"].isna().tolist() == [False, True, False]
    assert Path(rows["audio"][0]).name == "a-1.flac"
    said = capsys.readouterr().err
    assert "left out, empty: b-2.mp3" in said
    assert "left out, not a clip of the table: niño.wav" in said
    assert "2 files in" in said  # the second c-3, and a-1 by the link
    assert "note: 2 of 3 clips are in" in said


def test_clips_by_key_and_segment_where_there_are_no_names(folder):
    rows = meacorpus2023.index(folder(**{KEYS: KEYED, "clips__-k1__4.flac": None, "clips__k_2__4.flac": None}))
    assert rows["audio"].isna().tolist() == [True, False, True]


# -- CORAA SER ---------------------------------------------------------------------------------------------------

TEST = (
    "file,label,wav_file\n"
    "bpubdl02_segment7_neutral.wav,neutral,x1.wav\n"
    "odd_non-neutral-male.wav,non-neutral-male,x2.wav\n"
)


def test_coraa_ser(folder, capsys):
    root = folder(
        **{
            "train__bfamcv02_segment110_non-neutral-female.wav": None,
            "train__bfamdl21_segment3_neutral.wav": None,
            "train__um nome com espaços_non-neutral-male.wav": None,
            "train__bfamcv02_segment111_neutral.wav": "",
            "train__other.wav": None,
            "dev__bfamdl21_segment3_neutral.wav": None,
            "test_ser__x1.wav": None,
            coraa_ser.TEST_TABLE: TEST,
        }
    )
    rows = coraa_ser.index(root).set_index("id")
    assert rows["split"].value_counts().to_dict() == {"train": 3, "test": 2}
    assert rows.index.tolist()[-2:] == ["x1.wav", "x2.wav"]
    female = rows.loc["bfamcv02_segment110_non-neutral-female.wav"]
    assert female[["label", "gender", "group"]].tolist() == ["non-neutral-female", "female", "bfamcv02"]
    assert female[["language", "accent"]].tolist() == ["pt", "brazil"]
    assert pd.isna(female["speaker"])
    neutral = rows.loc["x1.wav"]
    assert neutral[["label", "group", "source"]].tolist() == ["neutral", "bpubdl02", f"{coraa_ser.TEST_TABLE}, line 2"]
    assert pd.isna(neutral["gender"])
    assert rows.loc["x2.wav", ["group", "audio"]].isna().all()
    assert rows["audio"].dropna().map(lambda path: Path(path).is_file()).all()
    said = capsys.readouterr().err
    assert "left out, empty: train/bfamcv02_segment111_neutral.wav" in said
    assert f"left out, no class in the name, and not in {coraa_ser.TEST_TABLE}: train/other.wav" in said
    assert "there already in another folder: train/bfamdl21_segment3_neutral.wav" in said
    assert f"note: 1 of 2 clips of {coraa_ser.TEST_TABLE} are not in" in said


def test_a_test_clip_of_coraa_ser_under_its_original_name_is_not_trained_on(folder):
    rows = coraa_ser.index(
        folder(**{"all__bpubdl02_segment7_neutral.wav": None, "all__a_neutral.wav": None, coraa_ser.TEST_TABLE: TEST})
    ).set_index("id")
    assert rows.index.tolist() == ["a_neutral.wav", "x1.wav", "x2.wav"]
    assert Path(rows.loc["x1.wav", "audio"]).name == "bpubdl02_segment7_neutral.wav"


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"03a01Fa.wav": None}, r"is not CORAA SER: it holds 1 \.wav; expected train/<file-id>"),
        ({"a_neutral.wav": None, coraa_ser.TEST_TABLE: TEST.replace("label", "class")}, "no column label"),
        ({"a_neutral.wav": None, coraa_ser.TEST_TABLE: TEST.replace("x2", "x1")}, "id 'x1.wav' is there 2 times"),
        ({"a_neutral.wav": None, coraa_ser.TEST_TABLE: TEST.replace(",neutral", ",happy")}, "unknown label 'happy'"),
    ],
)
def test_what_is_not_coraa_ser(folder, files, says):
    with pytest.raises(UserError, match=says):
        coraa_ser.index(folder(**files))


# -- EmoMatchSpanishDB -------------------------------------------------------------------------------------------


def test_emomatch(folder, capsys):
    root = folder(
        **{
            "01_Neutro_01.wav": None,
            "03_Alegria_02.WAV": None,
            "sub folder__50_Alegría_12.wav": None,
            "43_Ira_03.wav": "",
            "notes.txt": "x",
            "12_Feliz_02.wav": None,
        }
    )
    rows = emomatch.index(root)
    assert rows["label"].tolist() == ["neutral", "joy", "joy"]
    assert rows["speaker"].tolist() == ["01", "03", "50"]
    assert rows["gender"].fillna("?").tolist() == ["male", "female", "?"]
    assert rows["id"].tolist()[1] == "03_Alegria_02.WAV"
    assert set(rows["language"]) == {"es"}
    said = capsys.readouterr().err
    assert "left out, empty: 43_Ira_03.wav" in said
    assert "not named as a clip of EmoMatchSpanishDB: 12_Feliz_02.wav" in said
    assert "3 clips in" in said
    assert "2020" in said


def test_every_emotion_of_emomatch_has_its_word(folder):
    names = ["Neutro", "Ira", "Asco", "Miedo", "Alegria", "Tristeza", "Sorpresa"]
    rows = emomatch.index(folder(**{f"01_{name}_01.wav": None for name in names}))
    assert set(rows["label"]) == set(emomatch.LABELS)
    assert not emomatch.MALE & emomatch.FEMALE


def test_emomatch_by_a_table(folder):
    table = "file_name,label,speaker\nx/ä.wav,joy,7\n"
    rows = emomatch.index(folder(**{"metadata.csv": table, "x__ä.wav": None}))
    assert rows[["corpus", "label", "speaker", "language"]].to_numpy().tolist() == [["emomatch", "joy", "7", "es"]]


def test_not_emomatch(folder):
    with pytest.raises(UserError, match=r"is not EmoMatchSpanishDB: it holds 1 \.wav; expected files named"):
        emomatch.index(folder(**{"x.wav": None}))


# -- corpora whose file names are not documented -----------------------------------------------------------------


def test_inter1sp_by_its_table(folder, capsys):
    table = "file_name,label,speaker,accent\na.wav,surprise,f,\nb.wav,neutral,m,catalonia\nc.wav,,m,\n"
    rows = inter1sp.index(folder(**{"metadata.csv": table, "a.wav": None, "b.wav": "", "z.wav": None}))
    assert rows["corpus"].tolist() == ["inter1sp"] * 3
    assert rows["accent"].tolist() == ["spain", "catalonia", "spain"]
    assert rows["language"].tolist() == ["es"] * 3
    assert pd.isna(rows["label"][2])
    said = capsys.readouterr().err
    assert "note: 1 of 3 files that metadata.csv names are not there: c.wav" in said
    assert "note: 1 files that metadata.csv names are empty: b.wav" in said
    assert "left out, not in metadata.csv: z.wav" in said


def test_emowisconsin_keeps_the_words_of_its_table(folder, capsys):
    table = "file_name,label,votes\na.wav,motivation,x:1\nb.wav,doubt,x:2\n"
    rows = emowisconsin.index(folder(**{"metadata.csv": table, "a.wav": None, "b.wav": None}), ["votes"])
    assert rows["label"].tolist() == ["motivation", "doubt"]
    assert rows["accent"].tolist() == ["mexico", "mexico"]
    assert rows["votes"].tolist() == ["x:1", "x:2"]
    said = capsys.readouterr().err
    assert "note: labels that no label space has a place for: doubt" in said
    assert "note: no speaker in" in said


@pytest.mark.parametrize("corpus", [inter1sp, emowisconsin])
@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.wav": None}, r"no metadata\.csv\. How the files of .* are named is not publicly documented"),
        ({"metadata.csv": "file_name,label\nq.wav,joy\n"}, r"not one of the 1 files that metadata\.csv names is there"),
        ({"metadata.csv": "name,label\nq.wav,joy\n"}, "no column file_name"),
    ],
)
def test_faults_of_a_table_of_the_users_own(corpus, folder, files, says):
    with pytest.raises(UserError, match=says):
        corpus.index(folder(**files))


def test_a_label_that_inter1sp_does_not_have(folder):
    root = folder(**{"metadata.csv": "file_name,label\na.wav,boredom\n", "a.wav": None})
    with pytest.raises(UserError, match=r"1 unknown labels; known: neutral, anger(.*\n)*.*csv, line 2: 'boredom'"):
        inter1sp.index(root)
