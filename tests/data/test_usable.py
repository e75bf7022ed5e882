"""What is said before long work starts about rows that cannot serve."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.data import manifest, usable
from emospeech.data.heard import Heard
from emospeech.runtime.errors import UserError


@pytest.fixture
def rows(tmp_path):
    """Five clips of which the second is junk and the fourth silent."""
    paths = [tmp_path / "clips" / f"{k}.wav" for k in range(5)]
    paths[0].parent.mkdir()
    for k, path in enumerate(paths):
        soundfile.write(path, 0.1 * np.sin(np.arange(4000) * (k != 3)), 16_000)
    paths[1].write_bytes(b"junk")
    return manifest.make(id=list("abcde"), audio=[str(path) for path in paths], transcription=list("hola!"))


def test_text_that_is_there(rows):
    usable.require_text(rows)
    usable.require_text(rows.assign(transcription="NA"))


def test_empty_transcripts_are_named_with_file_and_line(rows):
    rows = rows.assign(
        transcription=pd.array(["a", None, "  ", "", "b"], dtype="string"),
        source=pd.array(["t.csv, line 2", "t.csv, line 3", "t.csv, line 4", None, "t.csv, line 6"], dtype="string"),
    )
    with pytest.raises(UserError, match=r"^3 of 5 rows have an empty transcription.*text=null") as error:
        usable.require_text(rows)
    assert str(error.value).splitlines()[1:] == ["  - t.csv, line 3: id b", "  - t.csv, line 4: id c", "  - id d"]


def test_many_empty_transcripts_make_a_readable_message():
    rows = manifest.make(id=[str(k) for k in range(500)], transcription=["x"] + [""] * 499)
    with pytest.raises(UserError, match=r"499 of 500 rows") as error:
        usable.require_text(rows)
    assert str(error.value).splitlines()[-1] == "  … and 479 more"
    assert len(str(error.value).splitlines()) == 22


def test_no_transcripts_at_all(rows):
    with pytest.raises(UserError, match="no row has a transcription; give a table with a column"):
        usable.require_text(rows.assign(transcription=pd.NA))


def test_rows_without_audio(rows):
    with pytest.raises(UserError, match=r"2 of 5 rows have no audio \(b, e\).*speech=null"):
        usable.require_audio(rows.assign(audio=rows["audio"].mask(rows["id"].isin(["b", "e"]))))


def test_a_half_downloaded_folder(rows, tmp_path):
    usable.require_audio(rows)
    for k in (0, 1, 2, 4):
        (tmp_path / "clips" / f"{k}.wav").unlink()
    with pytest.raises(
        UserError, match=r"4 of 5 audio files are missing from .*clips: 0\.wav, 1\.wav, 2\.wav and 1 more; finish"
    ):
        usable.require_audio(rows)


def test_a_sentence_in_the_audio_column_is_a_missing_file(rows):
    with pytest.raises(UserError, match="5 of 5 audio files are missing"):
        usable.require_audio(rows.assign(audio="hola que tal " * 50))


def test_bad_audio_is_found_in_order(rows):
    bad = usable.find_bad_audio(rows)
    assert [(clip.id, clip.audio, clip.reason.split(":")[0]) for clip in bad] == [
        ("b", rows["audio"][1], "not audio that can be read (junk or an unknown format)"),
        ("d", rows["audio"][3], "silent"),
    ]


def test_the_list_of_bad_audio(rows, tmp_path):
    usable.write_bad_audio(usable.find_bad_audio(rows), tmp_path / "bad_audio.csv")
    written = pd.read_csv(tmp_path / "bad_audio.csv")
    assert written.columns.tolist() == ["id", "audio", "reason"]
    assert written["id"].tolist() == ["b", "d"]


def test_policy_fail(rows):
    bad = usable.find_bad_audio(rows)
    with pytest.raises(UserError) as error:
        usable.without_bad_audio(rows, bad, "fail", " (listed in x.csv)")
    title, *lines = str(error.value).splitlines()
    assert title.startswith("2 of 5 clips have unusable audio (listed in x.csv); mend them, or choose data.on_bad")
    assert [line.split(": ")[0] for line in lines] == [f"  - {rows['audio'][k]}" for k in (1, 3)]


def test_policy_drop(rows):
    left = usable.without_bad_audio(rows, usable.find_bad_audio(rows), "drop")
    assert left["id"].tolist() == ["a", "c", "e"]
    assert left.index.tolist() == [0, 1, 2]


def test_policy_silence(rows):
    left = usable.without_bad_audio(rows, usable.find_bad_audio(rows), "silence")
    assert left["id"].tolist() == list("abcde")
    assert left["audio"].isna().tolist() == [False, True, False, True, False]
    assert not rows["audio"].isna().any()  # the manifest handed in is as it was


@pytest.mark.parametrize("policy", ["fail", "drop", "silence"])
def test_no_bad_audio_changes_nothing(rows, policy):
    assert usable.without_bad_audio(rows, [], policy) is rows


def test_what_was_heard_before_is_not_decoded_again(tmp_path, monkeypatch, make_tone):
    """By content: a new name is known, another sound of the old name is not; what is bad is told each time."""
    paths = [tmp_path / f"{k}.wav" for k in range(3)]
    for k, path in enumerate(paths):
        soundfile.write(path, make_tone("joy", k), 16_000)
    paths[2].write_bytes(b"junk")
    rows = manifest.make(id=["a", "b", "c"], audio=[str(path) for path in paths])
    decoded = []
    fault = usable.audio.fault
    monkeypatch.setattr(usable.audio, "fault", lambda path: decoded.append(Path(path).name) or fault(path))
    heard = Heard(tmp_path / "store")
    for expected in (["0.wav", "1.wav", "2.wav"], ["2.wav"]):
        decoded.clear()
        assert [clip.id for clip in usable.find_bad_audio(rows, heard)] == ["c"]
        assert sorted(decoded) == expected
    paths[0].rename(tmp_path / "new.wav")
    soundfile.write(paths[0], make_tone("fear", 0), 16_000)
    rows = manifest.make(id=["a", "b", "d"], audio=[str(p) for p in (*paths[:2], tmp_path / "new.wav")])
    decoded.clear()
    assert usable.find_bad_audio(rows, heard) == []
    assert decoded == ["0.wav"]
    Path(rows["audio"][1]).unlink()
    assert [clip.reason for clip in usable.find_bad_audio(rows, heard)] == ["no such file"]
    rows = rows[rows["id"] != "b"]
    heard.path.write_text("half a li", encoding="ascii")
    assert usable.find_bad_audio(rows, heard) == []
