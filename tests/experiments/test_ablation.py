"""`emospeech ablate` as typed: rows out of a grid, one table beside the base, what is refused before any work."""

import json
import math
import re
import statistics
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.experiments.protocols import pictures
from emospeech.experiments.protocols.units import Unit
from emospeech.metrics.differences import difference
from emospeech.runtime.errors import UserError
from emospeech.systems.build import load_ablation

from .conftest import interrupt_after

GRIDS = {
    "modalities": ["xlsr_roberta", "demo"],
    "fusion_pooling": ["xlsr_roberta", "demo"],
    "tfidf": ["classical_text"],
    "two_stage": ["xlsr_roberta", "demo", "text_only_scratch"],
}  # shipped grid -> recipes that it is for
TWO = "axes: {classical.model: [logistic_regression, lda]}\nseeds: [0, 1]\n"
TINY = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 16, bands: 16, channels: [4, 8]}, crop_seconds: 0.5, augment: {}}
text: {encoder: subword_transformer, options: {width: 16, vocabulary: 120, depth: 1, heads: 2}}
model: {head: {blocks: 1, width: 16}}
train: {epochs: 2, batch_size: 8, optimizer: {lr: 0.01}}
"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Figures take as long as all else."""
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


def ablate(*arguments, grid="g.yaml", recipe="r.yaml"):
    return main(["ablate", recipe, grid, *arguments])


def write_grid(text, name="g.yaml"):
    Path(name).write_text(text, encoding="utf-8")


def rows_of_grid(text, recipe="r.yaml", overrides=()):
    write_grid(text)
    return load_ablation(recipe, "g.yaml", overrides)


# -- what a grid says ----------------------------------------------------------------------------------------------


@pytest.fixture
def both(tmp_path, monkeypatch):
    """A folder with a recipe r.yaml that hears and reads."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus").mkdir()
    Path("r.yaml").write_text(TINY.replace("ROOT", "corpus"), encoding="utf-8")


def test_the_product_of_axes_in_names_of_folders(both):
    asked = rows_of_grid(
        "axes:\n"
        "  modalities: {both: {}, speech: {text: null}, text: {speech: null}}\n"
        "  model.pooling: [attention, {name: multi_head, heads: 4}]\n"
        "  train.epochs: [2, 3]\n"
        "drop: [{modalities: [speech, text], model.pooling: multi_head heads=4}, {train.epochs: 3, modalities: text}]\n"
        "rows: {a wider head: {model.head.width: 32}}\n"
        "seeds: [4, 5]\n"
    )
    assert list(asked.rows) == [
        "both, attention, epochs=2", "both, attention, epochs=3",
        "both, multi_head heads=4, epochs=2", "both, multi_head heads=4, epochs=3",
        "speech, attention, epochs=2", "speech, attention, epochs=3", "text, attention, epochs=2", "a wider head",
    ]  # fmt: skip
    assert (asked.name, asked.benchmark.base) == ("r-g", "both, attention, epochs=2")
    last = asked.rows["both, multi_head heads=4, epochs=3"]
    assert (last.model.pooling.name, last.model.pooling.options, last.train.epochs) == ("multi_head", {"heads": 4}, 3)
    assert asked.rows["speech, attention, epochs=3"].text is None
    assert asked.rows["a wider head"].model.head.width == 32
    (protocol,) = asked.benchmark.protocols.values()
    assert (protocol.kind, protocol.seeds) == ("split", [4, 5])


def test_values_that_two_axes_share_are_told_with_their_keys(both):
    text = "axes: {speech.crop_seconds: [1.0, 2.0], text.max_tokens: [32], train.precision: [fp32, bf16]}\n"
    assert list(rows_of_grid(text).rows)[:2] == [
        "crop_seconds=1.0, max_tokens=32, fp32", "crop_seconds=1.0, max_tokens=32, bf16",
    ]  # fmt: skip
    text = "axes: {model.head.dropout: [0.1], model.dropout: [0.1], model.fusion: [late, gated], name it: {late: {}}}\n"
    assert list(rows_of_grid(text).rows)[1] == "model.head.dropout=0.1, model.dropout=0.1, fusion=gated, late"


def test_what_one_axis_takes_away_no_other_brings_back(both):
    text = (
        "axes: {modalities: {both: {}, speech: {text: null}}, text.max_tokens: [32, 64]}\n"
        "drop: [{modalities: speech, text.max_tokens: 64}]\n"
    )
    assert rows_of_grid(text).rows["speech, max_tokens=32"].text is None
    with pytest.raises(UserError, match=r"'speech, max_tokens=64' is the same system as 'speech, max_tokens=32'"):
        rows_of_grid(text.splitlines()[0])


def test_names_seeds_and_protocols(both):
    write_grid("axes: {model.pooling: [attention, mean]}\nname: poolings\n")
    assert load_ablation("r.yaml", "g.yaml").name == "r-poolings"
    asked = load_ablation("r.yaml", "g.yaml", ["name=mine", "train.seed=[3,4]", "benchmark.protocols.k.folds=3"])
    (protocol,) = asked.benchmark.protocols.values()
    assert (asked.name, protocol.kind, protocol.folds, protocol.seeds) == ("mine", "k-fold", 3, [3, 4])
    assert {recipe.train.seed for recipe in asked.rows.values()} == {3}
    with pytest.raises(UserError, match=r"r\.yaml probes layers, which `emospeech benchmark` does"):
        load_ablation("r.yaml", "g.yaml", ["benchmark.layerwise.encoders=[facebook/hubert-base-ls960]"])


def test_every_fault_of_a_grid_at_once(both, capsys):
    write_grid(
        "axis: {}\n"
        "axes:\n"
        "  modalities: {both: {}, speech: {txt: null}, text: {speech: null}}\n"
        "  model.poling: [attention, mean, mean]\n"
        "  model.fusion: [sequence, gatd]\n"
        "drop: [{modalites: speech}, {model.fusion: gates}]\n"
        "rows: {a: {train.epoch: 2}, 'both, attention, sequence': {}}\n"
        "seeds: [1, x]\n"
    )
    assert ablate() == 2
    told = capsys.readouterr().err
    assert told.splitlines()[0] == "error: grid g.yaml: 9 faults"
    for line in (
        "axis: unknown key; did you mean axes?",
        "seeds.1: should be a whole number, got 'x'",
        "axes.model.poling: mean is there twice",
        "axes.model.poling: unknown key; did you mean pooling?",
        "axes.model.fusion: unknown fusion 'gatd'; known: sequence, concat,",
        "axes.modalities.speech: txt: unknown key; did you mean text?",
        "drop.0.modalites: no such axis; did you mean modalities?",
        "drop.1.model.fusion: no value gates; did you mean gatd?",
        "rows.a: train.epoch: unknown key; did you mean epochs?",
    ):
        assert f"  - {line}" in told
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "is empty; give it axes, or rows"),
        ("axes: {model.pooling: []}", r"axes\.model\.pooling: is empty; give it values"),
        ("axes: {model.pooling: mean}", r"model\.pooling: should be a list of values of that key, or changes under"),
        ("axes: {model.pooling: [mean]}\nrows: {mean: {}}", "two rows would be called 'mean'"),
        ("axes: {a: {x: {}, y: {text: null}}}\ndrop: [{a: [x, y]}]", "drop: leaves no row"),
        ("axes: {a: {x: {}, y: {text: null}}}\ndrop: [{a: x}]", r"drop: takes away the base \(x: the first"),
        ("axes: {a: {x/y: {}}}", "'x/y' is no name of a folder"),
        ("axes: {a: {x: {train.epochs: 1}}, train.epochs: [1, 2]}", "train.epochs is set twice: by axes.a.x and"),
        ("axes: {a: {x: {model.fusion: late}}, model.fusion.weights: [learned]}", "both are set: model.fusion by"),
        ("rows: {a: {}, b: {train: {epochs: 2}}}", "'b' is the same system as 'a'; leave one out"),
        ("[1]", r"g\.yaml is not a grid: its top level must be keys and values"),
    ],
)  # fmt: skip
def test_grids_that_say_nothing_or_too_much(both, text, message):
    with pytest.raises(UserError, match=message):
        rows_of_grid(text)


def test_faults_of_the_recipe_are_told_as_its_own(both, capsys):
    write_grid("axes: {model.pooling: [attention, meen]}")
    assert ablate("data.root=nowhere") == 2
    told = capsys.readouterr().err
    assert told.splitlines()[:2] == [
        "error: recipe r.yaml: 1 fault",
        "  - data.root: no folder 'nowhere'; give the corpus's folder as data.root=…",
    ]
    assert "grid g.yaml: 1 fault\n  - axes.model.pooling: unknown pooling 'meen'" in told
    assert ablate(grid="no.yaml") == 2
    assert f"no grid no.yaml; the shipped ones are under {recipes_folder() / 'grids'}" in capsys.readouterr().err


def test_every_shipped_grid_has_its_recipes():
    assert {path.stem for path in (recipes_folder() / "grids").glob("*.yaml")} == set(GRIDS)


@pytest.mark.parametrize(("grid", "recipe"), [(grid, recipe) for grid, those in GRIDS.items() for recipe in those])
def test_shipped_grids_fit_their_recipes(grid, recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data/emospeech2024").mkdir(parents=True)
    asked = load_ablation(recipes_folder() / f"{recipe}.yaml", recipes_folder() / "grids" / f"{grid}.yaml")
    assert asked.name == f"{recipe}-{grid}"
    assert asked.benchmark.base == next(iter(asked.rows))


def test_the_grid_of_the_page(both):
    page = (recipes_folder().parent / "docs" / "ablations.md").read_text(encoding="utf-8")
    (grid,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    rows = rows_of_grid(grid).rows
    assert {"both, attention", "speech, multi_head heads=4", "a wider head"} <= set(rows)
    assert len(rows) == 3 * 3 - 2 + 1


# -- what it does --------------------------------------------------------------------------------------------------


def test_one_table_beside_the_base(folder, capsys):
    """Under the recipe's own protocol; what stands there is what the predictions give."""
    write_grid(
        "axes: {classical.model: [dummy, logistic_regression]}".replace("dummy", "svm_linear")
        + "\nrows: {blind: {data.label_map: {joy: neutral}}}"
    )
    assert ablate("--json", "all.json") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "benchmark: runs/r-g"
    assert out.splitlines()[1].split()[-6:] == ["base", "p", "trained", "s", "a", "fit"]
    table = pd.read_csv("runs/r-g/table.csv").set_index("system")
    assert list(table.index) == ["svm_linear", "logistic_regression", "blind"]
    truth = pd.read_csv("corpus/metadata.csv").set_index("file_name")["label"]
    own = {}
    for name in ("svm_linear", "logistic_regression"):
        frame = pd.read_csv(f"runs/r-g/loso/{name}/predictions.csv", dtype=str)
        own[name] = f1_score(truth.loc[frame["id"]], frame["label"], average="macro")
    apart = own["logistic_regression"] - own["svm_linear"]
    assert table["macro_f1_to_base"].tolist()[:2] == pytest.approx([0, apart])
    said = {
        name: pd.read_csv(f"runs/r-g/loso/{name}/predictions.csv", dtype=str).set_index("id")["label"] for name in own
    }
    ids = said["svm_linear"].index.tolist()
    sides = [[said[name].loc[ids].tolist()] for name in own]
    tested = difference(truth.loc[ids].tolist(), *sides, sorted(set(truth)))
    assert table["macro_f1_to_base_p"].tolist() == pytest.approx([math.nan, tested.p, math.nan], nan_ok=True)
    assert "| logistic_regression |" in Path("runs/r-g/table.md").read_text()
    assert r"\begin{tabular}" in Path("runs/r-g/table.tex").read_text()
    found = json.loads(Path("all.json").read_text())
    assert [one["contrast"] and one["contrast"]["p"] for one in found] == [None, pytest.approx(tested.p), None]


def untimed(out):
    """What is printed, without the last column and the folder."""
    return [re.sub(r" +[\d.]+$", "", line) for line in out.splitlines()[:-1]]


def test_its_config_is_a_benchmark_that_gives_the_same_table(folder, capsys):
    write_grid(TWO)
    assert ablate() == 0
    first = untimed(capsys.readouterr().out)
    assert main(["benchmark", "runs/r-g/config.yaml", "name=again"]) == 0
    assert untimed(capsys.readouterr().out) == first


def test_interrupted_and_resumed(folder, monkeypatch, capsys):
    write_grid(TWO)
    with monkeypatch.context() as patch:
        interrupt_after(5, patch)
        assert ablate() == 1
    assert ablate() == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert ablate("--resume") == 0
    begun = [line for line in capsys.readouterr().err.splitlines() if line.startswith("-- ")]
    assert len(begun) == 2 * 2 * 4 - 5, "rows, seeds, speakers"
    assert pd.read_csv("runs/r-g/table.csv")["seeds"].tolist() == [2, 2]


def test_it_scores_as_training_does(challenge, tmp_path, monkeypatch, capsys):
    """The recipe's own split: each row under each seed has the dev score of `emospeech train`."""
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(TINY.replace("ROOT", str(challenge)), encoding="utf-8")
    write_grid("axes: {modalities: {both: {}, text: {speech: null}}}\nseeds: [0, 3]\n")
    assert ablate() == 0
    table = pd.read_csv("runs/r-g/table.csv").set_index("system")
    for row, change in (("both", []), ("text", ["speech=null"])):
        assert main(["train", "r.yaml", "train.seed=[0,3]", f"name={row}", *change]) == 0
        scores = pd.read_csv(f"runs/{row}/seeds.csv")["dev_macro_f1"].tolist()
        assert table.loc[row, "macro_f1"] == pytest.approx(statistics.fmean(scores))
        assert table.loc[row, "macro_f1_seeds_std"] == pytest.approx(statistics.stdev(scores))
        one = pd.read_csv(f"runs/{row}/seed_0/dev_predictions.csv")
        own = pd.read_csv(f"runs/r-g/split/{row}/seed_0/dev/predictions.csv")
        pd.testing.assert_frame_equal(one, own.drop(columns="fold"))
    apart = table.loc["text", "macro_f1"] - table.loc["both", "macro_f1"]
    assert table["macro_f1_to_base"].tolist() == pytest.approx([0, apart])


def test_nothing_is_collected_of_what_was_not_begun(folder, capsys):
    write_grid(TWO)
    assert ablate("--collect", "name=nobody") == 2
    assert "runs/nobody has not been begun" in capsys.readouterr().err
    assert not Path("runs/nobody").exists()


# -- a share, and the table of all ---------------------------------------------------------------------------------


def test_shares_and_the_table_of_what_there_is(folder, monkeypatch, capsys):
    write_grid(TWO)
    run = Unit.run
    with monkeypatch.context() as patch:
        patch.setattr(Unit, "done", property(lambda self: self.row == "lda" and self.seed == 1))
        patch.setattr(Unit, "run", lambda self: None if self.row == "lda" and self.seed == 1 else run(self))
        assert ablate("--share") == 0
    assert "benchmark:" not in capsys.readouterr().out
    assert not Path("runs/r-g/table.csv").exists(), "another collects"
    assert ablate("--collect") == 1
    told = capsys.readouterr()
    assert "failed: 4 of 16 units are missing; give the same command again to do them:" in told.err
    assert "  - loso, lda, s00, seed 1\n" in told.err
    assert pd.read_csv("runs/r-g/table.csv")["system"].tolist() == ["logistic_regression"]
    assert ablate("--share") == 0
    assert capsys.readouterr().out == "all 16 units are done: runs/r-g\n"
    assert ablate("--collect") == 0
    assert pd.read_csv("runs/r-g/table.csv")["system"].tolist() == ["logistic_regression", "lda"]
    assert ablate("--collect", "--share") == 2
    assert ablate("--share", "--overwrite") == 2
    assert ablate("--tasks", "2") == 2


def test_a_share_leaves_to_others_what_they_have_in_hand(folder, monkeypatch, capsys):
    from emospeech.encoders.store.keys import digest
    from emospeech.runtime.locks import locked

    write_grid(TWO)
    claims = Path("runs/r-g/.claims")
    claims.mkdir(parents=True)
    with locked(claims / f"{digest(['loso, lda, s01, seed 1'])[:16]}.lock") as held:
        assert held
        assert ablate("--share") == 0
    assert capsys.readouterr().out == "15 of 16 units are done: runs/r-g\n"
