"""What parts share: each kind planted in a clean corpus, and told with its rows."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.data.audit import audit
from emospeech.data.audit.material import names_of
from emospeech.data.audit.sharing import linked


def spoiled(rows, column, values):
    """Rows with other values in a column, by id."""
    return rows.assign(**{column: rows[column].mask(rows["id"].isin(values), rows["id"].map(values))})


def row(rows, part, place=0):
    return rows[rows["split"] == part].iloc[place]


def by_parts(findings):
    return {finding.parts: finding for finding in findings}


@pytest.mark.parametrize(("column", "check"), [("speaker", "same speaker"), ("group", "same recording")])
def test_a_shared_speaker_or_recording(clean, findings, column, check):
    known, leak = row(clean, "train"), row(clean, "test")
    found = by_parts(findings(spoiled(clean, column, {leak["id"]: known[column]}), with_audio=False)[check])
    assert set(found) == {"train | test", "train+dev | test"}
    finding = found["train | test"]
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.sentence.startswith("1 of 30 test clips")
    details = finding.details.to_dict("records")
    assert details == [{column: known[column], "test": [leak["id"]], "train": details[0]["train"]}]
    assert known["id"] in details[0]["train"]


def test_counts_are_clips_of_the_later_part(clean, findings):
    train, test = clean[clean["split"] == "train"], clean[clean["split"] == "test"]
    leaks = dict(zip(test["id"][:5], train["group"].iloc[[0, 0, 1, 1, 2]], strict=True))
    found = by_parts(findings(spoiled(clean, "group", leaks), with_audio=False)["same recording"])
    assert found["train+dev | test"].count == 5
    assert found["train+dev | test"].sentence.endswith("; 3 different recordings")
    assert len(found["train+dev | test"].details) == 3


def test_one_id_in_two_files(clean):
    parts = {"a": clean.head(10).assign(split=pd.NA), "b": clean.iloc[9:20].assign(split=pd.NA)}
    report = audit(parts, with_audio=False)
    found = {finding.check: finding for finding in report.findings if finding.severity == "error"}
    assert found["same id"].count == 1
    assert found["same id"].details.to_dict("records") == [{"id": "clip009", "b": ["clip009"], "a": ["clip009"]}]
    assert found["same id"].sentence == "1 of 11 b clips have the id of a clip of a"


def test_the_same_words_whatever_their_dress(clean, findings):
    one, other = row(clean, "train"), row(clean, "test")
    dressed = f"  ¡{one['transcription'].upper().replace('.', '')}!  "
    changed = spoiled(clean, "transcription", {other["id"]: dressed})
    found = findings(spoiled(changed, "label", {one["id"]: "joy", other["id"]: "anger"}), with_audio=False)
    finding = by_parts(found["same transcript"])["train | test"]
    assert finding.severity == "warning"
    assert "0 letter for letter, 1 of at most 3 words" in finding.sentence
    disagree = found["labels that disagree"][0]
    assert disagree.details[["labels", "ids"]].to_numpy().tolist() == [[["joy", "anger"], [one["id"], other["id"]]]]


def test_nearly_the_same_words(clean, findings):
    one, other = row(clean, "train"), row(clean, "test")
    long = "Marta asegura que los bomberos han salvado la torre de la iglesia y han retirado la campana"
    near = long.replace("Marta", "Martha").replace("retirado la", "retirado de allí la")
    changed = spoiled(clean, "transcription", {one["id"]: long, other["id"]: near})
    found = findings(changed, with_audio=False)
    assert by_parts(found["similar transcript"])["train | test"].details["train"].tolist() == [[one["id"]]]
    assert "same transcript" not in found


def test_sentences_that_all_speakers_read_are_no_leak(clean, findings):
    found = findings(clean.assign(transcription=[f"Hoy es el día {k % 5} de la semana." for k in range(180)]))
    assert {finding.severity for finding in found["same transcript"]} == {"note"}
    assert {finding.severity for finding in found["labels that disagree"]} == {"note"}


@pytest.mark.parametrize("suffix", [".flac", ".wav"])
def test_the_same_samples_in_another_file(few, findings, tmp_path, suffix):
    one, other = row(few, "train"), row(few, "test")
    samples, rate = soundfile.read(one["audio"])
    soundfile.write(tmp_path / f"copy{suffix}", samples, rate, subtype="PCM_16" if suffix == ".flac" else "PCM_24")
    changed = spoiled(few, "audio", {other["id"]: str(tmp_path / f"copy{suffix}")})
    found = findings(spoiled(changed, "label", {one["id"]: "joy", other["id"]: "anger"}))
    finding = by_parts(found["same sound"])["train | test"]
    assert (finding.severity, finding.count) == ("error", 1)
    assert finding.details["train"].tolist() == [[one["id"]]]
    assert "similar sound" not in found, "told once"
    assert found["labels that disagree"][0].details["ids"].tolist() == [[one["id"], other["id"]]]
    assert found["labels that disagree"][0].severity == "error"
    assert found["speakers that disagree"][0].count == 2


def changed_sound(samples, how, rate, path):
    if how == "cut":
        soundfile.write(path, samples[int(0.3 * rate) + 7 :], rate)
    elif how == "gain":
        soundfile.write(path, 0.25 * samples, rate)
    elif how == "mp3":
        path = path.with_suffix(".mp3")
        soundfile.write(path, samples, rate, compression_level=0.5, bitrate_mode="CONSTANT")
    elif how == "rate":
        soundfile.write(path, np.repeat(samples, 2), 2 * rate)
    return str(path)


@pytest.mark.parametrize("how", ["cut", "gain", "mp3", "rate"])
def test_a_sound_that_was_changed(few, findings, tmp_path, how):
    one, other = row(few, "train", 3), row(few, "dev", 2)
    samples, rate = soundfile.read(one["audio"])
    path = changed_sound(samples, how, rate, tmp_path / "changed.wav")
    found = findings(spoiled(few, "audio", {other["id"]: path}))
    assert set(by_parts(found["similar sound"])) == {"train | dev"}
    assert found["similar sound"][0].details["dev"].tolist() == [[other["id"]]]
    assert found["similar sound"][0].details["train"].tolist() == [[one["id"]]]


def test_a_copy_of_a_copy_within_a_part(few, findings, tmp_path):
    one, other = row(few, "train", 1), row(few, "train", 2)
    samples, rate = soundfile.read(one["audio"])
    found = findings(spoiled(few, "audio", {other["id"]: changed_sound(samples, "gain", rate, tmp_path / "x.wav")}))
    assert [(finding.severity, finding.parts) for finding in found["similar sound"]] == [("note", "train")]


def test_silence_is_no_double(few, findings, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(16_000), 16_000)
    silent = {row(few, part)["id"]: str(tmp_path / "silence.wav") for part in ("train", "test")}
    found = findings(spoiled(few, "audio", silent))
    assert found["silent"][0].count == 2
    assert not {"same sound", "similar sound", "unreadable audio"} & set(found)


def test_links_join_rows_that_no_pair_joins():
    names = pd.Series(list("abcdef"))
    assert linked(names, [(4, 1), (1, 0)]).fillna("-").tolist() == ["a", "a", "-", "-", "a", "-"]
    assert linked(names, []).isna().all()


def test_files_are_told_apart():
    assert names_of(["x/train.csv"]) == ["train"]
    assert names_of(["x/m.csv", "x/y/m.csv", "n.csv"]) == ["x/m", "y/m", "n"]
    assert names_of(["m.csv", "m.csv"]) == ["m.csv", "m.csv"]
