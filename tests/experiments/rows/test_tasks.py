"""Columns as tasks: what is told in place of the label, what beside it, and rows that nobody has divided."""

import pytest

from emospeech.config import validate
from emospeech.data import manifest
from emospeech.experiments import rows as rows_of
from emospeech.experiments.rows import dividing
from emospeech.runtime.errors import UserError
from emospeech.systems.checks import CHECKS

WORDS = ("joy", "anger", "neutral")


@pytest.fixture
def folder(tmp_path):
    """Name and rows of label, speaker, gender and language -> an audiofolder."""

    def folder(name, rows):
        root = tmp_path / name
        root.mkdir()
        lines = [f"{k:02d}.wav,{','.join(row)}" for k, row in enumerate(rows)]
        (root / "metadata.csv").write_text("\n".join(["file_name,label,speaker,gender,language", *lines]))
        for k in range(len(rows)):
            (root / f"{k:02d}.wav").touch()
        return str(root)

    return folder


@pytest.fixture
def spanish(folder):
    """Four speakers of three clips, of the last of whom nobody knows the gender."""
    genders = ["female", "male", "female", ""]
    return folder("spanish", [(word, f"{k:02d}", genders[k], "es") for k in range(4) for word in WORDS])


@pytest.fixture
def levels(folder):
    rows = [(word, "01", "male", "ar") for word in ("low", "neutral", "high", "high")]
    return folder("levels", [*rows, ("", "02", "female", "ar"), ("", "02", "", "")])


@pytest.fixture
def recipe():
    def recipe(*parts, train=None, speech=None, **data):
        one = {"corpus": "audiofolder", "root": parts[0]} if isinstance(parts[0], str) else {}
        mixture = [] if one else [{"corpus": "audiofolder", **part} for part in parts]
        plain = {
            "name": "r",
            "data": {**one, "mixture": mixture, **data},
            "speech": speech or {"encoder": "log_mel_cnn"},
            "train": train or {},
        }
        return validate(plain, "test", CHECKS)

    return recipe


@pytest.fixture
def both(spanish, levels):
    return {"root": spanish, "name": "es"}, {"root": levels, "name": "ar", "task": "intensity"}


# -- in place of the label ---------------------------------------------------------------------------------------


def test_a_column_is_told(recipe, spanish, capsys):
    found = rows_of.load(recipe(spanish, target="gender"))
    assert found.tasks == {"label": ("female", "male")}
    assert len(found.train) + len(found.dev) == 9, "of three rows nobody knows it"
    assert not set(found.train["speaker"]) & set(found.dev["speaker"])
    assert (found.train["label"] == found.train["gender"]).all()
    assert rows_of.load(recipe(spanish, target="gender", labels=["male", "female"])).labels == ("male", "female")


def test_speakers_of_two_corpora_are_several(recipe, spanish, folder):
    other = folder("other", [(word, f"{k:02d}", "male", "es") for k in range(2) for word in WORDS])
    parts = {"root": spanish, "name": "a"}, {"root": other, "name": "b"}
    for part in parts:
        part["split"] = {"disjoint": "none"}
    found = rows_of.load(recipe(*parts, target="speaker"))
    assert found.labels == ("a/00", "a/01", "a/02", "a/03", "b/00", "b/01")


def test_the_corpus_itself_is_told_by_the_name_it_is_given(recipe, both, capsys):
    found = rows_of.load(recipe(*both, target="corpus"))
    assert found.tasks == {"label": ("ar", "es")}
    assert set(found.dev["corpus"]) == {"ar", "es"}, "with labels of the target, each corpus is divided"
    assert "note: corpus is to be told, so the task intensity of ar is not learned" in capsys.readouterr().err


def test_the_gender_of_emodb(recipe, data_folder):
    plain = recipe(str(data_folder / "emodb"), target="gender").model_dump()
    plain["data"]["corpus"] = "emodb"
    found = rows_of.whole(validate(plain, "test", CHECKS))
    assert found.manifest["label"].value_counts().to_dict() == {"female": 302, "male": 233}
    assert found.corpora == ("emodb",) * 535


def test_new_rows_are_scored_by_the_column(recipe, spanish):
    new = manifest.make(id=["a", "b"], label=["joy", "fear"], gender=["male", None])
    found = rows_of.mixture.as_trained(new, recipe(spanish, target="gender"))
    assert found["label"].fillna("").tolist() == ["male", ""]


# -- beside the label --------------------------------------------------------------------------------------------


def test_further_columns(recipe, both):
    found = rows_of.load(recipe(*both, tasks=["gender", "language"]))
    assert found.further == {
        "gender": ("female", "male"),
        "language": ("ar", "es"),
        "intensity": ("high", "low", "neutral"),
    }
    arabic = found.train[found.train["id"].str.startswith("ar/")]
    assert len(arabic) == 5, "the one without a level has a gender; the last has nothing"
    assert arabic["gender"].tolist() == ["male"] * 4 + ["female"]
    assert set(found.dev["id"].str[:2]) == {"es"}


def test_rows_with_further_labels_alone_train(recipe, folder, capsys):
    rows = [(word, f"{k:02d}", "female" if k % 2 else "male", "es") for k in range(4) for word in (*WORDS, "")]
    root = folder("some", rows)
    found = rows_of.load(recipe(root, tasks=["gender"]))
    dev, train = set(found.dev["speaker"]), set(found.train["speaker"])
    assert not dev & train, "a clip without a main label goes with its speaker"
    assert len(found.dev) + len(found.train) == 16
    assert found.train["label"].isna().sum() == 3
    assert "of 12 labelled rows drawn" in capsys.readouterr().err
    assert len(rows_of.load(recipe(root)).train) + len(rows_of.load(recipe(root)).dev) == 12
    named = rows_of.load(recipe(root, tasks=["gender"], split={"dev_speakers": ["01"]}))
    assert len(named.train) == 12
    assert len(named.dev) == 4


def test_a_task_that_weighs_nothing_is_none(recipe, both, capsys):
    found = rows_of.load(recipe(*both, train={"task_weights": {"intensity": 0}}))
    assert found.further == {}
    assert set(found.train["id"].str[:2]) == {"es"}
    assert "note: 6 rows of ar have no label that is learned and are left out" in capsys.readouterr().err


# -- undivided ---------------------------------------------------------------------------------------------------


def test_whole(recipe, both):
    found = rows_of.whole(recipe(*both, tasks=["gender"]))
    assert found.tasks == {
        "label": ("anger", "joy", "neutral"),
        "gender": ("female", "male"),
        "intensity": ("high", "low", "neutral"),
    }
    assert found.corpora == ("es",) * 12 + ("ar",) * 6
    assert found.manifest["split"].isna().all()
    assert found.manifest["label"].isna().tolist() == [False] * 12 + [True] * 6
    assert found.labelled.tolist() == [True] * 17 + [False]


def test_rows_are_the_same_whatever_is_told(recipe, both):
    every = [rows_of.whole(recipe(*both, **data)) for data in ({"tasks": ["gender"]}, {}, {"target": "gender"})]
    assert len({tuple(one.manifest["id"]) for one in every}) == 1


def test_a_quick_look_is_spread(recipe, both):
    found = rows_of.whole(recipe(*both, limit=4))
    assert found.manifest["speaker"].tolist()[:4] == ["es/00", "es/01", "es/02", "es/03"]
    assert found.corpora == ("es",) * 4 + ("ar",) * 4
    assert len(rows_of.whole(recipe(*both, limit=100)).manifest) == 18


def test_whole_needs_what_is_heard(recipe, spanish, tmp_path):
    (tmp_path / "spanish" / "03.wav").unlink()
    with pytest.raises(UserError, match=r"1 of 12 audio files are missing from .*: 03\.wav"):
        rows_of.whole(recipe(spanish))


def test_labelled():
    rows = manifest.make(id=list("abc"), label=["joy", None, None], gender=[None, "male", None])
    assert dividing.labelled(rows).tolist() == [True, False, False]
    assert dividing.labelled(rows, ["gender", "absent"]).tolist() == [True, True, False]


# -- what cannot be ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"tasks": ["accent"]}, r"the task accent needs two labels or more; found: none \(0 of 12 rows have one\)"),
        ({"tasks": ["language"]}, r"the task language needs two labels or more; found: es \(12 of 12 rows"),
        ({"target": "language"}, r"data\.target=language: a classifier needs two labels or more; found: es"),
        (
            {"target": "gender", "label_space": "ekman"},
            "gender is to be told and no corpus's labels, so label_space is nobody's",
        ),
        ({"target": "gender", "label_map": {"joy": "fear"}}, "so label_map is nobody's"),
        ({"target": "gender", "soft_labels": "votes"}, "so soft_labels is nobody's"),
        ({"target": "age"}, r"data\.target: should be 'label', 'gender'"),
        ({"tasks": ["gender", "gender"]}, "gender is a task already"),
        ({"target": "gender", "tasks": ["gender"]}, "gender is a task already"),
        ({"target": "gender", "labels": ["female", "child"]}, "rows have a label outside female, child"),
        ({"train": {"task_weights": {"mood": 1.0, "label": 2}}}, r"train\.task_weights: no task mood; there are label"),
        ({"train": {"task_weights": "best"}}, "should be equal, uncertainty, or a number, 0 or more, for each task"),
        ({"train": {"task_weights": {"label": -1}}}, "a number, 0 or more, for each task"),
        ({"train": {"task_weights": {"label": 0}}}, "label is the main task, by which training is steered"),
    ],
)
def test_tasks_that_cannot_be(data, message, recipe, spanish):
    with pytest.raises(UserError, match=message):
        rows_of.load(recipe(spanish, **data))


@pytest.mark.parametrize(("task", "whose"), [("fold", "predictions"), ("weight", "every manifest")])
def test_names_that_are_taken(task, whose, recipe, both):
    with pytest.raises(UserError, match=f"a task cannot be called '{task}', which is a column of {whose}"):
        rows_of.load(recipe(both[0], {**both[1], "task": task}))
