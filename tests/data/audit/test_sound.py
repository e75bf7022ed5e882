"""Faults of recordings, each planted; and fingerprints, by hand and on real voices."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.data import audio
from emospeech.data.audit.sound import fingerprint as prints
from emospeech.data.audit.sound.fingerprint import difference, fingerprint, matches
from emospeech.data.audit.sound.measure import clipped, measure

RATE = audio.SAMPLE_RATE


@pytest.fixture
def planted(few, findings, tmp_path, make_voice):
    """What is found after the last clip gets other samples."""

    def planted(samples, rate=RATE):
        path = tmp_path / "planted.wav"
        soundfile.write(path, samples, rate)
        name = few["id"].iloc[-1]
        rows = few.assign(transcription=pd.NA, audio=few["audio"].mask(few["id"] == name, str(path)))
        found = findings(rows)
        return {
            check: one[0].severity
            for check, one in found.items()
            if "id" in one[0].details and name in set(one[0].details["id"])
        }

    return planted


def test_each_fault_is_found(planted, make_voice):
    voice = make_voice(1000)
    assert planted(np.zeros(RATE)) == {"silent": "error"}
    assert planted(voice[:300]) == {"unreadable audio": "error"}
    assert planted(voice[: RATE // 4]) == {"short": "warning"}
    assert planted(make_voice(1001, 31.0)) == {"long": "warning"}
    assert planted(np.clip(3 * np.sin(np.arange(RATE) / 20), -1, 1)) == {"clipped": "warning"}
    assert planted(voice + 0.05) == {"DC offset": "warning"}
    assert planted(make_voice(1002, 3.0)[: 2 * 22_050], 22_050) == {"sampling rate": "note"}
    quiet = 1e-5 * make_voice(1003, 4.0)
    assert planted(np.concatenate([quiet, voice, quiet])) == {"silence around": "note"}


def test_junk_is_unreadable(few, findings, tmp_path):
    (tmp_path / "junk.wav").write_bytes(b"not sound at all" * 100)
    found = findings(few.assign(audio=few["audio"].mask(few.index == 0, str(tmp_path / "junk.wav"))))
    assert found["unreadable audio"][0].details["fault"].str.contains("not audio that can be read").tolist() == [True]


def test_rows_without_audio_among_others(few, findings):
    found = findings(few.assign(audio=few["audio"].mask(few.index < 3)))
    assert [(one.severity, one.count) for one in found["missing audio"]] == [("warning", 3)]


def test_runs_at_full_scale_count():
    assert clipped(np.array([1.0, 1.0, 0.0, -1.0, -1.0, -1.0, 0.0, 0.0])) == 3 / 8
    assert clipped(np.zeros(10)) == 0
    assert clipped(np.ones(10)) == 1


def test_measures_of_a_known_sound(tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)
    soundfile.write(tmp_path / "a.wav", np.concatenate([np.zeros(RATE), tone, np.zeros(RATE // 2)]), RATE)
    found = measure(str(tmp_path / "a.wav"))
    assert found.seconds == 2.5
    assert found.lead == pytest.approx(1.0, abs=0.026)
    assert found.trail == pytest.approx(0.5, abs=0.026)
    assert found.level == pytest.approx(10 * np.log10(0.125 / 2.5), abs=0.01), (
        "mean square of a sine: 1/8, in 1 of 2.5 s"
    )
    assert found.offset == pytest.approx(0, abs=1e-4)
    assert found.rate == RATE


# -- fingerprints ------------------------------------------------------------------------------------------------


def test_bits_are_32_a_frame(make_voice):
    found = fingerprint(make_voice(0, 2.0))
    assert found.bits.dtype == np.uint32
    assert len(found.bits) == len(found.heard) == (2 * RATE - prints.FRAME) // prints.HOP
    assert not len(fingerprint(make_voice(0, 0.05)).bits)


def test_frames_in_blocks_are_the_same_frames(make_voice, monkeypatch):
    whole = fingerprint(make_voice(0, 2.0)).bits
    monkeypatch.setattr(prints, "FRAMES_AT_A_TIME", 7)
    np.testing.assert_array_equal(fingerprint(make_voice(0, 2.0)).bits, whole)


def test_difference_by_hand(make_voice):
    one = fingerprint(make_voice(0, 2.0))
    assert difference(one, one, 0) == 0
    flipped = prints.Fingerprint(one.bits ^ np.uint32(0b1111), one.heard)
    assert difference(one, flipped, 0) == 4 / 32
    assert difference(one, one, len(one.bits) - 10) == 1, "too little in both"
    other = fingerprint(make_voice(1, 2.0))
    assert 0.4 < difference(one, other, 0) < 0.6, "as of coins"


def test_a_cut_is_found_at_its_place(make_voice):
    voice = make_voice(5, 2.0)
    cut = prints.HOP * 30
    one, other = fingerprint(voice), fingerprint(voice[cut:])
    assert difference(one, other, 30) == 0
    assert [(match.one, match.other) for match in matches([one, other, fingerprint(make_voice(6, 2.0))])] == [(0, 1)]
    assert matches([]) == []


@pytest.fixture(scope="module")
def takes(data_folder):
    """Real takes by one speaker: of one word (BAVED, speaker 56) and of one corpus's sentences."""
    files = [
        *sorted((data_folder / "baved").glob("*/56-f-*.flac"))[:60],
        *sorted((data_folder / "es_acted").glob("03_*.flac")),
    ]
    if not files:
        pytest.skip(f"no real voices in {data_folder}")
    return [audio.load(path) for path in files]


def test_real_takes_of_one_word_are_not_one_sound(takes):
    assert matches([fingerprint(take) for take in takes]) == []


def test_real_takes_are_known_again(takes):
    changed = [0.3 * take[4800:] for take in takes[::6]]
    found = matches([fingerprint(take) for take in [*takes, *changed]])
    long_enough = [k for k, cut in enumerate(changed) if len(cut) > 0.7 * RATE]
    assert len(long_enough) > 10
    assert {(match.one, match.other) for match in found} >= {(6 * k, len(takes) + k) for k in long_enough}
    assert all(match.other - len(takes) == match.one // 6 for match in found)
