"""The section `benchmark`: systems as changes to a recipe, and every fault of it before any work."""

import re
import shlex
from pathlib import Path

import pytest

from emospeech.runtime.errors import UserError
from emospeech.systems.build import load_benchmark

RECIPE = """
data: {corpus: audiofolder, root: .}
system: classical
classical: {features: [tfidf], model: {name: svm_rbf, c: 3.0}}
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def load(section="{}", *overrides):
        (tmp_path / "r.yaml").write_text(f"{RECIPE}benchmark: {section}\n", encoding="utf-8")
        return load_benchmark("r.yaml", overrides)

    return load


def test_without_rows_it_is_the_recipe_itself(load):
    found = load()
    assert list(found.rows) == ["r"]
    assert (found.name, found.runs_dir) == ("r", "runs")
    assert {name: protocol.kind for name, protocol in found.benchmark.protocols.items()} == {"k-fold": "k-fold"}


def test_rows_are_the_recipe_with_changes(load):
    rows = (
        "{rows: {a: {}, b: {classical.model.c: 1.0}, c: {classical.model: lda}, d: {classical: {normalise: speaker}}}}"
    )
    found = load(rows, "train.seed=5").rows
    assert [row.name for row in found.values()] == ["a", "b", "c", "d"]
    assert {row.train.seed for row in found.values()} == {5}
    assert [row.classical.model.options for row in found.values()] == [{"c": 3.0}, {"c": 1.0}, {}, {"c": 3.0}]
    assert found["d"].classical.normalise == "speaker"


def test_another_encoder_takes_the_former_ones_options_away(load):
    """Options are those of the encoder beside them; what all encoders share stays."""
    rows = """{rows: {a: {system: neural, classical: null, speech: &cnn {encoder: log_mel_cnn, options: {width: 8}}},
        b: {system: neural, classical: null, speech: *cnn, speech.encoder: log_mel_vgg, speech.crop_seconds: 1.5},
        c: {system: neural, classical: null, speech: *cnn, speech.encoder: log_mel_cnn, speech.options.bands: 20}}}"""
    found = {name: row.speech for name, row in load(rows).rows.items()}
    assert found["a"].options == {"width": 8}
    assert (found["b"].encoder, found["b"].options, found["b"].crop_seconds) == ("log_mel_vgg", None, 1.5)
    assert found["c"].options == {"width": 8, "bands": 20}


def test_protocols_from_the_command_line(load):
    found = load("{}", "benchmark.protocols.mine.kind=loso", "benchmark.workers=3").benchmark
    assert (found.protocols["mine"].kind, found.workers) == ("loso", 3)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("{protocol: {}}", r"benchmark\.protocol: unknown key; did you mean protocols"),
        ("{protocols: {}}", r"benchmark\.protocols: "),
        ("{protocols: {x: {kind: bootstrap}}}", r"benchmark\.protocols\.x\.kind: should be 'holdout'"),
        ("{protocols: {x: {seeds: [1, 1]}}}", r"benchmark\.protocols\.x: seeds: should be different numbers"),
        ("{protocols: {x: {kind: file}}}", r"benchmark\.protocols\.x: file: missing"),
        ("{protocols: {x: {file: a.csv}}}", r"benchmark\.protocols\.x: file: is for kind: file, not for k-fold"),
        ("{protocols: {x: {kind: loso, test_speakers: [a]}}}", "test_speakers: is for kind: holdout, not for loso"),
        ("{protocols: {figures: {}}}", r"benchmark: protocols: figures is a folder of the benchmark's own"),
        ("{protocols: {a/b: {}}}", "should be letters, digits"),
        ("{quick: [x]}", r"benchmark: quick: no row x; there are none"),
        ("{published: {loso: {}}}", "benchmark: published: no protocol loso; there are k-fold"),
        ("{published: {k-fold: {net: {paper: 0.5}}}}", r"benchmark\.published\.k-fold: no row net; there are r"),
        ("{rows: {a: {name: b}}}", r"benchmark\.rows\.a: name is that of the whole benchmark"),
        ("{rows: {a: {classical.model.cc: 1}, b: {}}}", r"benchmark\.rows: a: .*unknown option cc"),
        ("{rows: {a: {}, b: {tune: {grid: {data.root: [x]}}}}}", r"data\.root cannot be tuned"),
    ],
)
def test_faults_are_told_with_their_path(load, section, message):
    with pytest.raises(UserError, match=f"(?s){message}"):
        load(section)


def test_a_fault_of_every_row_is_told_once(load):
    with pytest.raises(UserError, match=r"every row: ") as told:
        load("{rows: {a: {}, b: {}}}", "classical.normalise=nobody")
    assert str(told.value).count("classical.normalise") == 1


def test_the_name_is_one_of_a_folder(load):
    with pytest.raises(UserError, match=r"name: '\.\./r' is no name of a folder"):
        load("{rows: {a: {}}}", "name=../r")


DOCS = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def test_the_recipe_and_the_overrides_of_the_page(load, tmp_path):
    page = DOCS.read_text(encoding="utf-8")
    (recipe,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "page.yaml").write_text(recipe.replace("extends: base.yaml\n", ""), encoding="utf-8")
    found = load_benchmark(tmp_path / "page.yaml", ["data.root=."])
    assert list(found.rows) == ["RBF SVM", "RBF SVM by speaker", "tuned LDA", "a network"]
    commands = re.findall(r"^    emospeech benchmark RECIPE ([^[].*)$", page, re.MULTILINE)
    assert len(commands) == 8
    kinds = set()
    for command in commands:
        kinds |= {protocol.kind for protocol in load("{}", *shlex.split(command)).benchmark.protocols.values()}
    assert kinds == {"holdout", "k-fold", "loso", "file", "split"}
