"""Error rates against numbers counted by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech.metrics.words import normalised, text_errors

WORDS = st.lists(st.sampled_from(["sol", "mar", "río", "pan", "3"]), max_size=8).map(" ".join)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¡Qué ASCO!", "qué asco"),
        ("a  b\n\tc", "a b c"),
        ("3.500 €", "3 500"),
        ("L'amico—bello", "l amico bello"),
        ("Straße ﬁn", "strasse fin"),
        ("...", ""),
        ("año", "año"),
        ("an\u0303o", "año"),  # the tilde as a sign of its own
    ],
)
def test_normalised(text, expected):
    assert normalised(text) == expected


def test_counted_by_hand():
    """el gato come pescado -> el perro come mucho pescado fresco: one replaced, two inserted; of 20 letters …"""
    found = text_errors(["El gato come pescado."], ["el perro come mucho pescado fresco"])
    assert (found.words, found.substitutions, found.deletions, found.insertions) == (4, 1, 0, 2)
    assert found.wer == 3 / 4
    found = text_errors(["casa"], ["cosas"])  # a -> o, s at the end
    assert (found.characters, found.character_errors, found.cer) == (4, 2, 0.5)


def test_over_all_words_count_and_not_clips():
    found = text_errors(["uno dos tres cuatro", "sí"], ["uno dos tres cuatro", "no"])
    assert found.wer == 1 / 5


@pytest.mark.parametrize(
    ("reference", "hypothesis", "insertions", "wer"),
    [("...", "hola", 1, None), ("...", "", 0, None), ("hola", "", 0, 1.0)],
)
def test_nothing_said(reference, hypothesis, insertions, wer):
    found = text_errors([reference], [hypothesis])
    assert (found.insertions, found.wer) == (insertions, wer)


@given(WORDS, WORDS)
def test_levenshtein(one, other):
    """The oracle: the table of prefixes, filled row by row."""
    a, b = one.split(), other.split()
    row = list(range(len(b) + 1))
    for i, word in enumerate(a, 1):
        before, row = row, [i]
        for j, candidate in enumerate(b, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (word != candidate)))
    found = text_errors([one], [other])
    assert found.substitutions + found.deletions + found.insertions == row[-1]
