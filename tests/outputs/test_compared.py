"""`emospeech compare` as typed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.labels import EMOSPEECH2024
from emospeech.metrics.differences import difference, holm, mcnemar
from emospeech.metrics.statistics import interval


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Gold of 120 clips of 12 speakers, and three files of predictions in other orders."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    ids, speakers = [f"c{k}.mp3" for k in range(120)], [f"s{k // 10}" for k in range(120)]
    truth = rng.choice(EMOSPEECH2024, size=120)
    answers = {"gold": truth.tolist(), "speakers": speakers}
    pd.DataFrame({"id": ids, "label": truth, "speaker": speakers}).to_csv("gold.csv", index=False)
    for name, right in (("a", 0.4), ("b", 0.7), ("c", 0.45)):
        chosen = np.where(rng.random(120) < right, truth, rng.choice(EMOSPEECH2024, size=120))
        frame = pd.DataFrame({"id": ids, "label": chosen})
        frame.sample(frac=1, random_state=1).to_csv(f"{name}.csv", index=False)
        answers[name] = chosen.tolist()
    return answers


def compare(*words):
    files = [word for word in words if word.endswith("csv")]
    return main(["compare", *files, "gold.csv", *words[len(files) :]])


def test_three_systems(files, capsys):
    assert compare("a.csv", "b.csv", "c.csv", "--json", "all.json") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "120 clips; 95 % intervals of the bootstrap, p of approximate randomisation"
    first, second, third = (line.split() for line in told[2:])
    tests = [difference(files["gold"], [files["a"]], [files[name]], EMOSPEECH2024) for name in "bc"]
    own = interval(files["gold"], [files["a"]], EMOSPEECH2024)
    assert first == ["a.csv", first[1], f"{own.low:.4f}-{own.high:.4f}"]
    assert second[3] == f"{tests[0].value:+.4f}"
    assert [row[-3:-1] for row in (second, third)] == [
        [f"{test.p:.4f}", f"{p:.4f}"] for test, p in zip(tests, holm([one.p for one in tests]), strict=True)
    ]
    assert second[-1] == f"{mcnemar(files['gold'], files['a'], files['b'], EMOSPEECH2024).p:.4f}"
    assert tests[0].p < 0.01 < tests[1].p, "b is better than a; c is not known to be"
    kept = json.loads(Path("all.json").read_text())
    assert [one["name"] for one in kept["files"]] == ["a.csv", "b.csv", "c.csv"]
    assert kept["files"][2]["against"]["difference"]["p"] == tests[1].p


def test_by_speaker_and_another_metric(files, capsys):
    assert compare("a.csv", "b.csv", "--by", "speaker", "--metric", "uar") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("120 clips, drawn by speaker (12); ")
    assert told[1].split()[:2] == ["predictions", "UAR"]
    test = difference(files["gold"], [files["a"]], [files["b"]], EMOSPEECH2024, "uar", files["speakers"])
    assert f"{test.low:+.4f} to {test.high:+.4f}" in told[3]
    assert told[3].split()[-2:] == [f"{test.p:.4f}"] * 2, "McNemar's test knows no speakers"


def test_few_speakers_get_no_95_percent(files, capsys):
    rewrite("gold.csv", lambda f: f.assign(speaker=[f"s{k % 3}" for k in range(len(f))]))
    assert compare("a.csv", "b.csv", "--by", "speaker") == 0
    assert capsys.readouterr().out.startswith("120 clips, drawn by speaker (3); too few for 95 % intervals: ")


def rewrite(name, change):
    change(pd.read_csv(name, dtype=str)).to_csv(name, index=False)


@pytest.mark.parametrize(
    ("spoil", "words", "message"),
    [
        (lambda: rewrite("b.csv", lambda f: f.head(118)), [], "2 ids of the table have no prediction"),
        (lambda: rewrite("b.csv", lambda f: f.replace({"joy": "bliss"})), [], "b.csv: unknown label 'bliss'"),
        (lambda: rewrite("b.csv", lambda f: f.assign(id="x" + f["id"])), [], "predicted ids are not in the table"),
        (lambda: rewrite("gold.csv", lambda f: f.assign(label="joy")), [], "all 120 clips are joy"),
        (lambda: rewrite("gold.csv", lambda f: f.assign(speaker="s1")), ["--by=speaker"], "the same speaker, s1"),
        (lambda: None, ["--by=video"], "no column 'video' for --by; there are id, label, speaker"),
        (lambda: None, ["--metric=f1"], "unknown --metric 'f1'; known: macro_f1"),
        (lambda: None, ["a.csv"], "named twice: a.csv"),
        (lambda: Path("b.csv").unlink(), [], "b.csv"),
    ],
)
def test_what_cannot_be_compared(files, capsys, spoil, words, message):
    spoil()
    assert compare("a.csv", "b.csv", *words) == 2
    assert message in capsys.readouterr().err


def test_one_file_and_few_clips(files, capsys):
    assert compare("a.csv") == 2
    assert "name two files" in capsys.readouterr().err
    for name in ("gold.csv", "a.csv", "b.csv"):
        rewrite(name, lambda f: f[f["id"].isin(["c0.mp3", "c1.mp3", "c2.mp3"])])
    assert compare("a.csv", "b.csv") == 0
    assert "of 3 clips say little" in capsys.readouterr().err
