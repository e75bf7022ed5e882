"""Lists of a recipe, mixtures first: entries by their numbers; corpora that are named where nobody reads them."""

import pytest

from emospeech.runtime.errors import UserError
from emospeech.systems.build import load_benchmark, load_recipe

MIXTURE = """
data:
  mixture:
    - {corpus: demo, root: one, split: {dev_speakers: [a, b]}}
    - {corpus: emodb, root: two, weight: 0.5}
speech:
  encoder: log_mel_cnn
  augment: {apply: each, effects: [speed, {name: noise, probability: 0.2, snr_db: [5.0, 10.0]}]}
"""
VOTE = """
data: {corpus: demo, root: x}
system: classical
classical: {features: [tfidf], vote: [{model: svm_rbf}, {model: {name: lda}, weight: 2.0}]}
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("two", "three"):
        (tmp_path / name).mkdir()

    def write(text, name="recipe.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


def fault(read, *overrides):
    with pytest.raises(UserError) as error:
        read(*overrides)
    return str(error.value)


def test_an_entry_is_changed_and_the_others_stay(write):
    path = write(MIXTURE)
    words = ["data.mixture.1.root=three", "data.mixture.1.weight=3.0", "data.mixture[0].split.dev_speakers.1=c"]
    one, two = load_recipe(path, words).data.mixture
    assert (one.root, one.split.dev_speakers) == ("one", ["a", "c"])
    assert (two.corpus, two.root, two.weight) == ("emodb", "three", 3.0)
    words = ["data.mixture=[{corpus: demo, root: x}, {corpus: emodb, root: y}]", "data.mixture.1.root=three"]
    assert [part.root for part in load_recipe(path, words).data.mixture] == ["x", "three"]


def test_variants_in_lists_are_as_variants_elsewhere(write):
    """A name alone takes options; another name takes the former one's options away and leaves what all share."""

    def effects(*overrides):
        return load_recipe(write(MIXTURE), overrides).speech.augment.effects

    assert effects("speech.augment.effects.0.probability=0.5")[0].model_dump() == {"name": "speed", "probability": 0.5}
    assert effects("speech.augment.effects.1.snr_db.0=0.0")[1].options == {"snr_db": [0.0, 10.0]}
    assert effects("speech.augment.effects.1.name=pitch")[1].model_dump() == {"name": "pitch", "probability": 0.2}
    assert effects("speech.augment.effects.1=pitch")[1].model_dump() == {"name": "pitch", "probability": None}
    vote = load_recipe(write(VOTE), ["classical.vote.0.model.c=3.0", "classical.vote.1.model=svm_rbf"]).classical.vote
    assert [(one.model.name, one.model.options, one.weight) for one in vote] == [
        ("svm_rbf", {"c": 3.0}, 1.0),
        ("svm_rbf", {}, 2.0),
    ]


def test_entries_of_a_default(write):
    path = write("data: {corpus: demo, root: x}\nspeech: {encoder: log_mel_cnn, augment: {apply: each}}\n")
    found = load_recipe(path, ["speech.augment.effects.1.probability=0.5"]).speech.augment
    assert [(one.name, one.probability) for one in found.effects] == [("speed", None), ("reverb", 0.5), ("noise", None)]
    empty = "the list data.mixture is empty; give all of it, as 'data.mixture=[…]'"
    assert empty in fault(load_recipe, path, ["data.mixture.0.root=x"])


def test_a_file_numbers_entries_of_what_it_extends(write):
    write(MIXTURE, "below.yaml")
    path = write("extends: below.yaml\ndata: {mixture: {1: {root: three}}}\n")
    assert [part.root for part in load_recipe(path).data.mixture] == ["one", "three"]


def test_rows_of_a_benchmark(write):
    rows = "benchmark: {rows: {a: {classical.vote.0.weight: 3.0}, b: {classical: {vote: [{model: lda}]}}}}\n"
    path = write(VOTE + rows)

    def weights(*overrides):
        found = load_benchmark(path, overrides).rows
        return [[one.weight for one in found[row].classical.vote] for row in found]

    assert weights() == [[3.0, 2.0], [1.0]]
    words = ["classical.vote.1.weight=5.0", "benchmark.rows.b.classical.vote.0.weight=4.0"]
    assert weights(*words, "benchmark.rows.a.classical.vote.0.weight=7.0") == [[7.0, 5.0], [4.0]]
    message = fault(load_benchmark, path, ["benchmark.rows.a.classical.vote.2.weight=4.0"])
    assert message == "benchmark.rows: a: classical.vote.2: the list classical.vote has 2 entries, numbered 0 to 1; " \
        "for more give all of it"  # fmt: skip


def test_points_of_a_grid(write):
    grid = "tune: {grid: {classical.vote.0.weight: [1.0, 2.0]}}\n"
    assert load_recipe(write(VOTE + grid)).tune.grid == {"classical.vote.0.weight": [1.0, 2.0]}
    assert "classical.vote.4: the list" in fault(load_recipe, write(VOTE + grid.replace("0.w", "4.w")))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("data.mixture.2.root=x", "data.mixture.2: the list data.mixture has 2 entries, numbered 0 to 1"),
        ("data.mixture.-1.root=x", "data.mixture.-1: data.mixture is a list of 2 entries"),
        ("data.mixture.root=x", "data.mixture.root: data.mixture is a list of 2 entries, numbered 0 to 1; name one by"),
        ("data.mixture.0.split.dev_speakers.x=y", "data.mixture.0.split.dev_speakers.x: data.mixture.0.split"),
        ("data.mixture.0.root.x=y", "data.mixture.0.root: should be a string, got {"),
    ],
)
def test_entries_that_are_not_there(write, word, expected):
    assert fault(load_recipe, write(MIXTURE), [word]).count(expected) == 1


def test_the_remedy_names_the_place(write):
    path = write(MIXTURE)
    message = fault(load_recipe, path, ["data.mixture.1.root=/nowhere"])
    assert message.splitlines()[1:] == [
        "  - data.mixture.1.root: no folder '/nowhere'; give the corpus's folder as data.mixture.1.root=…"
    ], "nothing else is wrong: a mixture with a fault is one all the same"
    rows = "benchmark: {rows: {a: {data.mixture: [{corpus: emodb, root: gone}]}}}\n"
    message = fault(load_benchmark, write(MIXTURE + rows))
    assert "data.mixture.0.root: no folder 'gone'" in message
    assert "as benchmark.rows.ROW.data.mixture.0.root=…" in message
    load_benchmark(path, ["benchmark.rows.a.data.mixture.0.root=two"])


@pytest.mark.parametrize("words", [["data.root=two"], ["data.corpus=emodb", "data.root=two"], ["data={root: two}"]])
def test_a_single_corpus_beside_a_mixture(write, words):
    message = fault(load_recipe, write(MIXTURE), words)
    assert (
        "of no use beside data.mixture, whose corpora have their own (0 demo, 1 emodb); give data.mixture.0." in message
    )
    row = f"benchmark: {{rows: {{a: {{{', '.join(word.replace('=', ': ') for word in words)}}}}}}}\n"
    assert message in fault(load_benchmark, write(MIXTURE + row))


def test_a_single_corpus_in_place_of_a_mixture(write):
    found = load_recipe(write(MIXTURE), ["data.mixture=[]", "data.corpus=emodb", "data.root=two"]).data
    assert [(part.corpus, part.root) for part in found.parts] == [("emodb", "two")]


def test_both_in_files(write):
    """A mixture takes the place of the corpus of the recipe below; a corpus that is thrown away is a mistake."""
    write("data: {corpus: emodb, root: two}\n", "below.yaml")
    path = write(f"extends: below.yaml{MIXTURE}")
    assert [part.root for part in load_recipe(path).data.mixture] == ["one", "two"]
    assert load_recipe(path, ["data.mixture=[]"]).data.root == "two"
    both = MIXTURE.replace("data:\n", "data:\n  root: two\n")
    assert fault(load_recipe, write(both)).startswith("recipe.yaml: data.root: of no use beside data.mixture")
    write(MIXTURE, "below.yaml")
    path = write("extends: below.yaml\ndata: {corpus: emodb, root: two}\n")
    assert fault(load_recipe, path).startswith("recipe.yaml: data.corpus, data.root: of no use beside data.mixture")
