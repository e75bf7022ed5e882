"""Keys that are searched in a space: in rounds, by whom and in whatever order their parts are done."""

import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from emospeech.runtime.errors import UserError
from emospeech.systems import tuning
from emospeech.systems.checks import CHECKS
from emospeech.systems.tuning import TunedSystem, drawing
from emospeech.systems.tuning.study import Trial, chosen_elsewhere

from .conftest import LABELS, TASKS, recipe

SPACE = {"classical.model.c": {"low": 0.1, "high": 10.0}, "classical.normalise": ["corpus", "speaker"]}


def drawn_from(space, **tune):
    return recipe(None, space=space, **tune)


def study(recipe, rows, make, folder):
    found = tuning.Study(recipe, rows, TASKS, make, folder)
    found.begin()
    return found


def worked_off(study, order=1, stop=None):
    """All parts in this order; or so many of them."""
    for parts in study.rounds():
        for part in parts[::order]:
            if stop == 0:
                return study
            if not part.done:
                part.run()
                stop = stop and stop - 1
    return study


def found_by(study):
    return [(one.number, dict(one.point.changes), one.macro_f1, one.answers) for one in study.trials]


def test_a_space_is_searched_and_the_recipe_as_it_is_is_a_trial(train, make, tmp_path):
    asked = drawn_from(SPACE, trials=24, round=6)
    found = worked_off(study(asked, train, make, tmp_path))
    assert len(found.trials) == 25 == found.size
    assert found.trials[0].point.changes == {}
    drawn = [one.point.changes for one in found.trials[1:]]
    assert all(0.1 <= one["classical.model.c"] <= 10 for one in drawn)
    assert len({tuple(one.values()) for one in drawn}) == 24, "none twice"
    for one in found.trials:
        assert one.macro_f1 == pytest.approx(f1_score(train["label"], one.answers, average="macro"))
        assert one.point.recipe.classical.model.options.get("c", 1.0) == one.point.changes.get("classical.model.c", 1.0)
    assert found.best.macro_f1 == max(one.macro_f1 for one in found.trials)
    later = [one["classical.model.c"] for one in drawn[12:]]
    assert sum(later) / len(later) > 7, "what scores more is tried more: evenly it would be 5"


@pytest.mark.parametrize("killed_after", [1, 7, 20])
def test_killed_at_any_part_and_in_any_order_the_search_is_the_same(train, make, tmp_path, killed_after):
    asked = drawn_from(SPACE, trials=6, round=3)
    whole = found_by(worked_off(study(asked, train, make, tmp_path / "whole")))
    worked_off(study(asked, train, make, tmp_path / "killed"), stop=killed_after)
    resumed = study(asked, train, make, tmp_path / "killed")
    before = len(make.made)
    assert found_by(worked_off(resumed, order=-1)) == whole
    assert len(make.made) - before == 7 * 3 - killed_after, "what is done is not done again"


def test_another_seed_draws_others(train, make, tmp_path):
    first, second = (
        worked_off(study(drawn_from(SPACE, trials=3, seed=seed), train, make, tmp_path / str(seed))) for seed in (0, 1)
    )
    assert found_by(first)[1:] != found_by(second)[1:]


def test_what_a_study_of_other_rows_has_left_is_not_taken(train, make, tmp_path):
    asked = drawn_from(SPACE, trials=2)
    worked_off(study(asked, train, make, tmp_path))
    turned = train.assign(label=train["label"].iloc[::-1].to_numpy())
    again = worked_off(study(asked, turned, make, tmp_path))
    for one in again.trials:
        assert one.macro_f1 == pytest.approx(f1_score(turned["label"], one.answers, average="macro"))


def test_a_small_space_ends_when_all_of_it_is_tried(train, make, tmp_path):
    found = worked_off(
        study(drawn_from({"classical.normalise": ["corpus", "speaker"]}, trials=30), train, make, tmp_path)
    )
    assert len(found.trials) == 3


def test_whole_numbers_steps_and_sections_are_drawn_as_written():
    space = {
        "classical.model": [{"name": "lda", "shrinkage": 0.5}, "svm_rbf"],
        "train.epochs": {"low": 2, "high": 8, "step": 3},
        "train.optimizer.lr": {"low": 1e-5, "high": 1e-2, "log": True},
    }
    found = drawing.drawn(drawn_from(space).tune, [], 40)
    assert {one["train.epochs"] for one in found} == {2, 5, 8}
    assert all(isinstance(one["train.epochs"], int) for one in found)
    assert all(one["classical.model"] in space["classical.model"] for one in found)
    rates = [one["train.optimizer.lr"] for one in found]
    assert 0.25 < sum(rate < 10**-3.5 for rate in rates) / len(rates) < 0.75, "evenly by the logarithm"
    assert all(float(f"{rate:.4g}") == rate for rate in rates)


@pytest.mark.parametrize(("low", "step"), [(0.5, 0.125), (0.12345, 0.1)])
def test_steps_are_kept_to_the_digit(low, step):
    """A drawn value goes back into what draws, which knows its steps alone."""
    asked = drawn_from({"classical.model.c": {"low": low, "high": low + 1.05, "step": step}}).tune
    known = [(one, one["classical.model.c"]) for one in drawing.drawn(asked, [], 4)]
    again = drawing.drawn(asked, known, 4)
    for one in [values for values, _ in known] + again:
        steps = (one["classical.model.c"] - low) / step
        assert steps == pytest.approx(round(steps), abs=1e-9)
        assert one["classical.model.c"] <= low + 1.05


def test_what_is_no_recipe_together_is_left_out(train, make, tmp_path, capsys):
    """A discriminant has no C."""
    space = {"classical.model.name": ["logistic_regression", "lda"], "classical.model.c": [1.0, 3.0]}
    found = worked_off(study(drawn_from(space, trials=8, round=4), train, make, tmp_path))
    tried = [one.point.changes for one in found.trials[1:]]
    assert {one["classical.model.name"] for one in tried} == {"logistic_regression"}
    assert len(tried) == 2
    assert "is no recipe, and is left out" in capsys.readouterr().err


def test_a_round_is_what_was_written_down_of_it(train, make, tmp_path):
    """Another version of what draws might draw others, for scores that are there already."""
    asked = drawn_from(SPACE, trials=4, round=2)
    worked_off(study(asked, train, make, tmp_path), stop=9)
    first = json.loads((tmp_path / "round_001.json").read_text())
    assert [len(first), first[0]] == [3, {}]
    first[1]["classical.model.c"] = 7.5
    (tmp_path / "round_001.json").write_text(json.dumps(first))
    assert worked_off(study(asked, train, make, tmp_path)).trials[1].point.changes == first[1]


def test_further_tasks_are_learned_in_the_search_too(train, make, tmp_path):
    tasks = {**TASKS, "gender": ("f", "m"), "accent": ("x", "y")}
    rows = train.assign(gender=["f", "m"] * 12, accent=[None] * 24)
    worked_off(tuning.Study(drawn_from(SPACE, trials=1), rows, tasks, make, tmp_path))
    assert {tuple(one.tasks) for one in make.made} == {("label", "gender")}, "accents are told of nobody"


def test_a_tuned_system_draws_from_its_space(train, make, tmp_path):
    system = TunedSystem(drawn_from(SPACE, trials=5), TASKS, make)
    system.fit(train, None, tmp_path)
    assert len(system.scores) == 6
    best = max(system.scores, key=lambda name: system.scores[name])
    assert system.chosen.recipe.classical.model.options.get("c") == system.changes.get("classical.model.c")
    assert json.loads((tmp_path / "tuning/tuning.json").read_text())["inner_macro_f1"][best] == system.scores[best]


def test_what_is_chosen_on_other_folds():
    """By hand: the first trial is right on fold 1, the second on 2 and 3; fold 1 is answered by the second, 2 and 3 by
    whichever is better on the other two."""
    truth, folds = ["anger", "joy"] * 3, np.array([1, 1, 2, 2, 3, 3])
    wrong = ["joy", "anger"]
    first = Trial(1, None, 0.0, (*truth[:2], *wrong, *wrong), 0.0)
    second = Trial(2, None, 0.0, (*wrong, *truth[2:]), 0.0)
    found = chosen_elsewhere([first, second], truth, folds, LABELS)
    # fold 2: on folds 1 and 3 each has one right: the first of equals; fold 3: the same
    assert found == [*wrong, *wrong, *wrong]
    assert chosen_elsewhere([second], truth, folds, LABELS) == list(second.answers)


def test_what_decides_is_the_key_that_scores():
    tune = drawn_from(SPACE).tune
    known = [
        ({"classical.model.c": float(c), "classical.normalise": where}, c / 10)
        for c in range(1, 9)
        for where in ("corpus", "speaker")
    ]
    found = drawing.importances(tune, known)
    assert list(found) == ["classical.model.c", "classical.normalise"]
    assert found["classical.model.c"] > 0.9
    assert drawing.importances(tune, known[:2]) == {}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, r"tune\.space: it is empty"),
        ({"classical.model.c": []}, r"tune\.space: it is empty"),
        ({"data.limit": [1, 2]}, r"tune\.space: data\.limit cannot be tuned"),
        ({"classical.model.cc": {"low": 1, "high": 2}}, "unknown option cc; known"),
        ({"classical.model.c": {"low": -1.0, "high": 2.0}}, r"classical\.model.*c: input should be greater than 0"),
        ({"classical.modell": ["lda"]}, "classical.modell: unknown key; did you mean model"),
        ({"classical.model": ["lda"], "classical.model.c": [1]}, "one is a part of the other"),
        ({"train.keep": ["best", "last"]}, r"train\.keep cannot be tuned"),
        (
            {"classical.features": [["functionals"], ["tfidf"]]},
            "some of its values hear, and the recipe itself does not",
        ),
    ],
)
def test_spaces_that_cannot_be(space, message):
    with pytest.raises(UserError, match=message):
        tuning.check(drawn_from(space), CHECKS)


@pytest.mark.parametrize(
    ("tune", "message"),
    [
        ({"space": {"a": {"low": 2, "high": 1}}}, "low should be below high, got 2 and 1"),
        ({"space": {"a": {"low": 0.0, "high": 1.0, "log": True}}}, "log: true wants low above 0"),
        ({"space": {"a": {"low": 1, "high": 4, "log": True, "step": 1}}}, "log: true and step exclude each other"),
        ({"space": {"a": {"low": 1}}}, "high: missing"),
        ({"space": {"a": 3}}, r"tune\.space\.a: should be values, as \[1, 10\], or a range, .* got 3"),
        ({"space": {"a": {"low": "x", "high": 2}}}, r"tune\.space\.a: low: should be a number, got 'x'$"),
        (
            {"space": {"a": {"low": 1, "high": 2, "lok": True}}},
            r"tune\.space\.a: lok: unknown key; known here: low, high",
        ),
        ({"space": {"a": [1]}, "trials": 10**9}, "trials: should be less than or equal to 10000"),
        ({}, "should have a grid or a space"),
        ({"grid": {"a": [1]}, "space": {"a": [1]}}, "should have a grid or a space"),
    ],
)
def test_sections_that_cannot_be(tune, message):
    with pytest.raises(UserError, match=message):
        recipe(tune.pop("grid", None), **tune)
