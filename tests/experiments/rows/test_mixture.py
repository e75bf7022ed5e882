"""Several corpora in one recipe: labels mapped, each its split and weight, some with a head of their own."""

import pytest

from emospeech.config import validate
from emospeech.data import manifest
from emospeech.experiments import rows as rows_of
from emospeech.experiments.rows import mixture
from emospeech.runtime.errors import UserError
from emospeech.systems.checks import CHECKS


@pytest.fixture
def folder(tmp_path):
    """Name and rows of label, speaker and gender -> an audiofolder."""

    def folder(name, rows):
        root = tmp_path / name
        root.mkdir()
        lines = [f"{k:02d}.wav,{','.join(row)}" for k, row in enumerate(rows)]
        (root / "metadata.csv").write_text("\n".join(["file_name,label,speaker,gender", *lines]))
        for k in range(len(rows)):
            (root / f"{k:02d}.wav").touch()
        return str(root)

    return folder


@pytest.fixture
def german(folder):
    """Four speakers, 01 to 04: the same names as the Spanish ones."""
    words = ("happiness", "anger", "neutral", "boredom")
    return folder("german", [(word, f"{k:02d}", "female") for k in range(1, 5) for word in words])


@pytest.fixture
def spanish(folder):
    return folder("spanish", [(word, f"{k:02d}", "male") for k in range(1, 5) for word in ("joy", "anger", "neutral")])


@pytest.fixture
def levels(folder):
    return folder("levels", [(word, "01", "male") for word in ("low", "neutral", "high", "high")])


@pytest.fixture
def load():
    def load(*parts, **data):
        plain = {
            "name": "r",
            "data": {"mixture": [{"corpus": "audiofolder", **part} for part in parts], **data},
            "speech": {"encoder": "log_mel_cnn"},
        }
        return rows_of.load(validate(plain, "test", CHECKS))

    return load


def test_in_one_label_space(load, german, spanish, capsys):
    found = load({"root": german, "name": "de"}, {"root": spanish, "name": "es"}, label_space="emospeech2024")
    assert found.labels == ("neutral", "disgust", "anger", "sadness", "joy", "fear")
    whole = len(found.train) + len(found.dev)
    assert whole == 24  # boredom has no place
    assert sorted(set(found.train["label"]) | set(found.dev["label"])) == ["anger", "joy", "neutral"]
    err = capsys.readouterr().err
    assert "note: 4 of 16 clips of audiofolder have no place in emospeech2024: 4 boredom; left out" in err
    assert found.further == {}


def test_names_of_two_corpora_are_two_things(load, german, spanish):
    found = load({"root": german, "name": "de"}, {"root": spanish, "name": "es"}, label_space="ekman")
    ids = [*found.train["id"], *found.dev["id"]]
    assert len(set(ids)) == len(ids)
    assert {name.split("/")[0] for name in ids} == {"de", "es"}
    assert not set(found.train["speaker"]) & set(found.dev["speaker"])


def test_each_has_a_split_and_a_weight_of_its_own(load, german, spanish):
    found = load(
        {"root": german, "name": "de", "split": {"dev_speakers": ["01"]}, "weight": 0.5},
        {"root": spanish, "name": "es", "split": {"dev_speakers": ["03"], "test_speakers": ["04"]}},
        label_space="ekman",
    )
    assert set(found.dev["speaker"]) == {"de/01", "es/03"}
    assert set(found.test["speaker"]) == {"es/04"}
    weights = found.train.groupby(found.train["id"].str[:2])["weight"].unique()
    assert weights["de"].tolist() == [0.5]
    assert weights["es"].tolist() == [1.0]


def test_gender_decides_in_the_space_of_coraa_ser(load, german, spanish):
    found = load({"root": german, "name": "de"}, {"root": spanish, "name": "es"}, label_space="coraa_ser")
    rows = found.train[found.train["label"] != "neutral"]
    expected = rows["id"].str.startswith("de").map({True: "non-neutral-female", False: "non-neutral-male"})
    assert rows["label"].tolist() == expected.tolist()


def test_own_words_come_before_the_space(load, german, spanish):
    found = load(
        {"root": german, "name": "de", "label_map": {"boredom": "neutral", "anger": None}},
        {"root": spanish, "name": "es"},
        label_space="emospeech2024",
    )
    labels = [*found.train["label"], *found.dev["label"]]
    assert labels.count("neutral") == 4 + 4 + 4
    assert labels.count("anger") == 4
    with pytest.raises(UserError, match=r"no clip of audiofolder is labelled fury; there are anger, boredom"):
        load({"root": german, "label_map": {"fury": "anger"}})


def test_words_that_no_map_knows(load, folder):
    root = folder("english", [("happy", "01", "male"), ("angry", "02", "male")] * 4)
    with pytest.raises(UserError, match=r"no map knows the labels angry, happy of audiofolder; say what they are"):
        load({"root": root}, label_space="ekman")
    known = {"happy": "happiness", "angry": "anger"}
    found = load({"root": root, "label_map": known}, label_space="ekman")
    assert {*found.train["label"], *found.dev["label"]} == {"joy", "anger"}


def test_a_head_of_its_own(load, spanish, levels):
    found = load({"root": spanish, "name": "es"}, {"root": levels, "name": "levels", "task": "intensity"})
    assert found.labels == ("anger", "joy", "neutral")
    assert found.further == {"intensity": ("high", "low", "neutral")}
    own = found.train[found.train["id"].str.startswith("levels")]
    assert own["label"].isna().all()
    assert own["intensity"].tolist() == ["low", "neutral", "high", "high"]
    assert not found.dev["id"].str.startswith("levels").any()
    assert found.train.loc[~found.train["id"].str.startswith("levels"), "intensity"].isna().all()


def test_a_corpus_that_only_trains(load, german, spanish):
    found = load({"root": spanish, "name": "es"}, {"root": german, "name": "de", "only_trains": True})
    assert (found.train["corpus"] == "de").sum() == 16
    assert set(found.dev["corpus"]) == {"es"}


def test_a_single_corpus_in_a_label_space(german):
    plain = {
        "name": "r",
        "data": {"corpus": "audiofolder", "root": german, "label_space": "quadrants"},
        "speech": {"encoder": "log_mel_cnn"},
    }
    found = rows_of.load(validate(plain, "test", CHECKS))
    assert found.train["id"].str.match(r"\d\d\.wav").all()
    assert set(found.train["label"]) == {"high-positive", "high-negative", "low-negative"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"name": "a"}, {"name": "a"}], "a is there twice; give each a name of its own"),
        ([{"name": "a", "task": "x"}], "one corpus at least must be without a task"),
        ([{"name": "a"}, {"name": "b", "weight": 0.0}], r"data\.mixture\.1\.weight"),
        ([{"name": "a"}, {"name": "b", "task": "speaker"}], "a task cannot be called 'speaker'"),
        ([{"name": "a", "only_trains": True}, {"name": "b", "task": "x"}], "one corpus at least must steer"),
        ([{"name": "a"}, {"name": "b", "only_trains": True, "split": {"seed": 3}}], "the split of b divides nothing"),
        ([{"name": "a", "corpus": "nothing"}], r"data\.mixture\.0\.corpus: unknown corpus 'nothing'"),
    ],
)
def test_mixtures_that_cannot_be(parts, message, load, spanish):
    with pytest.raises(UserError, match=message):
        load(*({"root": spanish, **part} for part in parts))


def test_what_is_said_of_a_single_corpus_is_not_said_of_a_mixture(load, spanish):
    with pytest.raises(
        UserError, match="mixture: label_map, split beside it is nobody's; give it to the corpora in it"
    ):
        load({"root": spanish}, label_map={"joy": "fear"}, split={"seed": 3}, groups=None)


def test_a_quick_look_is_at_every_corpus(load, german, spanish, levels, capsys):
    found = load(
        {"root": german, "name": "de"},
        {"root": spanish, "name": "es"},
        {"root": levels, "name": "n", "task": "intensity"},
        label_space="ekman",
        limit=2,
    )
    assert found.train["id"].str.split("/").str[0].tolist() == ["de", "de", "es", "es", "n", "n"]
    assert found.dev["id"].str.split("/").str[0].tolist() == ["de", "de", "es", "es"]
    assert "at most 2 rows of each of train, dev and test, of each corpus (data.limit)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("key", "header", "rule"),
    [("file", "id,fold", {"fold": 1}), ("file", "id,split", {}), ("train_file", "id", {})],
)
def test_a_split_of_the_whole_corpus_serves_a_space_with_fewer_classes(
    load, german, spanish, tmp_path, key, header, rule
):
    """Its file names clips of boredom, too, which no space has a place for."""
    parts = ("train", "train", "dev", "test") if "split" in header else (1, 2, 3, 3)
    lines = [f"{k:02d}.wav,{parts[k // 4]}"[: None if "," in header else 6] for k in range(16)]
    (tmp_path / "split.csv").write_text("\n".join([header, *(lines if "," in header else lines[:8])]))
    split = {key: str(tmp_path / "split.csv"), **rule}
    found = load({"root": german, "name": "de", "split": split}, {"root": spanish, "name": "es"}, label_space="ekman")
    german_rows = sum(part["id"].str.startswith("de/").sum() for part in (found.train, found.dev, found.test))
    assert german_rows == 12
    (tmp_path / "split.csv").write_text("\n".join([header, *lines, lines[0].replace("00", "99")]))
    with pytest.raises(UserError, match=r"1 ids are not in the .*: 99\.wav"):
        load({"root": german, "name": "de", "split": split}, {"root": spanish, "name": "es"}, label_space="ekman")


@pytest.mark.parametrize(("labels", "found"), [(["low"], "low"), ([""], "none")])
def test_a_task_of_one_class_is_none(load, spanish, folder, labels, found):
    one = folder("one", [(label, "01", "male") for label in labels * 3])
    with pytest.raises(UserError, match=f"the task intensity needs two labels or more; found: {found}"):
        load({"root": spanish, "name": "es"}, {"root": one, "name": "n", "task": "intensity"})


def test_a_fault_names_its_corpus(load, spanish, folder):
    nothing = folder("nothing", [("", "01", "male")])
    with pytest.raises(UserError, match=r"^de: no row has a label"):
        load({"root": nothing, "name": "de"}, {"root": spanish, "name": "es"})


def test_votes_of_one_corpus_among_several(load, spanish, levels, tmp_path, data_folder):
    voted = tmp_path / "voted"
    voted.mkdir()
    for k in range(4):
        (voted / f"{k}.wav").touch()
    lines = ["0.wav,joy,joy:3 anger:1", "1.wav,anger,", "2.wav,joy,joy:1", "3.wav,anger,anger:2"]
    (voted / "metadata.csv").write_text("\n".join(["file_name,label,votes", *lines]))
    german = {"root": str(data_folder / "emodb"), "corpus": "emodb"}  # whose names tell of no votes
    parts = [{"root": str(voted), "name": "v"}, german, {"root": levels, "name": "n", "task": "intensity"}]
    found = load(*parts, soft_labels="votes", label_space="ekman")
    both = [*found.train[["id", "votes"]].itertuples(index=False), *found.dev[["id", "votes"]].itertuples(index=False)]
    there = {id: text for id, text in both if isinstance(text, str)}
    assert there == {"v/0.wav": "joy:3 anger:1", "v/2.wav": "joy:1", "v/3.wav": "anger:2"}
    with pytest.raises(UserError, match="no corpus of this mixture has a column 'votes'"):
        load({**german, "name": "a"}, {**german, "name": "b"}, soft_labels="votes")


def test_neither_corpus_nor_mixture():
    with pytest.raises(UserError) as refused:
        validate({"name": "r", "data": {}}, "test", CHECKS)
    assert "data.corpus: missing; set it in the recipe or as data.corpus=… on the command line, or give" in str(
        refused.value
    )


def test_a_mixture_takes_the_place_of_the_corpus_below(load, spanish):
    found = load({"root": spanish}, corpus="emospeech2024", root="/nowhere")
    assert len(found.train)


def test_new_rows_are_scored_in_the_words_of_the_run(german, capsys):
    spaced = {"label_space": "emospeech2024", "label_map": {"boredom": "neutral"}}
    plain = {
        "name": "r",
        "data": {"corpus": "audiofolder", "root": german, **spaced},
        "speech": {"encoder": "log_mel_cnn"},
    }
    recipe = validate(plain, "test", CHECKS)
    words = ["happiness", "boredom", "surprise", "joy", None]
    new = manifest.make(id=list("abcde"), label=words, corpus=["audiofolder"] * 5)
    found = mixture.as_trained(new, recipe)
    assert found["id"].tolist() == ["a", "b", "d", "e"]
    assert found["label"].fillna("").tolist() == ["joy", "neutral", "joy", ""]
    assert "1 of 5 clips of this manifest have no place in emospeech2024: 1 surprise" in capsys.readouterr().err
    own = validate(plain | {"data": {"corpus": "audiofolder", "root": german}}, "test", CHECKS)
    assert mixture.as_trained(new, own) is new
