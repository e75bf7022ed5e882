"""Whisper in a server: transcripts where none is sent, and of parts; kept nowhere."""

import os
from pathlib import Path

import numpy as np
import pytest

from emospeech.runtime.errors import UserError
from emospeech.serve.engine import served
from emospeech.serve.engine.asked import Question
from emospeech.serve.engine.sound import segments
from emospeech.serve.engine.whispering import Whisperer


@pytest.fixture(scope="module")
def whisper(whisper_pt):
    return Whisperer(str(whisper_pt), "es")


@pytest.fixture(scope="module")
def load(trained, whisper):
    def load(name, **options):
        return served.load(trained(name), whisper=whisper, **options)

    return load


def verdict(reply):
    return reply.verdicts["label"]


def test_the_same_clip_gets_the_same_words_alone_and_among_others(whisper, sound):
    clips = [sound("joy", k, 0.5 + 0.2 * k) for k in range(3)]
    alone = [whisper.write([clip])[0] for clip in clips]
    assert whisper.write(clips) == alone
    assert whisper.write(clips[::-1]) == alone[::-1]
    assert whisper.write([]) == []
    assert any(alone)


def test_a_clip_without_words_is_read_from_whispers(load, whisper, sound, whisper_pt):
    model = load("both")
    assert model.lacks(Question(sound(), None)) is None
    assert model.lacks(Question(None, "hola")) == "audio"
    given, written = model.answer([Question(sound(), "¡Qué alegría!"), Question(sound(), None)])
    text = whisper.write([sound()])[0]
    assert (given.source, given.transcript) == ("provided", "¡Qué alegría!")
    assert (written.source, written.transcript) == (f"whisper:{whisper.label}", text)
    assert written.modalities == ("speech", "text")
    assert written.transcribing > 0
    expected = model.answer([Question(sound(), text)])[0]
    assert verdict(written).label == verdict(expected).label
    assert list(verdict(written).probabilities.values()) == pytest.approx(
        list(verdict(expected).probabilities.values()), abs=1e-5
    )


def test_a_system_that_reads_alone_answers_sound(load, sound):
    model = load("text")
    assert model.lacks(Question(sound(), None)) is None
    reply = model.answer([Question(sound(), None)])[0]
    assert reply.modalities == ("text",)
    assert reply.source.startswith("whisper:")
    assert reply.segments == ()


@pytest.mark.slow
def test_parts_are_read_from_their_own_words(load, whisper, sound):
    model = load("both", segment_seconds=1.0)
    waveform = np.concatenate([sound("joy", 1, 0.9), sound("fear", 2, 0.9), sound("anger", 3, 0.9)])
    reply = model.answer([Question(waveform, "lo que se dijo")])[0]
    assert reply.transcript == "lo que se dijo"
    assert len(reply.segments) >= 3
    own = [part.waveform for part in segments(waveform, 1.0)]
    assert [part.transcript for part in reply.segments] == whisper.write(own)


def test_where_no_word_is_heard(load, sound, whisper, monkeypatch):
    monkeypatch.setattr(whisper, "write", lambda clips: ["" for _ in clips])
    reply = load("lacking").answer([Question(sound(), None)])[0]
    assert (reply.transcript, reply.source, reply.modalities) == (None, None, ("speech",))
    reply = load("text").answer([Question(sound(), None)])[0]
    assert reply.transcript == ""
    assert verdict(reply).label


def test_nothing_is_written_into_a_store(load, sound):
    store = Path(os.environ["EMOSPEECH_CACHE"])
    before = sorted(store.rglob("*"))
    load("both").answer([Question(sound("anger", 77), None)])
    assert sorted(store.rglob("*")) == before


def test_what_cannot_be_had(whisper_pt, whisper_english):
    with pytest.raises(UserError, match="needs the language"):
        Whisperer(str(whisper_pt), None)
    with pytest.raises(UserError, match="'klingon' is none it knows"):
        Whisperer(str(whisper_pt), "klingon")
    with pytest.raises(UserError, match="does not write es"):
        Whisperer(str(whisper_english[0]), "es")
    with pytest.raises(UserError):
        Whisperer("/no/such.pt", "es")
