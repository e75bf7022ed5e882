"""Which rows Whisper writes, and what the columns then tell."""

import pandas as pd
import pytest
import soundfile

from emospeech.data import manifest
from emospeech.encoders.transcribe.work import Settings
from emospeech.experiments.rows import comparing, transcripts
from emospeech.experiments.rows.comparing import compare
from emospeech.experiments.rows.transcripts import COLUMNS, filled
from emospeech.runtime.errors import UserError


@pytest.fixture
def rows(tmp_path, make_tone):
    audio = [str(tmp_path / f"{k}.wav") for k in range(4)]
    for k, path in enumerate(audio):
        soundfile.write(path, make_tone("joy", k), 16_000)
    texts = ["Hola a todos.", None, "Sí.", " "]
    frame = manifest.make({"votes": ["a"] * 4}, id=list("wxyz"), audio=audio, transcription=texts, language=["es"] * 4)
    return frame.set_index(pd.Index([7, 3, 5, 1]))  # as of a part of a manifest


@pytest.fixture
def settings(whisper_pt):
    return Settings(model=str(whisper_pt), batch=2)


def test_provided(rows):
    found = filled(rows, "provided", Settings(model="never asked"))
    pd.testing.assert_frame_equal(found[rows.columns], rows)
    assert found["transcription_source"].tolist()[::2] == ["provided"] * 2
    assert found["transcription_source"].isna().tolist() == [False, True, False, True]
    assert found[list(COLUMNS[1:])].isna().all(axis=None)


def test_whisper(rows, settings, tmp_path):
    found = filled(rows, "whisper", settings, str(tmp_path / "store"))
    assert (found["transcription_source"] == "whisper:tiny").all()
    assert found["transcription"].tolist() != rows["transcription"].tolist()
    assert found.index.tolist() == rows.index.tolist()
    assert found.dtypes["avg_logprob"] == "Float64"
    assert (found["avg_logprob"] < 0).all()
    others = [name for name in rows.columns if name != "transcription"]
    pd.testing.assert_frame_equal(found[others], rows[others])
    assert (tmp_path / "store" / "transcripts").is_dir()


def test_whisper_if_missing(rows, settings, tmp_path):
    store = str(tmp_path / "store")
    found, whole = (filled(rows, wanted, settings, store) for wanted in ("whisper_if_missing", "whisper"))
    assert found["transcription_source"].tolist() == ["provided", "whisper:tiny"] * 2
    assert found["transcription"].tolist()[::2] == ["Hola a todos.", "Sí."]
    pd.testing.assert_frame_equal(found[1::2], whole[1::2])
    assert found["avg_logprob"].isna().tolist() == [True, False, True, False]


def test_unknown(rows):
    with pytest.raises(UserError, match="unknown transcripts 'wisper'; known: provided, whisper, whisper_if_missing"):
        filled(rows, "wisper", Settings())


def test_rows_that_nobody_can_hear(rows, settings):
    with pytest.raises(UserError, match=r"1 of 4 rows have no audio \(x\)"):
        filled(rows.assign(audio=rows["audio"].mask(rows["id"] == "x")), "whisper", settings)


def test_written_and_read_again(rows, settings, tmp_path):
    found = filled(rows, "whisper_if_missing", settings, str(tmp_path / "store")).reset_index(drop=True)
    manifest.write(found, tmp_path / "out.csv")
    again = filled(transcripts.read(tmp_path / "out.csv"), "provided", settings)
    pd.testing.assert_frame_equal(again.drop(columns=["source", "audio"]), found.drop(columns=["source", "audio"]))


def test_compare():
    """Of 9 words: one replaced, one left out, two put in; a clip without a reference does not count."""
    texts = ["Hoy vamos al mercado.", "¡Sí!", None, "uno dos tres cuatro"]
    provided = manifest.make(id=list("abcd"), transcription=texts)
    given = ["hoy vamos mercado", None, "hola", "uno dos tres cuatro cinco seis"]
    new = filled(manifest.make(id=list("abcd"), transcription=given), "provided", Settings())
    new["transcription_source"] = "whisper:tiny"
    found = compare(provided, new)
    assert found.overall.wer == pytest.approx((1 + 1 + 0 + 2) / 9)
    assert found.clips["id"].tolist() == ["b", "d", "a"]
    assert found.clips["wer"].tolist() == [1.0, 0.5, 0.25]
    first, second, *others = comparing.report(found, "worst.csv")
    assert first.startswith("WER 0.4444 (0 substituted, 2 deleted, 2 inserted; 9 words)")
    assert second.split() == ["1.000", "b"]
    assert len(others) == 2


def test_summary():
    new = filled(manifest.make(id=list("abc"), transcription=["x", None, "y"]), "provided", Settings())
    new["transcription_flag"] = pd.array(["repetition;compression", None, "repetition"], dtype="string")
    assert transcripts.summary(new) == ("3 rows: 2 provided; 1 without text; 2 flagged (repetition 2, compression 1)")
