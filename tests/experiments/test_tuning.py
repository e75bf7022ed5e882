"""`emospeech tune` as typed: trials on inner folds of the training rows, what is written, what is refused."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.config import load, recipes_folder
from emospeech.experiments.protocols import pictures
from emospeech.experiments.tuning import report
from emospeech.runtime.errors import Interrupted
from emospeech.systems.build import load_tuning
from emospeech.systems.checks import CHECKS
from emospeech.systems.tuning import Part, drawing
from emospeech.systems.tuning.points import point

from .conftest import EMOTIONS

SPACE = """
trials: 5
round: 3
space:
  classical.model.c: {low: 0.01, high: 100.0, log: true}
  classical.features.0.words: [[1, 1], [1, 2]]
"""


def words(count=72, speakers=6):
    """Clips whose words tell their emotion half of the time, so that trials differ."""
    draw = np.random.default_rng(0)
    for k in range(count):
        label = EMOTIONS[k % len(EMOTIONS)]
        told = [label if draw.random() < 0.3 else str(draw.choice(EMOTIONS)) for _ in range(4)]
        yield {"label": label, "speaker": f"s{k * speakers // count}", "transcription": " ".join(told)}


@pytest.fixture
def here(folder, write, monkeypatch):
    """A working folder with a recipe r.yaml and a space s.yaml."""
    monkeypatch.setattr(report, "_draw", lambda *_: None)
    monkeypatch.setattr(pictures, "draw", lambda *_: None)
    root = write("words", list(words()))
    Path("r.yaml").write_text(
        f"data: {{corpus: audiofolder, root: {root}, split: {{dev_speakers: [s4], test_speakers: [s5]}}}}\n"
        "system: classical\n"
        "classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}\n"
    )
    Path("s.yaml").write_text(SPACE, encoding="utf-8")
    return folder


def tune(*arguments, space="s.yaml"):
    return main(["tune", "r.yaml", space, *arguments])


def files(run="runs/r-s"):
    """All that a search decides; seconds are of the day."""
    root = Path(run)
    found = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.glob("tuning/*/*.csv"))}
    return found | {
        "trials": pd.read_csv(root / "trials.csv").drop(columns="seconds").to_csv(),
        "best": (root / "best.yaml").read_bytes(),
    }


def test_a_search_from_the_command_to_a_recipe_that_trains(here, capsys):
    assert tune() == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "6 trials on 3 inner folds of 48 training rows"
    trials = pd.read_csv("runs/r-s/trials.csv", keep_default_na=False)
    assert trials["trial"].tolist() == [1, 2, 3, 4, 5, 6]
    corpus = pd.read_csv("words/metadata.csv").rename(columns={"file_name": "id"})
    for _, one in trials.iterrows():
        parts = Path(f"runs/r-s/tuning/trial_{one['trial']:03d}").glob("*.csv")
        found = pd.concat([pd.read_csv(path, dtype={"id": str}) for path in parts]).merge(
            corpus.astype({"id": str}), on="id"
        )
        assert len(found) == 48
        assert not set(found["speaker"]) & {"s4", "s5"}, "dev and test have no say"
        assert one["macro_f1"] == pytest.approx(f1_score(found["label_y"], found["label_x"], average="macro"))
    best = trials[trials["best"]].iloc[0]
    for name, number in (("best", best["trial"]), ("as_it_is", 1)):
        answers = pd.read_csv(f"runs/r-s/{name}_predictions.csv", dtype={"id": str}).merge(corpus, on="id")
        assert len(answers) == 48
        score = f1_score(answers["label_y"], answers["label_x"], average="macro")
        assert score == pytest.approx(trials.set_index("trial").loc[number, "macro_f1"])
        assert answers.groupby("speaker")["fold"].nunique().eq(1).all()
    assert best["macro_f1"] == trials["macro_f1"].max()
    recipe = load("runs/r-s/best.yaml")
    assert recipe.tune is None
    if best["trial"] > 1:
        assert recipe.classical.model.options["c"] == float(best["classical.model.c"])
    assert told[-1].endswith("emospeech train runs/r-s/best.yaml")
    assert main(["train", "runs/r-s/best.yaml"]) == 0
    assert Path("runs/r-s-best/scores.json").exists()
    kept = json.loads(Path("runs/r-s/search.json").read_text())
    assert kept["best"]["trial"] == best["trial"]
    assert kept["chosen_on_other_folds"]["macro_f1"] <= kept["best"]["macro_f1"] + 0.05
    assert f"{kept['chosen_on_other_folds']['macro_f1']:.4f}" in told[-2]


def test_stopped_resumed_joined_and_in_tasks_of_an_array_it_is_the_same(here, monkeypatch, capsys):
    Path("s.yaml").write_text(
        SPACE.replace("trials: 5", "trials: 3").replace("round: 3", "round: 2")
    )  # two rounds still
    assert tune() == 0
    whole = files()
    run, left = Part.run, [7]

    def interrupted(self):
        if not left[0]:
            raise Interrupted("stopped")
        left[0] -= 1
        run(self)

    with monkeypatch.context() as patch:
        patch.setattr(Part, "run", interrupted)
        assert tune("name=stopped") == 1
    assert tune("name=stopped") == 2, "never overwritten unasked"
    assert tune("name=stopped", "--resume") == 0
    assert tune("name=workers", "benchmark.workers=2") == 0
    assert tune("name=tasks", "--collect") == 2
    assert tune("name=tasks", "--share") == 0
    assert "all 12 units are done" in capsys.readouterr().out
    assert tune("name=tasks", "--collect", "--json=found.json") == 0
    for name in ("stopped", "workers", "tasks"):
        own = files(f"runs/{name}")
        own["best"] = own["best"].replace(f"name: {name}-best".encode(), b"name: r-s-best")
        assert own == whole
    assert json.loads(Path("found.json").read_text())["rows"] == 48


def test_collected_before_its_end_it_names_what_is_missing(here, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Part, "run", lambda self: (_ for _ in ()).throw(Interrupted("stopped")))
        assert tune() == 1
    assert tune("--collect") == 1
    told = capsys.readouterr().err
    assert "18 of 18 units are missing" in told
    assert "trial 6, inner fold 3" in told


def test_a_grid_is_tried_whole(here, capsys):
    Path("s.yaml").write_text("grid: {classical.model.c: [0.1, 10.0], classical.normalise: [corpus, speaker]}\n")
    assert tune("tune.folds=2") == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "4 trials on 2 inner folds of 48 training rows"
    assert " to as it is" not in told[-2], "there is no such trial"
    trials = pd.read_csv("runs/r-s/trials.csv")
    assert trials["classical.model.c"].tolist() == [0.1, 0.1, 10.0, 10.0]
    assert trials["classical.normalise"].tolist() == ["corpus", "speaker"] * 2


def test_a_search_and_its_nested_estimate_have_folders_of_their_own(here, capsys):
    assert tune("tune.trials=1", "name=one") == 0
    assert tune("tune.trials=1", "name=one", "--nested", "--resume") == 2
    assert "tune" in capsys.readouterr().err


def test_what_tuning_gains_is_told_on_folds_that_had_no_say(here, capsys):
    assert tune("--nested", "tune.trials=2", "benchmark.protocols={three: {kind: k-fold, folds: 3}}") == 0
    table = pd.read_csv("runs/r-s-nested/table.csv").set_index("system")
    assert list(table.index) == ["as it is", "tuned"]
    assert table.loc["tuned", "rows"] == 72
    gained = table.loc["tuned", "macro_f1"] - table.loc["as it is", "macro_f1"]
    assert table.loc["tuned", "macro_f1_to_base"] == pytest.approx(gained)
    folds = [json.loads(path.read_text()) for path in Path("runs/r-s-nested/three/tuned").glob("*/fold.json")]
    assert [len(one["inner_macro_f1"]) for one in folds] == [3, 3, 3], "each outer fold has a search of its own"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("space: {classical.model.cc: {low: 1, high: 2}}", "(?s)space s.yaml: .*unknown option cc"),
        ("space: {}", "space s.yaml: tune.space: it is empty"),
        ("trials: 3", "space s.yaml: 1 fault\n  - should have a grid or a space"),
        ("spaces: {a: [1]}", "spaces: unknown key; did you mean space"),
        ("space: {data.root: [a]}", "data.root cannot be tuned"),
        ("[1]", "is not a space"),
        ("space: {classical.model.c: {low: 2, high: 1}}", "low should be below high"),
    ],
)
def test_spaces_that_cannot_be_searched(here, capsys, space, message):
    Path("s.yaml").write_text(space, encoding="utf-8")
    assert tune() == 2
    assert re.search(message, capsys.readouterr().err), message
    assert not Path("runs").exists()


def test_a_space_that_is_not_there_and_keys_of_it_on_the_command_line(here, capsys):
    assert tune(space="nothing.yaml") == 2
    assert "no space nothing.yaml; the shipped ones are under" in capsys.readouterr().err
    assert tune("tune.trial=3") == 2
    assert "trial: unknown key; did you mean trials?" in capsys.readouterr().err


SPACES = {"text_classical": "classical_text", "functionals": "classical_speech", "fusion": "xlsr_roberta"}


def test_every_shipped_space_has_its_recipe():
    assert {path.stem for path in (recipes_folder() / "spaces").glob("*.yaml")} == set(SPACES)


@pytest.mark.parametrize(("space", "recipe"), list(SPACES.items()))
def test_shipped_spaces_fit_their_recipes(space, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("emospeech2024", "es_acted"):
        Path(f"data/{name}").mkdir(parents=True)
    asked = load_tuning(recipes_folder() / f"{recipe}.yaml", recipes_folder() / "spaces" / f"{space}.yaml")
    assert asked.name == f"{recipe}-{space}"
    drawn = drawing.drawn(asked.rows["tuned"].tune, [], 12)
    for changes in drawn:
        point(asked.rows["tuned"], changes, CHECKS)
