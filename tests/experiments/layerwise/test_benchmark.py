"""`emospeech benchmark` layer by layer, as a user types it: tiny checkpoints over real corpora."""

import json
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.experiments import layerwise
from emospeech.experiments.layerwise import planning
from emospeech.experiments.layerwise.probing import Probing
from emospeech.experiments.protocols import material as materials
from emospeech.runtime.errors import Interrupted, UserError
from emospeech.systems.build import load_benchmark

RECIPE = """
name: probes
data:
  limit: 48
  mixture:
    - {corpus: emodb, root: DATA/emodb}
    - {corpus: baved, root: DATA/baved, task: intensity}
benchmark:
  protocols:
    speakers: {kind: k-fold, folds: 2, by: speaker}
  layerwise:
    encoders: [ENCODERS]
    inner_folds: 2
"""
EMOTIONS = ["neutral", "anger", "boredom", "disgust", "fear", "happiness", "sadness"]


@pytest.fixture
def recipe(tmp_path, data_folder, tiny_xlsr, tiny_wav2vec2_base, monkeypatch) -> Path:
    if not ((data_folder / "emodb").is_dir() and (data_folder / "baved").is_dir()):
        pytest.skip(f"EMO-DB and BAVED are not in {data_folder}")
    monkeypatch.chdir(tmp_path)
    encoders = f"{tiny_xlsr}, {tiny_wav2vec2_base}"
    path = tmp_path / "probes.yaml"
    path.write_text(RECIPE.replace("DATA", str(data_folder)).replace("ENCODERS", encoders), encoding="utf-8")
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    """What a benchmark gives, without what tells of this very run: times, machine, locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.csv")
        if not path.name.startswith(".")
    }


def test_from_recipe_to_tables_and_figures(recipe, tiny_xlsr, capsys):
    assert main(["benchmark", str(recipe), "--json", "all.json"]) == 0
    said = capsys.readouterr()
    run = Path("runs/probes")
    assert said.out.startswith("speakers, logistic_regression: macro-F1 of the layer that inner folds choose\n")
    assert said.out.endswith(f"benchmark: {run}\n")
    assert {path.name for path in (run / "figures").iterdir()} == {
        "speakers_logistic_regression_curves.png", "speakers_logistic_regression_map.png",
    }  # fmt: skip
    layers = pd.read_csv(run / "layers.csv")
    assert len(layers) == 2 * 2 * 4, "two corpora, two encoders, layers 0 to 3"
    assert set(layers["corpus"]) == {"emodb", "baved"}
    assert set(layers.groupby(["corpus", "encoder"])["chosen_by"].sum()) == {2}, "each fold chooses one"

    below = run / "emodb/speakers" / tiny_xlsr.name / "logistic_regression"
    folds = {path.name: pd.read_csv(path / "predictions.csv", keep_default_na=False) for path in below.iterdir()}
    rows = pd.concat(folds.values())
    letters = dict(zip("NWLEAFT", EMOTIONS, strict=True))
    rows = rows.assign(truth=rows["id"].str[-2].map(letters))
    assert set(rows.columns) >= {"id", "fold", "layer", "label", "p_anger"}
    one = layers[(layers["corpus"] == "emodb") & (layers["encoder"] == tiny_xlsr.name)].set_index("layer")
    for layer, part in rows.groupby("layer"):
        assert len(part) == part["id"].nunique() == 48
        expected = f1_score(part["truth"], part["label"], average="macro")
        assert one.loc[layer, "macro_f1"] == pytest.approx(expected)

    chosen = {name: json.loads((below / name / "fold.json").read_text()) for name in folds}
    for record in chosen.values():
        inner = {int(layer): value for layer, value in record["inner_macro_f1"].items()}
        assert record["layer"] == max(sorted(inner), key=inner.get)
    own = pd.concat(part[part["layer"] == chosen[name]["layer"]] for name, part in folds.items())
    own = own.assign(truth=own["id"].str[-2].map(letters))
    honest = f1_score(own["truth"], own["label"], average="macro")
    encoders = pd.read_csv(run / "encoders.csv").set_index(["encoder", "corpus"])
    line = encoders.loc[(tiny_xlsr.name, "emodb")]
    assert line["macro_f1"] == pytest.approx(honest)
    assert line["best_seen_macro_f1_optimistic"] == pytest.approx(one["macro_f1"].max())
    assert line["last_layer_macro_f1"] == pytest.approx(one.loc[3, "macro_f1"])
    both = encoders.loc[tiny_xlsr.name]
    assert both.loc["mean", "macro_f1"] == pytest.approx(both.loc[["emodb", "baved"], "macro_f1"].mean())
    means = pd.read_csv(run / "by_layer.csv").set_index(["encoder", "layer"])
    of_layer = layers[(layers["encoder"] == tiny_xlsr.name) & (layers["layer"] == 2)]["macro_f1"]
    assert means.loc[(tiny_xlsr.name, 2), "macro_f1"] == pytest.approx(of_layer.mean())
    assert means.loc[(tiny_xlsr.name, 2), "macro_f1_std"] == pytest.approx(of_layer.std())
    assert json.loads(Path("all.json").read_text()) == json.loads((run / "scores.json").read_text())
    assert len(json.loads(Path("all.json").read_text())) == 4


def test_shares_and_the_table_of_what_there_is(recipe, monkeypatch, capsys):
    """As tasks of an array do it; who counts what is missing loads no encoder and hears nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(planning, "load_speech", lambda name: pytest.fail("loaded"))
        patch.setattr(materials, "usable", lambda *_: pytest.fail("heard"))
        units = layerwise.all_units(load_benchmark(recipe))
    assert not Path("runs").exists()
    assert main(["benchmark", str(recipe), "--share"]) == 0
    assert capsys.readouterr().out == f"all {len(units)} units are done: runs/probes\n"
    assert not Path("runs/probes/layers.csv").exists()
    (units[0].folder / "predictions.csv").unlink()
    assert main(["benchmark", str(recipe), "--collect"]) == 1
    assert f"1 of {len(units)} units are missing; give the same command again to do them:\n  - {units[0].name}\n" in (
        capsys.readouterr().err
    )
    some = pd.read_csv("runs/probes/layers.csv")
    assert main(["benchmark", str(recipe), "--share"]) == 0
    assert main(["benchmark", str(recipe), "--collect"]) == 0
    keys = ["corpus", "encoder"]
    left_out = set(map(tuple, pd.read_csv("runs/probes/layers.csv")[keys].to_numpy())) - set(
        map(tuple, some[keys].to_numpy())
    )
    assert left_out == {(corpus, units[0].encoder.short) for corpus in ("emodb", "baved")}, "an encoder is whole or out"


def test_an_interrupted_one_goes_on_to_the_same_end(recipe, monkeypatch, capsys):
    some = [str(recipe), "benchmark.layerwise.layers=[0,2]"]
    assert main(["benchmark", *some, "name=whole"]) == 0
    run, count = Probing.run, 0

    def twice(self):
        nonlocal count
        count += 1
        if count > 2:
            raise Interrupted("stopped")
        run(self)

    monkeypatch.setattr(Probing, "run", twice)
    assert main(["benchmark", *some]) == 1
    assert not Path("runs/probes/layers.csv").exists()
    done = sorted(Path("runs/probes").rglob("predictions.csv"))
    assert len(done) == 2
    times = [path.stat().st_mtime_ns for path in done]
    monkeypatch.setattr(Probing, "run", run)
    capsys.readouterr()
    assert main(["benchmark", *some]) == 2
    assert "continue it with --resume" in capsys.readouterr().err
    assert main(["benchmark", *some, "--resume", "benchmark.layerwise.inner_folds=3"]) == 2
    assert "was started with another recipe" in capsys.readouterr().err
    assert main(["benchmark", *some, "--resume"]) == 0
    assert [path.stat().st_mtime_ns for path in done] == times, "what was done is not done again"
    assert files_of(Path("runs/probes")) == files_of(Path("runs/whole"))
    assert main(["benchmark", *some, "--resume", "benchmark.workers=2"]) == 0, "all is done: only told again"


def test_several_processes_give_the_same(recipe, tiny_xlsr):
    words = [f"benchmark.layerwise.encoders=[{tiny_xlsr}]", "benchmark.layerwise.layers=[1]"]
    assert main(["benchmark", str(recipe), *words, "name=alone"]) == 0
    assert main(["benchmark", str(recipe), *words, "name=two", "benchmark.workers=2"]) == 0
    assert files_of(Path("runs/two")) == files_of(Path("runs/alone"))


def test_without_a_store_one_process_works(recipe, capsys):
    words = ["cache=null", "benchmark.workers=2", "benchmark.layerwise.layers=[3,1]"]
    assert main(["benchmark", str(recipe), *words]) == 0
    said = capsys.readouterr()
    assert "so no other one helps it" in said.err
    assert sorted(set(pd.read_csv("runs/probes/layers.csv")["layer"])) == [1, 3]


def test_corpora_are_divided_each_as_it_can_be(recipe, capsys):
    """Leave-one-speaker-out, and instead of it folds for a corpus of too many speakers."""
    instead = "benchmark.layerwise.instead={baved: {kind: k-fold, folds: 3, by: speaker}}"
    words = ["benchmark.protocols.speakers={kind: loso}", instead, "benchmark.layerwise.layers=[1]"]
    assert main(["benchmark", str(recipe), *words]) == 0
    choices = pd.read_csv("runs/probes/choices.csv")
    assert choices.groupby("corpus")["fold"].nunique().to_dict() == {"emodb": 10, "baved": 3}
    written = pd.read_csv("runs/probes/emodb/speakers/folds.csv", dtype=str)
    assert (written["id"].str[6:8] == written["fold"].str[-2:]).all(), "emodb/03a01Fa is of speaker 03"


FAULTS = {
    "benchmark.layerwise.layers=[0,9]": "has no layer 9; it has 3 (0 to 3)",
    "benchmark.layerwise.layers=[]": "layerwise.layers: ",
    "benchmark.layerwise.layers=[2,2]": "layers: one is there twice",
    "benchmark.layerwise.encoders=[log_mel_cnn]": "log_mel_cnn is trained from scratch",
    "benchmark.layerwise.encoders=[./gone]": "no checkpoint folder './gone'; give a Hub id",
    "benchmark.layerwise.encoders=[a/tiny,b/tiny]": "encoders: two would be called tiny (a/tiny, b/tiny)",
    "benchmark.layerwise.probes={lr: {name: logistic}}": "logistic",
    "benchmark.layerwise.instead={mesd: {kind: loso}}": "instead: no corpus mesd; there are emodb, baved",
    "benchmark.rows={a: {}}": "rows has no place beside it",
    "benchmark.protocols.speakers={kind: cross-corpus}": "speakers: cross-corpus trains across corpora",
    "benchmark.protocols.speakers={kind: loso, seeds: [1]}": "speakers: seeds: a probe is fitted once",
    "benchmark.protocols.speakers={kind: loso, by: group}": "emodb: ",
    "--quick": "a layer-wise benchmark has none",
}


@pytest.mark.parametrize("word", FAULTS)
def test_what_cannot_be_is_told_before_any_work(recipe, word, capsys):
    assert main(["benchmark", str(recipe), word]) == 2
    said = capsys.readouterr().err
    assert FAULTS[word] in said
    assert "computing" not in said
    assert not list(Path("runs").rglob("*.csv"))


def test_all_encoders_that_cannot_be_loaded_are_told_together(recipe, tiny_roberta, tmp_path, capsys):
    words = f"[{tiny_roberta},nobody/nothing]"
    assert main(["benchmark", str(recipe), f"benchmark.layerwise.encoders={words}"]) == 2
    said = capsys.readouterr().err
    assert "is a roberta model" in said
    assert "nobody/nothing" in said
    assert not Path("runs/probes/config.yaml").exists()


@pytest.mark.parametrize("name", ["spanish", "wav2vec2", "hubert", "wavlm", "whisper", "demo"])
def test_the_shipped_recipes(name, tmp_path, monkeypatch):
    """Encoders of the Hub need not be here; folders that the user makes must."""
    monkeypatch.chdir(tmp_path)
    path = recipes_folder() / "layerwise" / f"{name}.yaml"
    with pytest.raises(UserError, match="no checkpoint folder" if name == "demo" else "no folder 'data/"):
        load_benchmark(path)
    for corpus in ("emomatch", "mesd", "inter1sp", "emofilm", "emowisconsin", "meacorpus2023", "emodb", "baved"):
        (tmp_path / "data" / corpus).mkdir(parents=True)
    for encoder in ("tiny_wav2vec2", "tiny_hubert"):
        (tmp_path / "encoders" / encoder).mkdir(parents=True)
        (tmp_path / "encoders" / encoder / "config.json").write_text("{}")
    asked = load_benchmark(path)
    assert asked.benchmark.layerwise.encoders
    assert [recipe.hears for recipe in asked.rows.values()] == [True]
    assert name != "spanish" or len(asked.benchmark.layerwise.encoders) == 10
