"""`emospeech benchmark` as typed: what it leaves, how it goes on, what it refuses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.experiments.protocols import pictures
from emospeech.runtime.locks import locked

from ..conftest import interrupt_after, rows_of

DRAW = pictures.draw
TWO = "benchmark.rows={lr: {}, 'a svm': {classical.model: svm_linear}}"


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Figures take as long as all else; those who look at them give `DRAW` back."""
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


def benchmark(*arguments):
    return main(["benchmark", "r.yaml", *arguments])


def files(run="runs/r", without=("environment.json", "fold.json", "scores.json", "table.csv")):
    """What a benchmark left, but for what tells the time."""
    found = sorted(path for path in Path(run).rglob("*") if path.is_file() and path.suffix != ".png")
    hidden = [path for path in found if path.name.startswith(".") or path.name in without]
    return {str(path.relative_to(run)): path.read_bytes() for path in found if path not in hidden}


def test_what_it_leaves_and_prints(folder, capsys, monkeypatch):
    monkeypatch.setattr(pictures, "draw", DRAW)
    assert benchmark(TWO, "--json", "out.json") == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "loso: 24 rows tested, 4 folds"
    assert [line.split()[0] for line in said.out.splitlines()[2:4]] == ["lr", "a"]
    assert said.out.splitlines()[-1] == "benchmark: runs/r"
    run = Path("runs/r")
    assert {path.name for path in run.iterdir() if not path.name.startswith(".")} == {
        "config.yaml", "environment.json", "loso", "table.csv", "table.md", "table.tex",
        "folds.csv", "scores.json", "figures",
    }  # fmt: skip
    assert {path.name for path in (run / "loso").iterdir()} == {"folds.csv", "lr", "a svm"}
    assert sorted(path.name for path in (run / "loso/lr").iterdir()) == ["predictions.csv", "s00", "s01", "s02", "s03"]
    frame = pd.read_csv(run / "loso/lr/predictions.csv", dtype=str)
    truth = pd.read_csv("corpus/metadata.csv").set_index("file_name").loc[frame["id"], "label"].tolist()
    assert sorted(frame["id"]) == [f"{k:03d}.wav" for k in range(24)]
    (scores, _), told = json.loads((run / "scores.json").read_text()), json.loads(Path("out.json").read_text())
    assert scores == told[0]
    assert scores["pooled"][0]["macro_f1"] == pytest.approx(f1_score(truth, frame["label"], average="macro"))
    assert scores["pooled"][0]["macro_f1"] == 1.0, "the words tell the emotion"
    assert not (run / ".claims").exists()


def test_a_recipe_without_the_section_is_compared_with_nothing(folder):
    text = Path("r.yaml").read_text()
    Path("r.yaml").write_text(text[: text.index("benchmark:")])
    assert benchmark("benchmark.protocols.mine.kind=k-fold", "benchmark.protocols.mine.folds=3") == 0
    assert pd.read_csv("runs/r/mine/folds.csv")["fold"].nunique() == 3
    assert pd.read_csv("runs/r/table.csv")["system"].tolist() == ["r"]


def test_every_fold_starts_from_scratch(folder, recorder):
    assert benchmark("benchmark.protocols.loso.seeds=[0,1]") == 0
    fitted = [made for made in recorder.made if made.fits]
    assert [len(made.fits) for made in fitted] == [1] * 8, "no system is fitted twice"
    for made in fitted:
        ((train, _),), (tested,) = made.fits, made.predicted
        assert not set(train) & set(tested)
        assert len(train) + len(tested) == 24
    assert [made.recipe.train.seed for made in fitted] == [0] * 4 + [1] * 4
    (one,) = json.loads(Path("runs/r/scores.json").read_text())
    assert len(one["pooled"]) == 2
    assert pd.read_csv("runs/r/loso/r/predictions.csv").groupby("seed").size().tolist() == [24, 24]


def test_interrupted_and_resumed_is_as_if_never(folder, monkeypatch, capsys):
    assert benchmark(TWO, "name=whole") == 0
    with monkeypatch.context() as patch:
        interrupt_after(3, patch)
        assert benchmark(TWO, "name=r") == 1
    assert len(list(Path("runs/r").rglob("s*/predictions.csv"))) == 3
    assert benchmark(TWO, "name=r") == 2
    assert "continue it with --resume" in capsys.readouterr().err
    before = {path: path.stat().st_mtime_ns for path in Path("runs/r").rglob("s*/predictions.csv")}
    assert benchmark(TWO, "name=r", "--resume") == 0
    assert all(path.stat().st_mtime_ns == then for path, then in before.items()), "what was done is not done again"
    resumed, whole = files("runs/r"), files("runs/whole")
    assert resumed.pop("config.yaml") != whole.pop("config.yaml")
    assert resumed == whole
    assert len(json.loads(Path("runs/r/environment.json").read_text())) == 2


def command(*arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.Popen(
        [sys.executable, "-m", "emospeech", "benchmark", "r.yaml", *arguments],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def begun(said):
    """The units that a process began, by what it said."""
    return [line for line in said.splitlines() if line.startswith("-- ")]


@pytest.mark.slow
def test_killed_and_worked_off_by_two_at_once(folder, write):
    """SIGKILL leaves no claim behind; those who join later do what is left, nothing twice."""
    write(rows=list(rows_of(speakers=24)))
    killed = command(TWO)
    deadline = time.monotonic() + 60
    while len(done := list(Path("runs/r").rglob("s*/predictions.csv"))) < 5:
        assert time.monotonic() < deadline
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    before = set(Path("runs/r").rglob("s*/predictions.csv"))
    assert set(done) <= before
    both = [command(TWO, "--resume") for _ in range(2)]
    said = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    units = [line for _, err in said for line in begun(err)]
    assert len(units) == len(set(units)) == 48 - len(before)
    tables = [[line for line in out.splitlines() if line] for out, _ in said]
    assert tables[0] == tables[1]


@pytest.mark.slow
def test_workers_share_the_folds_and_change_no_number(folder):
    assert benchmark(TWO, "name=one") == 0
    assert benchmark(TWO, "name=two", "benchmark.workers=2") == 0
    one, two = files("runs/one"), files("runs/two")
    assert one.pop("config.yaml") != two.pop("config.yaml")
    assert one == two
    assert benchmark(TWO, "name=two", "--resume") == 0, "who goes on may have more or fewer workers"


def test_quick_and_then_the_rest(folder, capsys):
    quick = "benchmark.quick=[a svm]"
    assert benchmark(TWO, quick, "--quick") == 0
    assert pd.read_csv("runs/r/table.csv")["system"].tolist() == ["a svm"]
    assert not Path("runs/r/loso/lr").exists()
    assert benchmark(TWO, quick, "--resume") == 0
    assert len(begun(capsys.readouterr().err)) == 4 + 4
    assert pd.read_csv("runs/r/table.csv")["system"].tolist() == ["lr", "a svm"]
    assert benchmark(TWO, "name=x", "--quick") == 2
    assert "--quick: the recipe names no quick rows; name them in benchmark.quick" in capsys.readouterr().err


def test_another_recipe_or_corpus_is_no_resumption(folder, write, capsys):
    assert benchmark() == 0
    assert benchmark("classical.model=lda", "--resume") == 2
    assert "started with another recipe" in capsys.readouterr().err
    write(rows=list(rows_of(speakers=5)))
    assert benchmark("--resume") == 2
    assert "the corpus is no longer the one that runs/r was started on" in capsys.readouterr().err
    assert benchmark("--overwrite") == 0
    assert pd.read_csv("runs/r/loso/folds.csv")["fold"].nunique() == 5


def test_nothing_is_overwritten_while_somebody_works_there(folder, capsys):
    assert benchmark() == 0
    before = files()
    with locked(Path("runs/r/.lock"), shared=True) as held:
        assert held
        assert benchmark("--overwrite") == 2
        assert "another process is working in runs/r" in capsys.readouterr().err
        assert files() == before
        assert benchmark("--resume") == 0, "those who join share it"
    assert benchmark("--overwrite", "--resume") == 2
    Path("there.json").touch()
    assert benchmark("--resume", "--json", "there.json") == 2


def test_a_damaged_file_is_named_and_done_again(folder, capsys):
    assert benchmark() == 0
    before = files()
    Path("runs/r/loso/r/s01/predictions.csv").write_text("id,label\n")
    assert benchmark("--resume") == 1
    err = capsys.readouterr().err
    assert "runs/r/loso/r/s01/predictions.csv is damaged: it has no column fold" in err
    assert "remove the folder runs/r/loso/r/s01 and go on with --resume" in err
    Path("runs/r/loso/r/s01/predictions.csv").unlink()
    assert benchmark("--resume") == 0
    assert files() == before


def test_faults_of_the_folds_leave_no_folder_behind(folder, write, capsys):
    """The recipe is mended and run again, without --overwrite."""
    write(rows=[{key: value for key, value in row.items() if key != "speaker"} for row in rows_of()])
    assert benchmark() == 2
    assert "protocol loso: no row has a speaker, so none can be left out; choose k-fold" in capsys.readouterr().err
    assert benchmark("benchmark.protocols.loso.kind=k-fold") == 0


def test_systems_of_different_labels(folder, capsys):
    assert benchmark("benchmark.rows={a: {}, b: {data.label_map: {neutral: null}}}") == 0
    out = capsys.readouterr().out
    assert "note: these systems tell different classes apart, so their scores are not comparable" in out
    assert pd.read_csv("runs/r/table.csv")[["rows", "classes"]].to_numpy().tolist() == [[24, 3], [16, 2]]


def test_a_class_of_one_speaker_is_told(folder, write, capsys):
    rows = list(rows_of())
    rows[7]["label"] = "fear"
    write(rows=rows)
    assert benchmark() == 0
    assert "note: s01: no row of fear trains, though it is tested" in capsys.readouterr().out


def test_a_mixture_in_all_its_protocols(folder, write, capsys):
    """Gender is told beside emotion and alone; the corpora tell languages that are each their own."""
    parts = [
        {
            "corpus": "audiofolder",
            "name": name,
            "root": str(write(name, rows=[{**row, "language": name} for row in rows])),
        }
        for name, rows in (("de", list(rows_of())), ("es", list(rows_of(speakers=3, prefix="t"))))
    ]
    Path("r.yaml").write_text(
        f"data: {{mixture: {parts}, tasks: [gender, language]}}\nsystem: classical\nclassical: {{features: [tfidf]}}\n"
        "benchmark:\n"
        "  protocols: {k: {folds: 3}, cross: {kind: cross-corpus, folds: 3}, out: {kind: leave-one-corpus-out}}\n"
        "  rows:\n    multi: {}\n    gender alone: {data.target: gender, data.tasks: []}\n"
        "    which corpus: {data.target: corpus, data.tasks: []}\n",
        encoding="utf-8",
    )
    assert benchmark() == 0
    out = capsys.readouterr().out.splitlines()
    at = out.index("k, gender: 42 rows tested, 3 folds")
    assert [line.split()[:1] for line in out[at + 2 : at + 8]] == [["multi"], ["gender"]] * 3
    assert "language, or only the corpus?" in out
    assert "  every corpus has one language alone, so language cannot be told from corpus here" in out
    assert any(line.startswith("  k, which corpus: corpus told with accuracy") for line in out)
    assert "note: which corpus: left out, as no fold trains what it tests" in out
    pairs = pd.read_csv("runs/r/cross_corpus.csv")
    label = pairs[(pairs["system"] == "multi") & (pairs["task"] == "label")]
    assert label[["protocol", "trained_on", "tested_on", "macro_f1"]].to_numpy().tolist() == [
        ["cross", "de", "es", 1.0], ["cross", "es", "de", 1.0], ["cross", "de", "de", 1.0], ["cross", "es", "es", 1.0],
        ["out", "the others", "de", 1.0], ["out", "the others", "es", 1.0],
    ]  # fmt: skip
    assert label["ceiling_macro_f1"].tolist() == [1.0] * 6
    assert any("not asked for language, as fewer than two of its classes train" in line for line in out)
