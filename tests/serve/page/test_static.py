"""The files of the page, without a browser: nothing inline, nothing from elsewhere, every text in both languages."""

import re
from itertools import product

import pytest

from emospeech import labels
from emospeech.serve.http.problems import CODES
from emospeech.serve.page import STATIC

FILES = sorted(path for path in STATIC.iterdir() if path.is_file())
LANGUAGES = ("english", "spanish")


def read(name):
    return (STATIC / name).read_text(encoding="utf-8")


def entries(language, table):
    """The entries of one of the objects of a language: name -> text."""
    block = re.search(rf"const {table} = \{{\n(.*?)\n\}};", read(f"{language}.js"), re.DOTALL)[1]
    return dict(re.findall(r'^  "?([\w-]+)"?: "(.*)",$', block, re.MULTILINE))


def test_it_is_all_here():
    assert {"index.html", "style.css", "app.js", "icon.svg"} <= {path.name for path in FILES}
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 300 for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path):
    found = re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text(encoding="utf-8"))
    assert set(found) <= {"http://www.w3.org"}


def test_nothing_is_inline():
    html = read("index.html")
    assert not re.findall(r"<style|<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:", html)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_texts_never_become_markup(path):
    code = path.read_text(encoding="utf-8")
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|\"style\"", code)


@pytest.mark.parametrize("table", ["texts", "problems"])
def test_both_languages_say_the_same(table):
    english, spanish = (entries(language, table) for language in LANGUAGES)
    assert list(english) == list(spanish)
    for name, text in english.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", spanish[name])), name
        assert text
        assert spanish[name]


def test_every_text_is_there_and_used():
    texts = entries("english", "texts")
    code = "".join(path.read_text(encoding="utf-8") for path in FILES if path.stem not in LANGUAGES)
    asked = set(re.findall(r'say\("(\w+)"', code)) | set(re.findall(r'data-text(?:-label)?="(\w+)"', code))
    assert asked <= set(texts)
    assert {name for name in texts if not re.search(rf'"{name}"', code)} == {"modality_speech", "modality_text"}


@pytest.mark.parametrize(("language", "code"), list(product(LANGUAGES, CODES)))
def test_every_problem_of_the_server_has_its_words(language, code):
    assert code in entries(language, "problems")


def test_every_emotion_has_its_word_in_spanish():
    words = {*labels.WORDS, labels.NON_NEUTRAL, *(label for space in labels.SPACES.values() for label in space)}
    assert words <= set(entries("spanish", "names"))


def test_the_canvases_can_read_the_colours():
    """They take them as #rrggbb."""
    named = set(re.findall(r'colour\((?:[^()]*\? )?"(--\w+)"(?: : "(--\w+)")?\)', read("wave.js") + read("record.js")))
    light, dark = re.findall(r":root \{(.*?)\}", read("style.css"), re.DOTALL)
    for name in {one for pair in named for one in pair if one}:
        assert re.search(rf"{name}: #[0-9a-f]{{6}};", light), name
        assert re.search(rf"{name}: #[0-9a-f]{{6}};", dark), name


def test_the_pictures_are_small_and_there():
    readme = STATIC.parents[3] / "README.md"
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", readme.read_text(encoding="utf-8")):
        assert (readme.parent / name).stat().st_size < 300_000, name
