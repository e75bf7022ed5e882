"""Keys that are chosen on inner folds: all combinations, by rows that train, and nothing else."""

import json

import pytest
from sklearn.metrics import f1_score
from sklearn.model_selection import ParameterGrid

from emospeech.data import manifest as manifests
from emospeech.runtime.errors import UserError
from emospeech.systems import tuning
from emospeech.systems.checks import CHECKS
from emospeech.systems.crossfit import inner_folds
from emospeech.systems.tuning import TunedSystem

from .conftest import LABELS, TASKS, recipe

GRID = {"classical.model.c": [2.0, 9.0, 5.0]}


def test_the_best_point_is_fitted_to_all_training_rows(train, make, tmp_path):
    system = TunedSystem(recipe(GRID), TASKS, make)
    system.fit(train, None, tmp_path)
    assert system.changes == {"classical.model.c": 9.0}
    ((seen, _),) = system.chosen.fits
    assert seen == train["id"].tolist()
    assert system.chosen.recipe.tune is None
    assert system.predict(train.head(3))["id"].tolist() == ["00", "01", "02"]
    system.save(tmp_path / "model")
    assert (tmp_path / "model/c").read_text() == "9.0", "the chosen one is saved, as a system of its own"


def test_a_point_scores_as_scikit_learn_says_of_the_inner_folds(train, make, tmp_path):
    system = TunedSystem(recipe(GRID), TASKS, make)
    system.fit(train, None, tmp_path)
    ids = [int(id) for id in train["id"]]
    for c, name in ((2.0, "model.c=2.0"), (9.0, "model.c=9.0"), (5.0, "model.c=5.0")):
        guess = [LABELS[k % 2 if k % 10 < c else 1 - k % 2] for k in ids]
        assert system.scores[name] == pytest.approx(f1_score(train["label"], guess, average="macro"))
    kept = json.loads((tmp_path / "tuning/tuning.json").read_text())
    assert kept["chosen"] == {"classical.model.c": 9.0}
    assert kept["inner_macro_f1"] == system.scores


def test_inner_folds_see_training_rows_alone(train, make, tmp_path):
    outer, tested = train.head(16), train.tail(8)
    system = TunedSystem(recipe(GRID, folds=2), TASKS, make)
    system.fit(outer, None, tmp_path)
    system.predict(tested)
    inner = [one for one in make.made if one is not system.chosen]
    parts = inner_folds(outer, 2, "auto", 0)
    used = [one for one in inner if one.fits]
    assert len(used) == 3 * 2, "each point and fold starts from scratch"
    for one in used:
        ((seen, _),), (predicted,) = one.fits, one.predicted
        assert not {*seen, *predicted} & set(tested["id"])
        assert sorted([*seen, *predicted]) == outer["id"].tolist()
        of_fold = parts[outer["id"].isin(predicted).to_numpy()]
        assert len(set(of_fold)) == 1
        speakers = outer.set_index("id")["speaker"]
        assert not set(speakers[seen]) & set(speakers[predicted])


def test_labels_of_the_test_have_no_say(train, make, tmp_path):
    chosen = []
    for labels in (train["label"], train["label"].iloc[::-1].to_numpy()):
        system = TunedSystem(recipe(GRID), TASKS, make)
        system.fit(train.head(16), None, tmp_path)
        system.predict(train.assign(label=labels).tail(8))
        chosen.append((system.changes, system.scores))
    assert chosen[0] == chosen[1]


def test_the_first_of_equals_and_all_combinations_as_written(make):
    grid = {"classical.model.c": [3.0, 1.0], "classical.normalise": ["speaker", "corpus"]}
    found = tuning.points(recipe(grid))
    assert [tuple(point.changes.values()) for point in found] == [
        (3.0, "speaker"), (3.0, "corpus"), (1.0, "speaker"), (1.0, "corpus"),
    ]  # fmt: skip
    assert sorted(str(dict(sorted(p.changes.items()))) for p in found) == sorted(map(str, ParameterGrid(grid)))
    assert found[0].name == "model.c=3.0, normalise=speaker"
    several = [{"classical.model": ["lda"]}, {"classical.model": ["svm_rbf"], "classical.model.gamma": [0.1, 0.3]}]
    assert [point.recipe.classical.model.name for point in tuning.points(recipe(several))] == [
        "lda",
        "svm_rbf",
        "svm_rbf",
    ]
    assert [point.recipe.classical.model.options for point in tuning.points(recipe(several))][1:] == [
        {"gamma": 0.1},
        {"gamma": 0.3},
    ]


def test_equals_are_decided_by_their_order(train, make, tmp_path):
    system = TunedSystem(recipe({"classical.model.c": [10.0, 12.0]}), TASKS, make)
    system.fit(train, None, tmp_path)
    assert system.changes == {"classical.model.c": 10.0}


def test_a_refit_keeps_the_choice_and_a_new_fit_does_not(train, make, tmp_path):
    system = TunedSystem(recipe(GRID), TASKS, make)
    system.fit(train.head(16), train.tail(8), tmp_path)
    before = len(make.made)
    system.fit(train, None, tmp_path)
    assert len(make.made) == before, "trained again for as long, with the same keys"
    assert len(system.chosen.fits) == 2
    system.fit(train.head(16), train.tail(8), tmp_path)
    assert len(make.made) > before


def test_rows_without_the_main_label_choose_nothing(train, make, tmp_path):
    train.loc[20:, "label"] = None
    system = TunedSystem(recipe(GRID), {**TASKS, "gender": ("f", "m")}, make)
    system.fit(train, None, tmp_path)
    inner = [one for one in make.made if one.predicted]
    assert {id for one in inner for ids in one.predicted for id in ids} == set(train["id"][:20])
    assert set(system.chosen.tasks) == {"label", "gender"}
    assert system.chosen.fits[0][0] == train["id"].tolist()


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, r"tune\.grid: it is empty"),
        ({"classical.model.c": []}, r"tune\.grid: it is empty"),
        ([], r"tune\.grid: it is empty"),
        ({"data.limit": [1, 2]}, r"tune\.grid: data\.limit cannot be tuned"),
        ({"name": ["a"]}, r"tune\.grid: name cannot be tuned"),
        ({"classical.model.cc": [1.0]}, "unknown option cc; known"),
        ({"classical.model": ["lda", "nothing"]}, "unknown classical model 'nothing'"),
    ],
)
def test_grids_that_cannot_be(grid, message):
    with pytest.raises(UserError, match=message):
        tuning.check(recipe(grid), CHECKS)


def test_what_it_needs_is_what_its_points_need(make):
    system = TunedSystem(recipe(GRID), TASKS, make)
    assert (system.needs_audio, system.needs_text, system.needs_dev, system.may_lack) == (False, True, False, False)
    assert system.extract([], [])
    with pytest.raises(RuntimeError, match="not been fitted"):
        system.predict(manifests.make(id=["a"]))
