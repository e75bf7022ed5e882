"""Features of how a text is said: the numbers of `style`, the tokens of `tfidf`; by hand, and back from a folder."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import StandardScaler

from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.classical.reading.spanish import outline
from emospeech.systems.classical.reading.style import NAMES, Style, numbers
from emospeech.systems.classical.reading.tfidf import Tfidf

TEXTS = [
    "¡Dejadme en paz! ¡No!",
    "y gracias a todos, de verdad",
    "El paro baja un 3 % en Madrid.",
    "",
    "¿Qué te han dado?",
]


def table(texts):
    return pd.DataFrame({"transcription": texts})


def test_numbers_by_hand():
    found = dict(zip(NAMES, numbers("y no, no LLORES más, mamita... Te vi"), strict=True))
    words = 8  # y no no LLORES más mamita Te vi
    expected = {
        "words": np.log(9),
        "different words": 7 / words,
        "capitals": 2 / words,
        "shouted": 1 / words,
        "begun": 1,
        "ended": 0,
        "broken off": 0,
        "dots": 1 / words,
        "most said": 2 / words,
        "words a sentence": words / 1,
        "share of ,": 2 / words,
        "negation": 2 / words,
        "degree": 1 / words,
        "you": 1 / words,
        "conjunction": 1 / words,
        "diminutive": 1 / words,
        "i did": 0,  # `vi` has no accent
        "letters a word": 24 / words,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)


@given(st.text(max_size=60))
def test_any_text_has_numbers_and_an_outline(text):
    found = numbers(text)
    assert len(found) == len(NAMES) == len(set(NAMES))
    assert np.isfinite(found).all()
    tokens = outline(text)
    assert tokens[0] in ("<begun", "<start")
    assert tokens[-1] == "<end>"
    assert not any(" " in token for token in tokens), "n-grams are joined by blanks"


def test_style_is_standardised_by_the_training_rows_weighed_and_clipped():
    train, test = table(TEXTS[:4]), table([TEXTS[4], "¡" * 500])
    part = Style(weight=0.5, clip=2)
    part.fit(train)
    scaler = StandardScaler().fit([numbers(text) for text in TEXTS[:4]])
    expected = 0.5 * np.clip(scaler.transform([numbers(text) for text in test["transcription"]]), -2, 2)
    constant = scaler.var_ == 0  # what training rows never differ in says nothing
    found = part.of(test).toarray()
    np.testing.assert_allclose(found[:, ~constant], expected[:, ~constant], atol=1e-9)
    assert not found[:, constant].any()
    assert np.abs(found).max() == 1.0


def test_an_outline_has_no_topic():
    one, other = "ayer Pedro compró tomates en Murcia.", "ayer Lucía buscó zapatos en Sevilla."
    assert outline(one)[2:] == ["<name>", "-pró", "-tes", "en", "<name>", ".", "<end>"]
    assert [token for token in outline(other) if not token.startswith("-")] == [
        "<begun",
        "<name>",
        "en",
        "<name>",
        ".",
        "<end>",
    ]
    assert outline("Sí. Ahora 30 más")[:3] == ["<start", "-sí", "."], "a capital after a full stop is no name"
    assert outline("Sí. Ahora 30 más")[3:] == ["-ora", "<number>", "más", "<end>"]


@pytest.mark.parametrize(
    ("tokens", "theirs"),
    [
        ("marks", {"tokenizer": lambda text: [*text.replace("!", " !").replace("¡", "¡ ").split()]}),
        ("outline", {"tokenizer": outline, "lowercase": False}),
    ],
)
def test_tokens_are_those_of_scikit_learn_given_them(tokens, theirs):
    texts = ["¡no a la guerra!", "¡no y no!", "a la paz !", "Ana y Eva"]
    part = Tfidf(tokens=tokens, characters=None, min_rows=1, weight=0.3)
    part.fit(table(texts))
    vectorizer = TfidfVectorizer(**theirs, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True)
    expected = vectorizer.fit_transform(texts)
    assert part.parts[0].get_feature_names_out().tolist() == vectorizer.get_feature_names_out().tolist()
    np.testing.assert_allclose(part.of(table(texts)).toarray(), 0.3 * expected.toarray(), atol=1e-12)


def test_all_of_them_come_back_from_a_run_folder(rows, fitted, tmp_path):
    features = [
        {"name": "tfidf", "tokens": "marks"},
        {"name": "tfidf", "tokens": "outline", "characters": None, "min_rows": 1, "weight": 0.5},
        {"name": "style", "weight": 0.06},
    ]
    vote = [
        {},
        {"features": ["style"], "model": "svm_rbf"},
        {"features": [0, 2], "transforms": [{"name": "svd", "keep": 4}]},
    ]
    system = fitted(rows[:40].reset_index(drop=True), features, vote=vote, pool="scores")
    system.save(tmp_path / "model")
    found = build.load(tmp_path / "model").predict(rows[40:])
    pd.testing.assert_frame_equal(found, system.predict(rows[40:]), check_exact=True)


@pytest.mark.parametrize(
    ("feature", "says"),
    [
        ({"name": "style", "weight": 0}, "style: weight: input should be greater than 0, got 0"),
        ({"name": "style", "words": [1, 2]}, "style: unknown option words; known: weight, clip"),
        ({"name": "tfidf", "tokens": "stems"}, "tfidf: tokens: input should be 'words', 'marks' or 'outline'"),
    ],
)
def test_words_that_are_wrong(feature, says, make_recipe):
    with pytest.raises(UserError) as error:
        make_recipe(feature)
    assert says in str(error.value)
