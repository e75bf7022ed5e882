"""`score`, `compare`, `ensemble` and `ablate` on files that are wrong: one message, exit code 2, no noise."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.outputs import combined

LABELS = ["anger", "joy", "neutral"]
FITTED = ("--out-of-fold", "a_known.csv", "--out-of-fold", "b_known.csv", "--gold", "known.csv")
COMMANDS = {
    "score": ("score", "a.csv", "gold.csv"),
    "compare": ("compare", "a.csv", "b.csv", "gold.csv"),
    "ensemble": ("ensemble", "a.csv", "b.csv", "-o", "out.csv"),
    "fitted": ("ensemble", "a.csv", "b.csv", "-o", "out.csv", *FITTED),
}


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    """Predictions of 40 clips by two systems, and out of fold of 60 known ones; gold of both."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for gold, count, end in (("gold", 40, ""), ("known", 60, "_known")):
        ids, truth = [f"{gold}{k}.wav" for k in range(count)], rng.choice(LABELS, size=count)
        speakers = [f"s{k // 10}" for k in range(count)]
        pd.DataFrame({"id": ids, "label": truth, "speaker": speakers}).to_csv(f"{gold}.csv", index=False)
        for name in "ab":
            seen = 2 * np.eye(3)[[LABELS.index(one) for one in truth]] + rng.normal(size=(count, 3))
            frame = pd.DataFrame(softmax(seen, axis=1), columns=[f"p_{label}" for label in LABELS])
            frame.insert(0, "label", [LABELS[k] for k in seen.argmax(axis=1)])
            frame.insert(0, "id", ids)
            frame.to_csv(f"{name}{end}.csv", index=False)


def rewrite(name, change):
    change(pd.read_csv(name, dtype=str, keep_default_na=False)).to_csv(name, index=False)


def numbers(name, **columns):
    pd.read_csv(name).assign(**columns).to_csv(name, index=False)


def refused(capsys, *words):
    """What is said, once, and no library's warning with it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(list(words)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("error: ") == 1
    assert not Path("out.csv").exists()
    return said.err


def as_folder(path):
    path.unlink()
    path.mkdir()


NO_TABLES = {
    "empty": (lambda path: path.write_text(""), "is empty"),
    "a header": (lambda path: path.write_text("id,label\n"), "has a header but no rows"),
    "binary": (lambda path: path.write_bytes(bytes(range(256)) * 9), "is not a text file"),
    "prose": (lambda path: path.write_text('well, this\nis no "csv\n"unclosed\n'), "not a CSV row"),
    "semicolons": (lambda path: path.write_text("id;label\na;joy\n"), "separated by ';': save it with commas"),
    "no ids": (lambda path: path.write_text("name,label\na,joy\n"), "no column id (found: name, label)"),
    "no labels": (lambda path: path.write_text("id,p_joy\na,1\n"), "no column label (found: id, p_joy)"),
    "a folder": (as_folder, "is a folder"),
    "absent": (lambda path: path.unlink(), "no file "),
}


@pytest.mark.parametrize("what", NO_TABLES)
@pytest.mark.parametrize(
    ("command", "at"),
    [(name, at) for name, words in COMMANDS.items() for at in words if at.endswith(".csv") and at != "out.csv"],
)
def test_files_that_are_no_tables(capsys, command, at, what):
    spoil, message = NO_TABLES[what]
    spoil(Path(at))
    said = refused(capsys, *COMMANDS[command])
    assert at in said
    member = what == "a folder" and command in ("ensemble", "fitted") and at in ("a.csv", "b.csv")
    assert ("holds no trained model" if member else message) in said


DOUBLED, ONE_CLASS = (lambda f: pd.concat([f, f.head(2).assign(label="joy")])), (lambda f: f.assign(label="joy"))
FIRST_EMPTY = {name: (lambda f, name=name: f.assign(**{name: ["", *f[name][1:]]})) for name in ("id", "label")}
ROWS = [
    (DOUBLED, "a.csv", "score compare ensemble fitted", "2 ids are predicted more than once: gold0.wav, gold1.wav"),
    (DOUBLED, "a_known.csv", "fitted", "2 ids are predicted more than once"),
    (DOUBLED, "gold.csv", "score compare", "gold.csv: 2 faults\n  - id 'gold0.wav' is there 2 times: lines 2, 42"),
    (DOUBLED, "known.csv", "fitted", "known.csv: 2 faults"),
    (FIRST_EMPTY["id"], "a.csv", "score compare ensemble fitted", "a.csv: the id is empty in line 2"),
    (FIRST_EMPTY["id"], "gold.csv", "score compare", "line 2: the id is empty"),
    (FIRST_EMPTY["label"], "a.csv", "score compare ensemble", "1 ids have an empty label: gold0.wav"),
    (FIRST_EMPTY["label"], "gold.csv", "score compare", "has no label for 1 ids: gold0.wav"),
    (FIRST_EMPTY["label"], "known.csv", "fitted", "known.csv has no label for 1 ids of a_known.csv: known0.wav"),
    (lambda f: f.tail(38), "a.csv", "score compare ensemble", "gold0.wav, gold1.wav"),
    (lambda f: f.tail(38), "b.csv", "compare ensemble", "2 ids of the table have no prediction: gold0.wav, gold1.wav"),
    (lambda f: f.tail(38), "gold.csv", "score compare", "2 predicted ids are not in the table: gold0.wav, gold1.wav"),
    (lambda f: f.tail(58), "known.csv", "fitted", "known.csv has no row for 2 ids of a_known.csv: known0.wav"),
    (lambda f: f.assign(id="x" + f["id"]), "a.csv", "score compare ensemble", "40 predicted ids are not in the table"),
    (lambda f: f.replace({"joy": "JOY"}), "a.csv", "score compare ensemble", "unknown label 'JOY'; known: "),
    (ONE_CLASS, "gold.csv", "compare", "gold.csv: all 40 clips are joy; a comparison needs two classes"),
    (ONE_CLASS, "known.csv", "fitted", "known.csv: all 60 rows are joy; what is fitted needs two classes"),
    (lambda f: f.head(3), "a_known.csv", "fitted", "b_known.csv and a_known.csv, here the table, are not about the"),
    (lambda f: f[["id", "label"]].assign(p_joy="1"), "a.csv", "ensemble", "tells one class alone (joy); an ensemble"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "at", "command", "message"),
    [(spoil, at, command, message) for spoil, at, commands, message in ROWS for command in commands.split()],
)
def test_rows_that_do_not_fit(capsys, spoil, at, command, message):
    rewrite(at, spoil)
    assert message in refused(capsys, *COMMANDS[command])


@pytest.mark.parametrize("wrong", [2.0, -0.1, np.nan, np.inf, "high", 100.0])
@pytest.mark.parametrize("at", ["a.csv", "b_known.csv"])
def test_probabilities_that_are_none(capsys, at, wrong):
    numbers(at, p_joy=wrong)
    said = refused(capsys, *COMMANDS["fitted"])
    assert f"{at}: of " in said
    assert "rows the probabilities are no numbers from 0 to 1 that sum to 1: " in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "gold.csv", "./gold.csv"], "named twice: gold.csv"),
        (["compare", "a.csv", "./a.csv", "gold.csv"], "named twice: a.csv"),
        (["compare", "a.csv", "gold.csv", "gold.csv"], "named twice: gold.csv"),
        (["ensemble", "a.csv", "a.csv", "-o", "out.csv"], "named twice: a.csv"),
        ([*COMMANDS["ensemble"], *FITTED[:3], "a_known.csv", *FITTED[4:]], "named twice: a_known.csv"),
        ([*COMMANDS["compare"], "--by", "label"], "--by label: a label is what is asked; name where clips come from"),
        ([*COMMANDS["fitted"], "--by", "label"], "--by label: a label is what is asked"),
        ([*COMMANDS["compare"], "--by", ""], "gold.csv: no column '' for --by; there are id, label, speaker"),
    ],
)
def test_words_that_cannot_be(capsys, words, message):
    assert message in refused(capsys, *words)


@pytest.mark.parametrize(("command", "gold"), [("compare", "gold.csv"), ("fitted", "known.csv")])
def test_speakers_that_are_not_told(capsys, command, gold):
    rewrite(gold, lambda f: f.assign(speaker=["", "", *f["speaker"][2:]]))
    said = refused(capsys, *COMMANDS[command], "--by", "speaker")
    assert f"{gold}: 2 clips have no speaker, by which they are to be kept together" in said


# -- few clips, few of a class -------------------------------------------------------------------------------------


def few(count, end=""):
    for name in (f"a{end}.csv", f"b{end}.csv", "known.csv" if end else "gold.csv"):
        rewrite(name, lambda f: f.head(count))


@pytest.mark.parametrize("count", [1, 3])
def test_few_clips_are_scored_with_a_word(capsys, count):
    few(count)
    for command in ("score", "ensemble"):
        assert main(list(COMMANDS[command])) == 0
    assert f"intervals and tests of {count} clip{'s' if count > 1 else ''} say little" in capsys.readouterr().err


def test_nothing_is_fitted_to_three_rows(capsys):
    few(3, "_known")
    rewrite("known.csv", lambda f: f.assign(label=LABELS))
    assert "5 folds need 5 rows or more; there are 3" in refused(capsys, *COMMANDS["fitted"])


@pytest.mark.parametrize("how", ["stacking", "balanced_stacking"])
def test_a_stacker_needs_two_classes_wherever_it_is_fitted(capsys, how):
    rewrite("known.csv", lambda f: f.assign(label=["joy", *["anger"] * 59]))
    said = refused(capsys, *COMMANDS["fitted"], "--how", how)
    assert "too few rows of the rarer classes for stacking" in said
    assert main([*COMMANDS["fitted"], "--how", "greedy"]) == 0


# -- orders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*COMMANDS.values(), (*COMMANDS["fitted"], "--how=stacking", "--rule=prior")])
def test_orders_of_rows_and_columns_never_matter(capsys, monkeypatch, command):
    """The answers keep the first file's order; by id they are the same."""
    monkeypatch.setattr(combined, "FOLDS", 3)  # folds of folds: five are thrice the work
    assert main(list(command)) == 0
    first = capsys.readouterr().out
    answers = pd.read_csv("out.csv").set_index("id") if Path("out.csv").exists() else None
    for path in Path().glob("out*"):
        path.unlink()
    for seed, path in enumerate(sorted(Path().glob("*.csv"))):
        rewrite(path, lambda f, seed=seed: f[f.columns[::-1]].sample(frac=1, random_state=seed))
    assert main(list(command)) == 0
    assert capsys.readouterr().out == first
    if answers is not None:
        again = pd.read_csv("out.csv").set_index("id").loc[answers.index, answers.columns]
        pd.testing.assert_frame_equal(again, answers)


# -- grids ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("", "is empty; give it axes, or rows"),
        ("axes: {}", "is empty; give it axes, or rows"),
        ("axes: {c: []}", "axes.c: is empty; give it values"),
        ("axes: {c: {a: {classical.modell.c: 1}}}", "axes.c.a: classical.modell: unknown key; did you mean model?"),
        ("axis: {c: {a: {}}}", "axis: unknown key; did you mean axes?"),
        ("axes: {c: {a: {}, b: {classical.model.c: 1.0}}}\nseeds: []", "seeds: too few; should have 1 or more, got []"),
        ("- a", "its top level must be keys and values"),
        ("axes: [a: {", "is not YAML"),
        (None, "is a folder; a grid is a YAML file"),
    ],
)
def test_grids_that_are_none(capsys, grid, message):
    path = Path("grid.yaml")
    path.mkdir() if grid is None else path.write_text(grid)
    recipe = str(recipes_folder() / "classical_text.yaml")
    assert message in refused(capsys, "ablate", recipe, "grid.yaml", "data.root=.")
