"""Acted corpora: the real ones where they are at hand, others under the names of real listings, and spoiled folders."""

import csv
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.cli.main import main
from emospeech.corpora import CORPORA, cremad, emodb, emofilm, emovo, mesd, ravdess, savee, tess
from emospeech.corpora.named import Clip
from emospeech.data import audio, manifest
from emospeech.labels import WORDS
from emospeech.runtime.errors import UserError

ACTED = ("baved", "cremad", "emodb", "emofilm", "emovo", "mesd", "ravdess", "savee", "tess")
READERS = (cremad.read, emodb.read, emofilm.read, emovo.read, mesd.read, ravdess.read, savee.read, tess.read)

# What the listings call an emotion, in the words of `labels.py`
SAME = ("anger", "calm", "disgust", "fear", "happiness", "neutral", "sadness")
LISTED = {
    "emodb": {"boredem": "boredom", "happy": "happiness", "sad": "sadness"},
    "cremad": {
        "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness",
    },
    "emofilm": {"ang": "anger", "con": "contempt", "fea": "fear", "hap": "happiness", "sad": "sadness"},
    "emovo": {
        "dis": "disgust", "gio": "joy", "neu": "neutral", "pau": "fear", "rab": "anger", "sor": "surprise",
        "tri": "sadness",
    },
    "mesd": {},
    "ravdess": {
        "angry": "anger", "fearful": "fear", "happy": "happiness", "sad": "sadness", "surprised": "surprise",
    },
    "savee": {
        "a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness", "su": "surprise",
    },
    "tess": {"angry": "anger", "happy": "happiness", "ps": "pleasant-surprise", "sad": "sadness"},
}  # fmt: skip
# clips; speakers; clips of women and of men, where known
SIZES = {
    "emodb": (535, 10, {"female": 302, "male": 233}),
    "cremad": (7442, 91, None),
    "emofilm": (1115, 0, {"female": 537, "male": 578}),
    "emovo": (588, 6, {"female": 294, "male": 294}),
    "mesd": (862, 3, {"female": 288, "male": 288}),
    "ravdess": (1440, 24, {"female": 720, "male": 720}),
    "savee": (480, 4, {"male": 480}),
    "tess": (2800, 2, {"female": 2800}),
}


@pytest.fixture
def make(tmp_path):
    """A folder of files under the given paths, a few bytes each."""

    def make(*paths: str, root: str = "corpus", content: bytes = b"sound") -> Path:
        folder = tmp_path / root
        folder.mkdir(exist_ok=True)
        for parent in {(folder / path).parent for path in paths}:
            parent.mkdir(parents=True, exist_ok=True)
        for path in paths:
            (folder / path).write_bytes(content)
        return folder

    return make


@pytest.fixture
def listing(data_folder):
    """(path, emotion) of each clip, as public manifests of the corpora list them."""

    def listing(name: str) -> list[tuple[str, str]]:
        file = data_folder / "listings" / f"{name}.tsv"
        if not file.is_file():
            pytest.skip(f"no listing {file}")
        with file.open(encoding="utf-8", newline="") as stream:
            return [(row["path"], row["emotion"]) for row in csv.DictReader(stream, delimiter="\t")]

    return listing


@pytest.fixture
def real(data_folder):
    def real(name: str) -> Path:
        if not (data_folder / name).is_dir():
            pytest.skip(f"{name} is not in {data_folder}")
        return data_folder / name

    return real


def index(name: str, root: Path):
    return CORPORA[name].index(root)


# -- real names --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LISTED)
def test_every_clip_of_the_listing_has_its_label(name, listing, make, capsys):
    listed = listing(name)
    rows = index(name, make(*[path for path, _ in listed]))
    clips, speakers, genders = SIZES[name]
    assert len(rows) == len(listed) == clips
    assert rows["id"].is_unique
    words = {word: word for word in SAME} | LISTED[name]
    expected = {path: words.get(emotion) or words[emotion.lower()] for path, emotion in listed}
    assert dict(zip(rows["source"], rows["label"], strict=True)) == expected
    assert set(CORPORA[name].labels) == set(rows["label"])
    assert rows["speaker"].nunique() == speakers
    if genders:
        assert rows["gender"].value_counts().to_dict() == genders
    assert rows["language"].notna().all()
    assert (rows["corpus"] == name).all()
    assert all(Path(path).is_file() for path in rows["audio"])
    assert capsys.readouterr().err == ""  # a whole corpus gives nothing to tell


def test_cremad_has_48_men_and_43_women(listing, make):
    rows = index("cremad", make(*[path for path, _ in listing("cremad")]))
    actors = rows.drop_duplicates("speaker")
    assert actors["gender"].value_counts().to_dict() == {"male": 48, "female": 43}
    assert actors.set_index("speaker")["gender"][["1001", "1002", "1091"]].tolist() == ["male", "female", "female"]


def test_clips_of_one_scene_of_a_film_stay_together(listing, make):
    rows = index("emofilm", make(*[path for path, _ in listing("emofilm")]))
    assert rows["group"].nunique() == len(rows.drop_duplicates(["group", "gender", "label"])) == 422
    languages = rows.drop_duplicates(["group", "language"])["group"].value_counts()
    assert (languages > 1).sum() == 260
    assert rows["language"].value_counts().to_dict() == {"it": 413, "es": 359, "en": 343}
    scene = rows.set_index("id")["group"]
    assert scene["f_ans001aen"] == scene["f_ans001ait"] == "f_ans001"


@pytest.mark.parametrize("name", ACTED)
def test_what_the_list_tells(name):
    corpus = CORPORA[name]
    assert corpus.labels
    if corpus.kind == "intensity":
        assert corpus.labels == ("low", "neutral", "high")
        return
    assert set(corpus.labels) <= set(WORDS)
    rest = [label for label in corpus.labels if label != "neutral"]
    assert rest == sorted(rest)
    assert "neutral" not in corpus.labels[1:]


# -- the real corpora --------------------------------------------------------------------------------------------


def test_emodb(real, capsys):
    rows = index("emodb", real("emodb"))
    assert capsys.readouterr().err == ""
    assert rows["label"].value_counts().to_dict() == {
        "anger": 127, "boredom": 81, "neutral": 79, "happiness": 71, "fear": 69, "sadness": 62, "disgust": 46,
    }  # fmt: skip
    assert rows["transcription"].nunique() == 10
    assert rows.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"male": 5, "female": 5}
    first = rows.set_index("id").loc["03a01Fa"]
    assert (first["speaker"], first["gender"], first["language"]) == ("03", "male", "de")
    assert first["source"] == "wav/03a01Fa.flac"
    assert abs(audio.load(first["audio"])).max() > 0.1
    inner = index("emodb", real("emodb") / "wav")
    assert inner["id"].tolist() == rows["id"].tolist()


def test_baved(real, capsys):
    rows = index("baved", real("baved"))
    assert capsys.readouterr().err == ""
    assert rows["label"].value_counts().to_dict() == {"high": 678, "neutral": 672, "low": 585}
    assert rows["speaker"].nunique() == 60
    assert rows["gender"].value_counts().to_dict() == {"male": 1109, "female": 826}
    assert rows.drop_duplicates("speaker")["gender"].value_counts().to_dict() == {"male": 44, "female": 16}
    assert rows.loc[rows["transcription"].isna(), "id"].tolist() == ["49-m-23-6-1-201"]  # it lies in folder 0
    said = rows.set_index("id")["transcription"]
    assert said["0-m-21-0-1-105"] == "اعجبني"
    assert said.nunique() == 7
    assert rows["group"].isna().all()


@pytest.mark.parametrize(("name", "clips"), [("emodb", 535), ("baved", 1935)])
def test_as_typed(name, clips, real, tmp_path, capsys):
    output = tmp_path / "rows.csv"
    assert main(["data", "index", name, str(real(name)), "-o", str(output)]) == 0
    assert f"{clips} rows, {clips} with audio, {clips} labelled" in capsys.readouterr().out
    rows = manifest.read(output, CORPORA[name].labels)
    assert len(rows) == clips
    assert all(Path(path).is_file() for path in rows["audio"])


def test_a_users_mistake_as_typed(make, tmp_path, capsys):
    root = make("holiday.mp4", "notes.txt")
    assert main(["data", "index", "tess", str(root), "-o", str(tmp_path / "rows.csv")]) == 2
    told = capsys.readouterr().err
    assert f"{root} is not TESS: it holds 1 .mp4, 1 .txt; expected files such as OAF_angry/OAF_back_angry.wav" in told
    assert not (tmp_path / "rows.csv").exists()


# -- what a name tells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "file", "speaker", "gender", "accent", "said"),
    [
        ("emodb", "wav/16b10Lb.wav", "16", "female", None, "Die wird auf dem Platz sein, wo wir sie immer hinlegen."),
        ("emodb", "wav/08a07N.wav", "08", "female", None, "In sieben Stunden wird es soweit sein."),
        ("baved", "103-f-20-6-2-82.wav", "103", "female", None, "سيئ"),
        ("ravdess", "03-01-06-01-02-01-12.wav", "12", "female", "north american", "Dogs are sitting by the door"),
        ("ravdess", "03-01-01-01-01-02-21.wav", "21", "male", "north american", "Kids are talking by the door"),
        ("emovo", "m3/sor-m3-d2.wav", "m3", "male", None, "Porti con te quella cosa?"),
        ("mesd", "Fear_C_A_por_favor.wav", "C", None, "mexican", "por favor"),
        ("mesd", "Fear_F_B_arana.wav", "F", "female", "mexican", "arana"),
        ("mesd", "Happiness_C_A_lento_dentro.wav", "C", None, "mexican", None),  # one word or the other
        ("cremad", "AudioWAV/1091_WSI_SAD_XX.wav", "1091", "female", None, "We'll stop in a couple of minutes"),
        ("tess", "YAF_youth_ps.wav", "YAF", "female", None, "Say the word youth"),
        ("savee", "KL_su15.wav", "KL", "male", "british", None),
        ("emofilm", "m_gio137ait.wav", None, "male", None, None),
    ],
)
def test_one_name(name, file, speaker, gender, accent, said, make):
    row = index(name, make(file)).astype(object).iloc[0]
    found = [
        None if pd.isna(row[column]) else row[column] for column in ("speaker", "gender", "accent", "transcription")
    ]
    assert found == [speaker, gender, accent, said]


@given(st.sampled_from(READERS), st.text("0123456789abcdefghijklmnopqrstuvwxyzABDEFLNOTWXY_-", min_size=1, max_size=24))
def test_any_name_is_a_clip_or_a_reason(read, stem):
    clip = read(Path(f"{stem}.wav"))
    assert isinstance(clip, str | Clip)
    if isinstance(clip, Clip):
        assert clip.label in WORDS


# -- copies as people keep them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
@pytest.mark.parametrize(
    ("name", "files", "ids"),
    [
        ("emodb", ["a b/wav/03a01Fa", "ñandú/08a01Wa"], ["03a01Fa", "08a01Wa"]),
        (
            "ravdess",
            ["Audio_Speech_Actors_01-24/Actor_01/03-01-01-01-01-01-01", "Actor_02/03-01-05-01-01-01-02"],
            ["03-01-01-01-01-01-01", "03-01-05-01-01-01-02"],
        ),
        ("savee", ["AudioData/DC/a01", "JE/sa02", "JK_n30"], ["DC_a01", "JE_sa02", "JK_n30"]),
        ("emofilm", ["wav_corpus_16k/f_ans001aen_16k", "f_ans001ait"], ["f_ans001aen", "f_ans001ait"]),
        ("tess", ["OAF_neutral/OA_bite_neutral", "YAF_Neutral/YAF_bite_neutral"], None),
    ],
)
def test_ids_do_not_depend_on_the_copy(name, files, ids, suffix, make):
    rows = index(name, make(*[file + suffix for file in files]))
    assert rows["id"].tolist() == (ids or ["OAF_bite_neutral", "YAF_bite_neutral"])
    assert all(Path(path).is_file() for path in rows["audio"])


def test_the_root_may_be_a_speakers_folder(make, monkeypatch):
    root = make("DC/a01.wav", "DC/n30.wav") / "DC"
    assert index("savee", root)["id"].tolist() == ["DC_a01", "DC_n30"]
    monkeypatch.chdir(root)
    assert index("savee", Path())["id"].tolist() == ["DC_a01", "DC_n30"]


def test_a_copy_inside_the_copy_is_taken_once(make, capsys):
    data = "TESS Toronto emotional speech set data"
    names = [f"OAF_angry/OAF_{word}_angry.wav" for word in ("back", "bar", "base")]
    root = make(*[f"{data}/{name}" for name in names], *[f"{data}/{data}/{name}" for name in names])
    rows = index("tess", root)
    assert rows["source"].tolist() == [f"{data}/{name}" for name in names]
    assert "note: 3 files" in (told := capsys.readouterr().err)
    assert f"left out, further copies of clips that are there already: {data}/{data}/OAF_angry/OAF_back" in told


def test_wav_before_mp3(make, capsys):
    root = make("AudioMP3/1001_IEO_ANG_HI.mp3", "AudioWAV/1001_IEO_ANG_HI.wav")
    assert index("cremad", root)["source"].tolist() == ["AudioWAV/1001_IEO_ANG_HI.wav"]
    assert "1 file in" in capsys.readouterr().err


def test_song_and_video_are_counted(make, capsys):
    root = make(
        "Actor_01/03-01-01-01-01-01-01.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-01-01.wav",
        "Audio_Song_Actors_01-24/Actor_01/03-02-01-01-01-02-01.wav",
        "Video/Actor_01/01-01-01-01-01-01-01.mp4",
        "Video/Actor_01/02-02-01-01-01-01-01.mp4",
        "Actor_25/03-01-01-01-01-01-25.wav",
    )
    assert index("ravdess", root)["id"].tolist() == ["03-01-01-01-01-01-01"]
    told = capsys.readouterr().err
    assert "2 files in" in told
    assert re.search(r"2 files in .* left out, song: Audio_Song", told)
    assert re.search(r"2 files in .* left out, video: Video/Actor_01/01-01", told)
    assert re.search(r"1 file in .* left out, of no speaker of the corpus: Actor_25/", told)


def test_voices_made_less_natural_are_left_out(make, capsys):
    root = make(
        "Mexican Emotional Speech Database (MESD)/Anger_F_B_abuso.wav",
        "Speaker-embedded naturalness-reduced female voices/Anger_F_B_robo.wav",
    )
    assert index("mesd", root)["id"].tolist() == ["Anger_F_B_abuso"]
    assert "left out, a voice made less natural by its authors: Speaker-embedded" in capsys.readouterr().err


# -- bad input ---------------------------------------------------------------------------------------------------


def test_empty_files_and_pointers_are_left_out_and_told(make, capsys):
    root = make("03a01Fa.wav", "wav/03a02Fc.wav")
    make("03a01Nc.wav", "wav/03a01Fa.flac", content=b"")
    make("03a01Wa.wav", content=b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    rows = index("emodb", root)
    assert rows["source"].tolist() == ["03a01Fa.wav", "wav/03a02Fc.wav"]
    told = capsys.readouterr().err
    assert re.search(r"2 files in .* left out, empty \(0 bytes\): 03a01Nc\.wav, wav/03a01Fa\.flac", told)
    assert re.search(r"1 file in .* left out, pointers of git-lfs, .* run `git lfs pull` .*: 03a01Wa\.wav", told)


def test_what_a_mac_adds_is_not_sound(make, capsys):
    root = make(
        "wav/03a01Fa.wav", "wav/._03a01Fa.wav", "__MACOSX/wav/03a01Nc.wav", "x/__MACOSX/03a01Wa.wav", ".t/a.wav"
    )
    assert index("emodb", root)["id"].tolist() == ["03a01Fa"]
    assert "left out" not in capsys.readouterr().err


def test_links(make, tmp_path, capsys):
    store = make("1.wav", "clips/08a01Wa.wav", root="store")
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "03a01Fa.wav").symlink_to(store / "1.wav")
    (root / "wav").symlink_to(store / "clips", target_is_directory=True)
    (root / "09a01Fa.wav").symlink_to(store / "gone.wav")
    rows = index("emodb", root)
    assert rows["id"].tolist() == ["03a01Fa", "08a01Wa"]
    assert rows["audio"].tolist() == [str(root / "03a01Fa.wav"), str(root / "wav" / "08a01Wa.wav")]
    whole = tmp_path / "link"
    whole.symlink_to(root, target_is_directory=True)
    assert index("emodb", whole)["id"].tolist() == rows["id"].tolist()
    capsys.readouterr()


def test_links_to_nothing_alone(tmp_path):
    (tmp_path / "03a01Fa.wav").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match=r"is not EMO-DB: it holds 1 links to nothing; expected files such as wav/03a"):
        index("emodb", tmp_path)


@pytest.mark.parametrize("name", ACTED)
def test_a_wrong_root(name, make, tmp_path):
    other = make("train.csv", "clips/a.mp3", "clips/b.mp3", "readme")
    with pytest.raises(UserError, match=r"is not .*: it holds 2 \.mp3, 1 \.csv, 1 no suffix; expected files such as"):
        index(name, other)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"it holds no files; expected files such as .*\.wav, at any depth"):
        index(name, tmp_path / "empty")
    with pytest.raises(UserError, match=r"no folder .*absent; expected files such as"):
        index(name, tmp_path / "absent")


@pytest.mark.parametrize("name", ACTED)
def test_one_corpus_is_not_another(name, make):
    examples = {
        "baved": "6/49-m-23-6-1-201.wav", "cremad": "1001_IEO_ANG_HI.wav", "emodb": "03a01Fa.wav",
        "emofilm": "f_ans001aen.wav", "emovo": "dis-f1-b1.wav", "mesd": "Anger_C_A_abajo.wav",
        "ravdess": "03-01-06-01-02-01-12.wav", "savee": "DC_a01.wav", "tess": "OAF_back_angry.wav",
    }  # fmt: skip
    root = make(*examples.values())
    assert index(name, root)["source"].tolist() == [examples[name]]


def test_half_a_corpus_says_whose_clips_are_missing(listing, make, capsys):
    names = [path for path, _ in listing("emodb")]
    kept = [name for name in names if not name.startswith(("wav/03", "wav/16b"))]
    lost = Counter(Path(name).stem[:2] for name in names) - Counter(Path(name).stem[:2] for name in kept)
    assert len(index("emodb", make(*kept))) == len(kept)
    told = capsys.readouterr().err
    parts = f"by speaker: 03 0 of 49, 16 {71 - lost['16']} of 71"
    assert f"note: {len(kept)} clips in" in told
    assert f"the published corpus has 535 ({parts}): a download or unpacking that is not finished?" in told


def test_strange_files_are_counted(make, capsys):
    root = make("wav/03a01Fa.wav", "wav/copy of 03a01Fa.wav", "wav/03c01Fa.wav", "wav/03a01Xa.wav", "erkennung.txt")
    assert index("emodb", root)["id"].tolist() == ["03a01Fa"]
    assert re.search(r"3 files in .* left out, not named as a clip of EMO-DB: wav/03a01Xa", capsys.readouterr().err)
