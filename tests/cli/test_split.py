"""`emospeech data split` and `data stats`, as typed."""

import json
import re

import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.data import manifest


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Type a command in a folder with `corpus.csv`: 24 labelled rows of four speakers, and two without a label."""
    monkeypatch.chdir(tmp_path)
    table = manifest.make(
        id=[f"c{k:02d}" for k in range(26)],
        label=[["joy", "fear", "anger"][k % 3] for k in range(24)] + [None, None],
        speaker=[f"s{k // 6}" for k in range(24)] + ["s0", "s0"],
        transcription=["hola"] * 26,
        corpus=["mesd"] * 26,
    )
    manifest.write(table, tmp_path / "corpus.csv")

    def go(*arguments):
        code = main(["data", *arguments])
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return go


def parts(path):
    return pd.read_csv(path, dtype=str)


def test_folds(typed, tmp_path):
    code, out, err = typed("split", "corpus.csv", "-o", "splits.csv", "--folds", "2")
    assert code == 0
    assert out.splitlines() == [
        "k-fold by speaker, folds 2, seed 0: 24 of 26 rows",
        "fold  rows  speakers  groups  anger  fear  joy",
        "   1    12         2       -      4     4    4",
        "   2    12         2       -      4     4    4",
        "speakers: none of 4 is in two folds",
        "groups: not known",
        "written: splits.csv, splits.json",
    ]
    assert "2 of 26 rows have no label and are left out" in err
    written = parts(tmp_path / "splits.csv")
    assert list(written) == ["id", "fold"]
    assert written["id"].tolist() == [f"c{k:02d}" for k in range(24)]
    about = json.loads((tmp_path / "splits.json").read_text())
    assert (about["kind"], about["by"], about["options"]) == ("k-fold", "speaker", {"folds": 2, "seed": 0})
    assert about["parts"][0]["classes"] == {"anger": 4, "fear": 4, "joy": 4}
    assert typed("split", "corpus.csv", "-o", "again.csv", "--folds", "2")[0] == 0
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "splits.csv").read_bytes()


def test_leave_one_speaker_out(typed, tmp_path):
    code, out, _ = typed("split", "corpus.csv", "-o", "loso.csv", "--kind", "loso")
    assert code == 0
    assert [line.split()[-1] for line in out.splitlines()[2:6]] == ["s0", "s1", "s2", "s3"]
    assert parts(tmp_path / "loso.csv")["fold"].tolist() == [str(1 + k // 6) for k in range(24)]


def test_a_hold_out_there_and_back(typed, tmp_path):
    command = [
        "split",
        "corpus.csv",
        "-o",
        "box",
        "--kind",
        "holdout",
        "--by",
        "none",
        "--dev",
        "0.25",
        "--test",
        "0.25",
    ]
    code, out, _ = typed(*command, "--format", "emobox")
    assert code == 0
    assert "holdout by none, dev 0.25, test 0.25, seed 0: 24 of 26 rows" in out
    assert "of 4 in two splits or more; 6 of 6 dev rows have theirs in train" in out
    code, out, _ = typed("split", "corpus.csv", "-o", "back.csv", "--given", "box")
    assert code == 0
    assert out.startswith("given, in box: 24 of 26 rows")
    back = parts(tmp_path / "back.csv")
    assert back["split"].value_counts().to_dict() == {"train": 12, "dev": 6, "test": 6}
    for name, chosen in back.groupby("split"):
        chosen.to_csv(tmp_path / f"{name}.csv", index=False)
    given = [word for name in ("train", "dev", "test") for word in ("--given", f"{name}.csv")]
    assert typed("split", "corpus.csv", "-o", "lists.csv", *given)[0] == 0
    assert (tmp_path / "lists.csv").read_bytes() == (tmp_path / "back.csv").read_bytes()


def test_a_rare_class_is_reported(typed, tmp_path):
    table = manifest.read(tmp_path / "corpus.csv")
    manifest.write(table.assign(label=["disgust", *table["label"][1:]]), tmp_path / "rare.csv")
    code, out, _ = typed("split", "rare.csv", "-o", "splits.csv", "--folds", "3", "--by", "none")
    assert code == 0
    assert re.search(r"rare: disgust, 1 row, none in folds \d, \d; nothing to train it on when fold \d is tested", out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--folds", "9"], "k-fold by speaker: 9 folds need 9 groups or more; there are 4: s0, s1, s2, s3"),
        (["--by", "group"], "no row has a group to split by"),
        (["--kind", "loso", "--folds", "3"], "loso has no option folds"),
        (["--kind", "random"], "unknown kind 'random'; known: k-fold, loso, holdout"),
        (["--kind", "holdout", "--test", "1"], "shares of 0.16 for dev and 1 for test"),
        (["--format", "json"], "unknown format 'json'; known: csv, emobox"),
        (["--given", "none.csv", "--seed", "1"], "--seed is for a split that is drawn; leave it out"),
        (["--given", "none.csv"], "no file or folder none.csv"),
        (["-o", "corpus.csv"], "corpus.csv exists already"),
        (["-o", "splits.json"], "name the file .csv"),
    ],
)
def test_mistakes(typed, tmp_path, arguments, expected):
    before = sorted(tmp_path.iterdir())
    code, _, err = typed("split", "corpus.csv", *(["-o", "splits.csv"] if "-o" not in arguments else []), *arguments)
    assert code == 2
    assert expected in err
    assert sorted(tmp_path.iterdir()) == before


def test_stats(typed, tmp_path):
    code, out, _ = typed("stats", "corpus.csv", "--json", "stats.json", "--figure", "stats.svg")
    assert code == 0
    assert out.splitlines()[1].split() == ["mesd", "(none)", "26", "-", "4", *"----", "100.0%", "26"]
    assert out.splitlines()[-1].startswith("26 of 26 clips: duration unknown")
    (only,) = json.loads((tmp_path / "stats.json").read_text())
    assert only["classes"] == {"joy": 8, "fear": 8, "anger": 8, "(none)": 2}
    assert (tmp_path / "stats.svg").read_text().startswith("<?xml")
    code, _, err = typed("stats", "corpus.csv", "--figure", "stats.gif")
    assert (code, "a figure is a .png, .svg or .pdf" in err) == (2, True)
    assert "stats.json exists already" in typed("stats", "corpus.csv", "--json", "stats.json")[2]
