"""The demo corpus: the challenge's layout, the same bytes every time, no speaker or sentence in two splits."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from emospeech.corpora import demo, demo_text, espeak
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError

SMALL = {"train": 18, "dev": 9, "test": 9}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "corpus"
    demo.make(root, SMALL)
    return root


def test_layout_is_the_challenges(corpus: Path) -> None:
    columns = {path.name: list(pd.read_csv(path).columns) for path in corpus.glob("*.csv")}
    assert columns == {
        "EmoSPeech_phase_2_train.csv": ["id", "label", "transcription"],
        "EmoSPeech_phase_2_test_public.csv": ["id", "transcription"],
        "train_split.csv": ["id", "label", "transcription"],
        "dev_split.csv": ["id", "label", "transcription"],
        "test_gold.csv": ["id", "label"],
        "speakers.csv": ["id", "speaker", "gender"],
    }
    ids = {name: set(pd.read_csv(corpus / name)["id"]) for name in columns}
    assert len(ids["train_split.csv"]) == 18
    assert len(ids["dev_split.csv"]) == len(ids["test_gold.csv"]) == 9
    assert ids["EmoSPeech_phase_2_train.csv"] == ids["train_split.csv"] | ids["dev_split.csv"]
    assert ids["EmoSPeech_phase_2_test_public.csv"] == ids["test_gold.csv"]
    assert ids["EmoSPeech_phase_2_train.csv"] == {path.name for path in (corpus / "train_segments").iterdir()}
    assert ids["test_gold.csv"] == {path.name for path in (corpus / "test_segments").iterdir()}


def test_clips_are_short_mono_mp3_at_the_challenges_rate(corpus: Path) -> None:
    for path in corpus.glob("*_segments/*"):
        wave, rate = sf.read(path, dtype="float32")
        assert sf.info(path).format == "MP3"
        assert (rate, wave.ndim) == (44_100, 1)
        assert 0.7 < len(wave) / rate < 6
        assert -45 < 20 * np.log10(np.sqrt(np.mean(wave**2))) < -10


def test_same_bytes_on_every_run(corpus: Path, tmp_path: Path) -> None:
    demo.make(tmp_path / "again", SMALL)
    files = sorted(path.relative_to(corpus) for path in corpus.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert all((corpus / name).read_bytes() == (tmp_path / "again" / name).read_bytes() for name in files)


def test_an_utterance_does_not_depend_on_what_was_spoken_before_it() -> None:
    calm = espeak.Delivery(rate=150, pitch=40, spread=20, level=-30, effort=0.2)
    loud = espeak.Delivery(rate=210, pitch=65, spread=80, level=-20, effort=0.9)
    # f2 has breath noise and an echo, m1 a flutter of its own
    first = espeak.speak("¿Qué hora es, niño?", "es+f2", calm)
    espeak.speak("¡Basta ya de mentiras!", "es-419+m1", loud)
    other = espeak.speak("¿Qué hora es, niño?", "es+f2", loud)
    np.testing.assert_array_equal(espeak.speak("¿Qué hora es, niño?", "es+f2", calm), first)
    assert len(other) < len(first)  # faster


def test_whole_corpus_has_every_emotion_everywhere_and_enough_fear() -> None:
    counts = pd.crosstab(*zip(*[(c.speaker.split, c.label) for c in demo.plan(demo.CLIPS)], strict=True))
    assert counts.sum(axis=1).to_dict() == demo.CLIPS
    assert set(counts.columns) == set(EMOSPEECH2024)
    assert counts.loc["dev", "fear"] >= 8
    assert counts.loc["test", "fear"] >= 8
    assert (counts["neutral"] > counts["disgust"]).all()
    assert (counts["disgust"] > counts["anger"]).all()


def test_no_speaker_sentence_or_id_comes_in_two_splits() -> None:
    clips = demo.plan(demo.CLIPS)
    assert len({speaker.name for speaker in demo.SPEAKERS}) == len({s.voice for s in demo.SPEAKERS}) == 14
    assert {clip.speaker for clip in clips} == set(demo.SPEAKERS)  # each has one split
    assert len({clip.transcription.casefold() for clip in clips}) == len(clips)
    assert len({clip.id for clip in clips}) == len(clips)
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{8}\.mp3", clip.id) for clip in clips)


def test_every_speaker_speaks_every_emotion() -> None:
    spoken = {(clip.speaker.name, clip.label) for clip in demo.plan(demo.CLIPS)}
    assert len(spoken) == len(demo.SPEAKERS) * len(EMOSPEECH2024)


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_both_genders_are_in_every_split(split: str) -> None:
    assert {speaker.gender for speaker in demo.SPEAKERS if speaker.split == split} == {"male", "female"}


def test_every_sentence_is_whole() -> None:
    rng = np.random.default_rng(0)
    for template in [template for bank in demo_text.BANKS.values() for template in bank]:
        words = demo_text.fill(template, rng)
        assert re.fullmatch(r"[¡¿]?[A-ZÁÉÍÓÚÑ][^{}]*[.!?]", words), template
        assert words.count("¡") == words.count("!"), template
        assert words.count("¿") == words.count("?"), template
        assert not re.search(r"\b(de|a) el\b", words), template


def test_every_emotion_has_a_bank_and_every_slot_is_used() -> None:
    assert set(EMOSPEECH2024) == set(demo_text.SHARED_BANK) == set(demo.STYLES) == set(demo.SHARES)
    assert set(demo_text.BANKS) == {*EMOSPEECH2024, *demo_text.SHARED_BANK.values(), "everyday"}
    used = re.findall(r"{(\w+)}", " ".join(" ".join(bank) for bank in demo_text.BANKS.values()))
    assert set(used) == set(demo_text.SLOTS)


def test_index_makes_the_corpus_and_fills_what_the_challenge_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = demo.make
    monkeypatch.setattr(demo, "make", lambda root: make(root, SMALL))
    table = demo.index(tmp_path / "new")
    assert table["split"].value_counts().to_dict() == SMALL
    assert not table[["id", "audio", "transcription", "label", "speaker", "gender"]].isna().any(axis=None)
    assert set(table["corpus"]) == {"demo"}
    assert all(Path(audio).is_file() for audio in table["audio"])
    expected = {clip.id: (clip.label, clip.speaker.name, clip.speaker.gender) for clip in demo.plan(SMALL)}
    rows = table.set_index("id")[["label", "speaker", "gender"]]
    assert {id: tuple(row) for id, row in zip(rows.index, rows.to_numpy(), strict=True)} == expected


def test_index_takes_an_empty_folder_and_reads_what_is_there(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Path] = []
    monkeypatch.setattr(demo, "write_clip", lambda clip, folder: made.append(folder))
    (tmp_path / "empty").mkdir()
    demo.index(tmp_path / "empty")
    assert len(made) == sum(demo.CLIPS.values())
    demo.index(corpus)
    assert len(made) == sum(demo.CLIPS.values())  # not made again


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UserError, match="not a demo corpus"):
        demo.index(tmp_path)
    with pytest.raises(UserError, match="not a demo corpus"):
        demo.index(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("marker", [None, '{"version": 0}', '{"version": "1"}'])
def test_a_corpus_of_another_version_is_refused(tmp_path: Path, marker: str | None) -> None:
    (tmp_path / "speakers.csv").write_text("id,speaker,gender\n")
    if marker:
        (tmp_path / "version.json").write_text(marker)
    with pytest.raises(UserError, match="remove the folder"):
        demo.index(tmp_path)


def test_the_version_is_written_down(corpus: Path) -> None:
    assert json.loads((corpus / "version.json").read_text()) == {"version": demo.VERSION}


def test_a_corpus_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(clip: demo.Clip, folder: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(demo, "write_clip", fail)
    with pytest.raises(OSError, match="no space"):
        demo.make(tmp_path / "corpus", SMALL)
    assert list(tmp_path.iterdir()) == []
