"""`emospeech leaderboard` as typed, over runs, runs of several seeds, benchmarks and what is none of them."""

import contextlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from emospeech.cli.main import main

from .conftest import write_recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """Two runs, two seeds of a third, and a benchmark that refits the first under one speaker left out."""
    folder = tmp_path_factory.mktemp("runs")
    write_recipe(folder)
    with contextlib.chdir(folder):
        train_all()
    return folder


@pytest.fixture
def runs(trained, tmp_path, monkeypatch):
    """A copy of them, to be changed."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def train_all():
    assert main(["train", "r.yaml", "name=first", "data.split.test_speakers=[s03]"]) == 0
    assert main(["train", "r.yaml", "name=other", "classical.model={name: svm_linear, c: 0.5}"]) == 0
    assert main(["train", "r.yaml", "name=seeds", "train.seed=[1,2]", "classical.model=lda"]) == 0
    assert main(["benchmark", "r.yaml", "name=fair"]) == 0
    Path("runs/begun").mkdir()
    Path("runs/begun/config.yaml").write_text("name: begun\n")


def board(*words):
    return main(["leaderboard", *words])


class Page(HTMLParser):
    """The cells of a page's table, and what it takes from elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.elsewhere = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elsewhere += [value for key, value in attrs if key in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_all_runs_beside_each_other(runs, capsys):
    capsys.readouterr()
    assert board("--sort", "name") == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told[1:5]] == ["first", "other", "seeds/seed_1", "seeds/seed_2"]
    assert told[1].endswith("(the base)"), "the first that was begun"
    kept = pd.read_csv("runs/leaderboard.csv", keep_default_na=False).set_index("run")
    scores = json.loads(Path("runs/first/scores.json").read_text())
    assert float(kept.loc["first", "dev"]) == pytest.approx(scores["dev"]["macro_f1"])
    assert float(kept.loc["first", "test_low"]) == pytest.approx(scores["test"]["macro_f1_interval"]["low"])
    assert kept.loc["other", "test"] == ""
    fair = pd.read_csv("runs/fair/table.csv")["macro_f1"][0]
    assert float(kept.loc["first", "disjoint"]) == pytest.approx(fair)
    assert kept.loc["first", "disjoint_protocol"] == "fair: loso"
    assert kept.loc["other", "disjoint"] == "", "the benchmark is of another recipe"
    changes = kept.loc["other", "changes"]
    assert "classical.model.name=svm_linear" in changes
    assert "classical.model.c=0.5" in changes
    assert "data.split.test_speakers=[]" in changes
    page = Page(Path("runs/leaderboard.html").read_text())
    assert not page.elsewhere, "it needs nothing else"
    assert len(page.rows) == 5
    assert [row[0] for row in page.rows[1:]] == list(kept.index)
    assert "fair: loso" in page.rows[1][3]
    rows = Path("runs/leaderboard.md").read_text().splitlines()
    assert rows[1] == "|:--|:--|:--|:--|:--|:--|"
    assert rows[2].startswith("| first |")


def test_another_base_and_the_best_first(runs, capsys):
    capsys.readouterr()
    assert board("--base", "other", "-o", "elsewhere") == 0
    kept = pd.read_csv("elsewhere/leaderboard.csv", keep_default_na=False)
    assert kept["dev"].astype(float).is_monotonic_decreasing
    assert kept.set_index("run").loc["other", "changes"] == ""
    assert board("--sort", "disjoint") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-5].split()[0] == "first", "those without such a score come last"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--base", "nobody"], "--base nobody: no such finished run; there are first, other"),
        (["--sort", "f1"], "unknown --sort 'f1'; known: dev, test, disjoint, name"),
        (["nowhere"], "no folder nowhere"),
        (["runs/begun"], "holds no finished run"),
    ],
)
def test_what_cannot_be_shown(runs, capsys, words, message):
    assert board(*words) == 2
    assert message in capsys.readouterr().err


def test_a_run_of_another_version_is_left_out(runs, capsys):
    path = Path("runs/other/config.yaml")
    path.write_text(path.read_text() + "colour: red\n")
    assert board() == 0
    assert "note: runs/other is left out" in capsys.readouterr().err
    assert "other" not in pd.read_csv("runs/leaderboard.csv")["run"].tolist()


def test_what_was_submitted_and_where_it_comes_from(challenge, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = f"data: {{corpus: emospeech2024, root: {challenge}}}\nsystem: classical\nclassical: {{features: [tfidf]}}\n"
    Path("t.yaml").write_text(text)
    assert main(["train", "t.yaml", "train.seed=3"]) == 0
    test = str(challenge / "EmoSPeech_phase_2_test_public.csv")
    assert main(["submit", "runs/t", "--test", test, "-o", "submissions/one.csv"]) == 0
    told = json.loads(Path("submissions/one.json").read_text())
    assert re.fullmatch(r"[0-9a-f]{64}", told["test"]["sha256"])
    run = told["tasks"]["label"]
    assert (run["run"], run["seed"]) == ("runs/t", 3)
    assert run["scores"]["dev"]["macro_f1"] == json.loads(Path("runs/t/scores.json").read_text())["dev"]["macro_f1"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", run[name]) for name in ("recipe_sha256", "rows_sha256"))
    assert main(["predict", "runs/t", test, "-o", "p.csv"]) == 0
    assert main(["submit", "p.csv", "--test", test, "-o", "submissions/two.csv"]) == 0
    told = json.loads(Path("submissions/two.json").read_text())["tasks"]["label"]
    assert told["predictions"] == "p.csv"
    assert Path("submissions/two.csv").read_bytes() == Path("submissions/one.csv").read_bytes()
    assert board() == 0
    assert pd.read_csv("runs/leaderboard.csv")["submissions"].tolist() == ["one.csv"]
    Path("submissions/three.json").write_text("{}")
    assert main(["submit", "runs/t", "--test", test, "-o", "submissions/three.csv"]) == 2
    assert "three.json" in capsys.readouterr().err


def test_a_score_is_given_twice(folder, capsys):
    """Over all dev clips, and over those of speakers that training has not heard; a draw by clips has few of those."""
    text = Path("r.yaml").read_text().replace("root: ", "split: {disjoint: none, dev_fraction: 0.4}, root: ")
    frame = pd.read_csv("corpus/metadata.csv")
    frame.loc[frame.index % 4 == 0, "speaker"] = [f"alone{k}" for k in range(6)]
    frame.to_csv("corpus/metadata.csv", index=False)
    Path("mixed.yaml").write_text(text)
    assert main(["train", "mixed.yaml"]) == 0
    out = capsys.readouterr().out.splitlines()
    scores = json.loads(Path("runs/mixed/scores.json").read_text())["dev"]
    split = pd.read_csv("runs/mixed/split.csv").merge(frame, left_on="id", right_on="file_name")
    heard = set(split["speaker"][split["split"] == "train"])
    new = split[(split["split"] == "dev") & ~split["speaker"].isin(heard)]
    assert 0 < len(new) < scores["count"]
    assert scores["unseen"]["count"] == len(new)
    assert out[2].startswith("  new speakers macro-F1 ")
    assert out[2].endswith(f"   {len(new)} clips")
    # as the rows of a benchmark, under the same split and under folds by clip
    Path("mixed.yaml").write_text(f"{text}  \n".replace("{loso: {kind: loso}}", "{own: {kind: split}, k: {by: none}}"))
    assert main(["benchmark", "mixed.yaml", "name=b"]) == 0
    table = pd.read_csv("runs/b/table.csv").set_index("protocol")
    assert table.loc["own", "new_rows"] == len(new)
    assert table.loc["own", "new_macro_f1"] == pytest.approx(scores["unseen"]["macro_f1"])
    assert 0 < table.loc["k", "new_rows"] < table.loc["k", "rows"]
    told = capsys.readouterr().out
    assert f"({len(new)})" in told
    assert "chance  new speakers" in told
