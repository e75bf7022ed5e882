"""One draw of folds for all systems; units from folds, systems and seeds."""

import re
from pathlib import Path

import pandas as pd
import pytest

from emospeech.experiments.protocols import material as materials
from emospeech.experiments.protocols import planning
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems.build import load_benchmark

from ..conftest import rows_of


def plan(*overrides, quick=None):
    asked = load_benchmark("r.yaml", overrides)
    rows = asked.rows if quick is None else {name: asked.rows[name] for name in quick}
    return planning.planned(asked, rows, RunFolder(Path("runs/r")))


def fold_of(plan, row):
    """Who is tested where by a system: id -> fold."""
    found = {}
    for unit in plan.units:
        if unit.row == row:
            found |= dict.fromkeys(unit.material.manifest["id"][unit.fold.test], unit.fold.name)
    return found


def test_a_unit_for_each_fold_system_and_seed(folder):
    found = plan(
        "benchmark.rows={a: {}, b: {classical.model: lda}}",
        "benchmark.protocols.loso.seeds=[3,5]",
        "benchmark.protocols.k={kind: k-fold, folds: 2}",
    )
    assert len(found.units) == 2 * 2 * 4 + 2 * 2
    first = found.units[0]
    assert (first.protocol, first.row, first.seed, first.recipe.train.seed) == ("loso", "a", 3, 3)
    assert first.folder == Path("runs/r/loso/a/seed_3/s00")
    assert found.units[-1].folder == Path("runs/r/k/b/fold 2")
    assert len({unit.folder for unit in found.units}) == len({unit.name for unit in found.units}) == len(found.units)
    assert not Path("runs").exists(), "a plan writes nothing"


def test_every_row_of_every_system_has_a_fold_and_the_same_one(folder, write):
    """Some rows tell no emotion: the first system has them not, the second has no others of two speakers."""
    rows = list(rows_of())
    for k in (0, 7, 13):
        rows[k]["label"] = ""
    for k in (1, 8, 20):
        rows[k]["gender"] = ""
    write(rows=rows)
    both = "benchmark.rows={emotion: {}, gender: {data.target: gender}}"
    kind = "benchmark.protocols={k: {kind: k-fold, by: speaker, folds: 2}}"
    found = plan(both, kind)
    emotion, gender = fold_of(found, "emotion"), fold_of(found, "gender")
    assert len(emotion) == len(gender) == 21
    assert len({*emotion, *gender}) == 24
    assert all(emotion[id] == gender[id] for id in emotion.keys() & gender.keys())
    # --quick draws the same folds, though it runs but one of the systems
    assert fold_of(plan(both, kind, quick=["gender"]), "gender") == gender
    assert plan(both, kind, quick=["gender"]).tested == found.tested


def test_folds_are_named_after_their_folders():
    assert planning.folders_of(["s01", "a/b", "a:b", "a_b 2", "..", ".x"]) == [
        "s01",
        "a_b",
        "a_b 2",
        "a_b 2 2",
        "_",
        "_x",
    ]


def test_systems_that_do_not_agree_on_a_speaker(material):
    one = material(["joy", "fear"], speaker=["s1", "s2"])
    with pytest.raises(UserError, match="do not agree on the speaker of r1: 's2' in one, 's3' in another"):
        materials.together([one, material(["joy", "fear"], speaker=["s1", "s3"])])
    joined = materials.together([one, material(["joy", "fear", "joy"], speaker=["s1", None, "s4"])])
    assert joined.manifest["speaker"].tolist() == ["s1", "s2", "s4"]
    assert joined.keys == [("one", "r0"), ("one", "r1"), ("one", "r2")]


def test_folds_are_stratified_by_any_label(material):
    found = material(["joy", None, None], tasks={"intensity": ("low",)})
    found.manifest["intensity"] = pd.Series([None, "low", None], dtype="string")
    assert found.any_label().fillna("-").tolist() == ["joy", "intensity: low", "-"]


def test_a_protocol_that_nobody_can_learn_under(folder, write):
    many = [{"corpus": "audiofolder", "name": name, "root": str(write(name))} for name in ("one", "two")]
    Path("r.yaml").write_text(
        f"data: {{target: corpus, mixture: {many}}}\nsystem: classical\nclassical: {{features: [tfidf]}}\n"
        "benchmark: {protocols: {out: {kind: leave-one-corpus-out}, k: {kind: k-fold}}, rows: {a: {}}}\n"
    )
    with pytest.raises(UserError, match="out: no system can learn there what it is tested on"):
        plan()
    found = plan("benchmark.rows.b={data.target: label}")
    assert {unit.row for unit in found.units if unit.protocol == "out"} == {"b"}
    assert "a: left out, as no fold trains what it tests" in found.notes["out"]


def test_the_system_of_a_hopeless_fold_is_named(folder, write):
    write(rows=[{"label": ("joy", "fear")[k // 3], "speaker": f"s{k // 3}", "transcription": "x"} for k in range(6)])
    with pytest.raises(
        UserError, match=re.compile("r under loso: nothing can be told apart.*s0 trains fear alone", re.S)
    ):
        plan()


def test_a_corpus_that_has_changed_is_refused(folder, write):
    found = plan()
    planning.keep(found.tested, Path("kept"))
    planning.keep(found.tested, Path("kept"))
    assert (Path("kept/loso/folds.csv")).read_text().startswith("id,fold\n000.wav,s00\n")
    write(rows=list(rows_of(speakers=3)))
    with pytest.raises(UserError, match="the corpus is no longer the one that kept was started on"):
        planning.keep(plan().tested, Path("kept"))


def test_the_recipes_own_split(folder):
    """Its rows are those of `emospeech train`, with a quick look as without; who needs no dev set has the same test."""
    speakers = ["data.split.dev_speakers=[s02]", "data.split.test_speakers=[s03]"]
    own = "benchmark.protocols={own: {kind: split}, last: {kind: split, part: test}}"
    *_, first, last = plan(*speakers, own).units
    ids = {part: [f"{k:03d}.wav" for k in range(*span)] for part, span in
           {"train": (0, 12), "dev": (12, 18), "test": (18, 24)}.items()}  # fmt: skip
    for unit, tested in ((first, "dev"), (last, "test")):
        manifest = unit.material.manifest
        assert manifest["id"][unit.fold.train].tolist() == ids["train"]
        assert manifest["id"][unit.fold.test].tolist() == ids[tested]
    *_, look = plan(*speakers, "benchmark.protocols={own: {kind: split}}", "data.limit=4").units
    assert look.material.manifest["id"].tolist() == ids["train"][:4] + ids["dev"][:4] + ids["test"][:4]
    assert (look.fold.train.sum(), look.fold.test.sum()) == (4, 4)


def test_systems_that_divide_the_rows_each_their_own_way(folder):
    rows = "benchmark.rows={a: {}, b: {data.split.seed: 1}, c: {data.split.seed: 2}}"
    with pytest.raises(UserError, match="rows of this benchmark do not agree on the split of"):
        plan(rows, "benchmark.protocols={own: {kind: split}}")
