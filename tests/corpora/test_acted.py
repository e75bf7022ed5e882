"""Acted corpora: the real ones where they are at hand, the others under the names of real listings."""

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


def test_words_of_mesd_that_come_in_one_emotion_alone(listing, make):
    rows = index("mesd", make(*[path for path, _ in listing("mesd")]))
    chosen = rows[rows["id"].str.contains("_B_")]
    emotions = chosen.drop_duplicates(["transcription", "label"])["transcription"].value_counts()
    assert (len(emotions), (emotions == 1).sum()) == (179, 127)
    assert rows.loc[rows["transcription"].isna(), "id"].tolist() == ["Happiness_C_A_lento_dentro"]


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
    five = rows["speaker"].isin(["47", "49", "50", "55", "56"])
    assert (rows["speaker"].value_counts().index[:5].isin(rows.loc[five, "speaker"])).all()
    assert five.sum() == 1323
    levels = rows.drop_duplicates(["speaker", "label"])["speaker"].value_counts()
    assert levels.value_counts().to_dict() == {1: 43, 3: 15, 2: 2}
    assert rows["speaker"].isin(levels.index[levels == 1]).sum() == 214


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
        ("mesd", "Fear_C_A_por_favor.wav", "C", None, "mexico", "por favor"),
        ("mesd", "Fear_F_B_arana.wav", "F", "female", "mexico", "arana"),
        ("mesd", "Happiness_C_A_lento_dentro.wav", "C", None, "mexico", None),  # one word or the other
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
