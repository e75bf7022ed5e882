"""Transcripts that no human wrote: each failure planted, and speech that looks a little like it."""

import numpy as np
import pytest

from emospeech.data import manifest
from emospeech.data.audit.material import Material
from emospeech.data.audit.report import NotCheckedError
from emospeech.data.audit.text import recogniser
from emospeech.data.audit.text.recogniser import Loop, longest_loop
from emospeech.data.audit.text.words import normalised, words

SENTENCES = [
    "El alcalde dijo ayer que la obra del puente tardará dos meses más de lo previsto.",
    "No sé si vamos a llegar a tiempo, pero por lo menos lo vamos a intentar.",
    "Los vecinos han pedido al ayuntamiento que arregle las farolas de la calle mayor.",
    "¡Qué alegría! ¡Anda, mil gracias a todos! Estoy muy, muy, muy contenta de veros.",
    "Socorro, socorro, socorro, que alguien venga. ¡No, no, no, no, no!",
]

SHORT_LOOP = "en los barrios, por las calles en los barrios, por las calles en los barrios, por las calles"


def checked(check, texts, **columns):
    """Which of the texts are told about."""
    rows = manifest.make(id=[str(k) for k in range(len(texts))], transcription=texts, **columns).assign(part="all")
    return [int(id) for finding in check(Material(rows)) for id in finding.details["id"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Loop(0, 0)),
        ("uno dos tres", Loop(0, 0)),
        ("no no no", Loop(1, 2)),
        ("a b a b a", Loop(2, 3)),
        ("y dijo que sí que sí que sí y ya", Loop(2, 4)),
        ("a b c a b x", Loop(0, 0)),  # said again, but not whole
    ],
)
def test_the_longest_loop(text, expected):
    assert longest_loop(text.split()) == expected


def test_rounds():
    assert Loop(2, 4).rounds == 3
    assert Loop(0, 0).rounds == 1


@pytest.mark.parametrize(
    "loop",
    [
        "del pueblo" + ", que hizo una obra muy grande para todo el pueblo" * 30,
        SHORT_LOOP,
        "gracias " * 12,
    ],
)
def test_a_loop_is_found(loop):
    assert checked(recogniser.loops, [*SENTENCES, loop]) == [len(SENTENCES)]


def test_a_text_that_says_little_new():
    assert checked(recogniser.compressible, [*SENTENCES, "que no se puede hacer nada, " * 20]) == [len(SENTENCES)]


def test_a_short_text_is_held_against_others_of_its_length():
    assert recogniser.compression(SHORT_LOOP) < recogniser.COMPRESSION
    rng = np.random.default_rng(0)
    vocabulary = " ".join(SENTENCES).split()
    others = [" ".join(rng.choice(vocabulary, rng.integers(8, 25))) for _ in range(150)]
    assert checked(recogniser.compressible, [SHORT_LOOP]) == []
    assert checked(recogniser.compressible, [*others, SHORT_LOOP]) == [len(others)]


@pytest.mark.parametrize(
    "other",
    [
        "Thank you for watching this video and see you in the next one",
        "Não sei se vamos chegar a tempo, mas pelo menos a gente vai tentar com você",
        "Je ne sais pas si nous allons arriver mais on va essayer avec vous",
        "Ich weiß nicht, ob wir das noch schaffen, aber wir werden es versuchen",
    ],
)
def test_another_language(other):
    assert checked(recogniser.wrong_language, [*SENTENCES, other]) == [len(SENTENCES)], "expected: most of the table's"
    count = len(SENTENCES) + 1
    assert checked(recogniser.wrong_language, [*SENTENCES, other], language=["es"] * count) == [count - 1]


def test_the_language_that_a_row_says_counts():
    texts = [*SENTENCES, "Thank you for watching this video and see you in the next one"]
    assert checked(recogniser.wrong_language, texts, language=["es"] * len(SENTENCES) + ["en"]) == []
    with pytest.raises(NotCheckedError, match="language known for es, en"):
        checked(recogniser.wrong_language, texts, language=["ar"] * len(texts))


def test_a_word_that_is_said_often_is_one_hint():
    assert checked(recogniser.wrong_language, [*SENTENCES, "No, no, no, no, no. Daisy."]) == []


def test_no_words():
    assert checked(recogniser.empty, ["sí", "", None, " … ", "♪"]) == [1, 2, 3, 4]
    with pytest.raises(NotCheckedError, match="no row has a transcription"):
        checked(recogniser.empty, [None, None])


def test_function_words_alone():
    texts = [*SENTENCES, "de", "de la", "Y", "Sí.", "No.", "¿Qué?", "Gracias", "a"]
    assert checked(recogniser.fragments, texts) == [5, 6, 7, 12]


def test_speaking_rate():
    texts = ["a" * 15, "a" * 2, "a" * 31, "a" * 100, "", "sí"]
    rows = {"duration": [1.0, 1.0, 1.0, None, 5.0, 0.6]}
    assert checked(recogniser.speaking_rate, texts, **rows) == [1, 2], "unknown length, no words and half a second: no"


def test_words_in_two_strengths():
    assert words("¿QUÉ? Que…") == ["qué", "que"]
    assert normalised("¿QUÉ? Que…") == "que que"
    assert normalised("Straße") == normalised("STRASSE")
    assert normalised("e\u0301l") == normalised("él") == "el"
