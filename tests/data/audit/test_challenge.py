"""What is known of the challenge's real tables, found by the audit on its own."""

import re
from functools import partial
from pathlib import Path

import pytest

from emospeech.corpora import emospeech2024
from emospeech.corpora.groups import with_groups
from emospeech.data import manifest
from emospeech.data.audit import audit

BEFORE = "EmoSPeech_phase_2_test_public_before_correction"


@pytest.fixture(scope="module")
def report(data_folder):
    tables, keys = data_folder / "emospeech2024", data_folder / "meacorpus2023"
    if not (tables / f"{BEFORE}.csv").is_file() or not keys.is_dir():
        pytest.skip(f"the challenge's tables and MEACorpus' are not in {data_folder}")
    before = manifest.read(tables / f"{BEFORE}.csv")
    return audit(
        {"challenge": emospeech2024.index(tables)}, grouped=partial(with_groups, path=keys), other=(BEFORE, before)
    )


@pytest.fixture
def found(report):
    """The findings of a check, by parts."""
    return lambda check: {finding.parts: finding for finding in report.findings if finding.check == check}


def test_videos_that_parts_share(found):
    shared = found("same recording")
    assert {parts: finding.count for parts, finding in shared.items()} == {
        "train | dev": 221,
        "train | test": 357,
        "dev | test": 112,
        "train+dev | test": 395,
    }
    assert shared["train+dev | test"].sentence.startswith("395 of 750 test clips share a source recording")
    assert {finding.severity for finding in shared.values()} == {"error"}
    ids = {id for ids in shared["train+dev | test"].details["test"] for id in ids}
    assert len(ids) == 395


def test_what_the_video_alone_is_worth(found):
    guess = found("guess by recording")["train | dev"]
    assert "scores macro-F1 0.714 " in guess.sentence
    assert "neutral where that is unseen" in guess.sentence
    assert guess.severity == "warning"
    assert guess.count == 221


def test_transcripts_of_the_corrected_table_are_in_no_other_part(report, found):
    clean = next(name for name in report.clean if name.startswith("same transcript"))
    assert clean == "same transcript (train | test, dev | test, train+dev | test)"
    assert found("same transcript")["train | dev"].count == 6


def test_five_transcripts_of_the_table_first_published_are(found):
    then = found("same transcript, then")["train+dev | test"]
    assert then.count == 5
    assert "; 5 letter for letter" in then.sentence
    assert set(then.details["words"]) == {"de la crisis", "a", "de la pandemia", "de la policia", "de"}


def test_twelve_rows_were_corrected(found):
    changed = found("changed transcription")["test"]
    assert changed.count == 12
    assert changed.details["there"].str.contains("Junta de Extremadura, que ha hecho un trabajo").sum() == 1


def test_the_loop_that_was_corrected_is_found(found):
    for check in ("repetition loop, then", "compression ratio, then"):
        assert found(check)["test"].details["id"].tolist() == ["db4fbc45-c25e9b17.mp3"]


def test_few_other_transcripts_are_flagged(found):
    """In 3750: four more loops that nobody has corrected, and one chant, which is the false alarm."""
    loops = found("repetition loop")["train+dev"]
    assert loops.count == 5
    assert loops.details["transcription"].str.contains("Viven del miedo").sum() == 1
    assert set(found("compression ratio")["train+dev"].details["id"]) == set(loops.details["id"])
    fragments = found("fragment")["train+dev"]
    assert fragments.count == 9
    assert fragments.details["transcription"].str.fullmatch("de|a|y").sum() == 8
    assert not found("other language")
    assert not found("empty transcript")


def test_the_page_shows_what_the_command_prints(report):
    page = (Path(__file__).parents[3] / "docs" / "audit.md").read_text(encoding="utf-8")
    shown = [
        line.strip()
        for line in page.splitlines()
        if re.match(r"    (error|warning|note|nothing found|not checked)", line)
    ]
    assert len(shown) == len(report.findings) + 4
    said = report.text().splitlines()
    assert [line for line in shown if line not in said] == []


def test_the_tables_say_nothing_of_sound(report):
    assert report.skipped["same sound"] == "no row names an audio file"
    assert re.search(r"^not checked: .*no row has a speaker", report.text(), re.MULTILINE)
