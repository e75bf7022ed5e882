"""From a recipe's data section to train, dev and test."""

import pandas as pd
import pytest

from emospeech.config import Data, Recipe, Split
from emospeech.data import manifest
from emospeech.experiments import rows as rows_of
from emospeech.experiments.rows import dividing
from emospeech.runtime.errors import UserError

LABELS = ["joy", "fear", "anger"]


@pytest.fixture
def corpus():
    """Sixty labelled rows of six speakers, and six unlabelled test rows."""
    labelled = manifest.make(
        id=[f"r{k:02d}" for k in range(60)],
        label=[LABELS[k % 3] for k in range(60)],
        speaker=[f"s{k // 10}" for k in range(60)],
    )
    test = manifest.make(id=[f"t{k}" for k in range(6)], split=["test"] * 6)
    return pd.concat([labelled, test], ignore_index=True)


@pytest.fixture
def split(tmp_path):
    def split(frame, **rules):
        return dividing.split(frame, Split(**rules), tmp_path)

    return split


def ids(frame, part):
    return frame.loc[frame["split"] == part, "id"].tolist()


def parts_of(frame):
    return {name: set(frame.loc[frame["split"] == name, "speaker"].dropna()) for name in ("train", "dev", "test")}


# -- drawn -------------------------------------------------------------------------------------------------------


def test_by_default_speakers_are_not_shared(corpus, split, capsys):
    found = split(corpus)
    parts = parts_of(found)
    assert parts["dev"]
    assert not parts["train"] & parts["dev"]
    assert len(ids(found, "dev")) == 10
    assert len(ids(found, "train")) == 50
    assert ids(found, "test") == [f"t{k}" for k in range(6)]
    assert capsys.readouterr().err == "dev set: 10 of 60 labelled rows drawn, stratified, disjoint by speaker, seed 0\n"


def test_recordings_come_before_speakers(corpus, split, capsys):
    corpus = corpus.assign(group=[f"v{k % 12}" for k in range(66)])
    found = split(corpus)
    dev, train = (set(found.loc[found["split"] == name, "group"]) for name in ("dev", "train"))
    assert not dev & train
    assert "disjoint by group" in capsys.readouterr().err


def test_disjoint_none_draws_by_class_alone(corpus, split, capsys):
    found = split(corpus, disjoint="none", dev_fraction=0.2)
    dev = found[found["split"] == "dev"]
    assert dev["label"].value_counts().to_dict() == dict.fromkeys(LABELS, 4)
    assert "stratified, seed 0" in capsys.readouterr().err


def test_the_seed_of_the_split_decides(corpus, split):
    one, same, other = (ids(split(corpus, disjoint="none", seed=k), "dev") for k in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("disjoint", ["group", "speaker"])
def test_disjoint_by_what_the_corpus_does_not_know(disjoint, corpus, split):
    """Else a protocol that was asked for would quietly not be kept."""
    with pytest.raises(UserError, match=rf"data\.split\.disjoint={disjoint}, but no row to split has a {disjoint}"):
        split(corpus.assign(speaker=pd.NA, group=pd.NA), disjoint=disjoint)


def test_one_speaker_cannot_be_disjoint(corpus, split):
    with pytest.raises(UserError, match=r"all rows belong to one group.*allow it with data\.split\.disjoint=none"):
        split(corpus.assign(speaker="s0"))


def test_nothing_is_labelled(corpus, split):
    with pytest.raises(UserError, match="no row has a label"):
        split(corpus.assign(label=pd.NA))


def test_dev_is_drawn_from_a_corpus_with_train_and_test_only(corpus, split):
    corpus = corpus.assign(split=corpus["split"].fillna("train"))
    corpus.loc[corpus["speaker"] == "s5", "split"] = "test"
    found = split(corpus)
    assert parts_of(found)["test"] == {"s5"}
    assert len(ids(found, "dev")) == 10
    assert len(ids(found, "train")) == 40


# -- the corpus's own --------------------------------------------------------------------------------------------


def test_the_corpus_own_split_is_kept(corpus, split):
    own = corpus.assign(split=["train"] * 40 + ["dev"] * 20 + ["test"] * 6)
    pd.testing.assert_frame_equal(split(own), own.assign(split=own["split"].astype(object)), check_dtype=False)


def test_beside_a_dev_set_all_other_labelled_rows_train(corpus, split):
    found = split(corpus.assign(split=[None] * 40 + ["dev"] * 20 + ["test"] * 6))
    assert len(ids(found, "train")) == 40


def test_rows_without_a_label_neither_train_nor_steer(corpus, split, capsys):
    own = corpus.assign(split=["train"] * 40 + ["dev"] * 20 + ["test"] * 6)
    own.loc[[0, 45], "label"] = pd.NA
    found = split(own)
    assert len(ids(found, "train")) == 39
    assert len(ids(found, "dev")) == 19
    assert "note: 2 rows of train and dev have no label and are left out: r00, r45" in capsys.readouterr().err


# -- by speakers -------------------------------------------------------------------------------------------------


def test_by_speakers(corpus, split):
    found = split(corpus, dev_speakers=["s1"], test_speakers=["s4", "s5"])
    parts = parts_of(found)
    assert parts == {"train": {"s0", "s2", "s3"}, "dev": {"s1"}, "test": {"s4", "s5"}}


def test_test_speakers_alone_leave_dev_to_be_drawn(corpus, split):
    parts = parts_of(split(corpus, test_speakers=["s4", "s5"]))
    assert parts["test"] == {"s4", "s5"}
    assert len(parts["dev"]) == 1
    assert len(parts["train"]) == 3


def test_unknown_and_doubled_speakers(corpus, split):
    with pytest.raises(UserError) as error:
        split(corpus, dev_speakers=["s1", "s9"], test_speakers=["s1"])
    assert str(error.value).splitlines() == [
        "data.split (speakers of this corpus: s0, s1, s2, s3, s4, s5)",
        "  - unknown speaker 's9'",
        "  - speaker 's1' is in dev_speakers and in test_speakers",
    ]


def test_all_speakers_taken(corpus, split):
    with pytest.raises(UserError, match="leaves no labelled row for train"):
        split(corpus, dev_speakers=["s0", "s1", "s2"], test_speakers=["s3", "s4", "s5"])


# -- by files ----------------------------------------------------------------------------------------------------


@pytest.fixture
def id_file(tmp_path):
    def id_file(name, numbers):
        (tmp_path / name).write_text("id\n" + "".join(f"r{k:02d}\n" for k in numbers))
        return name

    return id_file


def test_by_two_files(corpus, split, id_file, capsys):
    found = split(corpus, train_file=id_file("a.csv", range(30)), dev_file=id_file("b.csv", range(40, 45)))
    assert ids(found, "train") == [f"r{k:02d}" for k in range(30)]
    assert ids(found, "dev") == [f"r{k:02d}" for k in range(40, 45)]
    assert len(ids(found, "test")) == 6
    # rows that neither file names were left out on purpose: they must not train
    assert "note: 25 labelled rows are in no part of the split and are left out" in capsys.readouterr().err


@pytest.mark.parametrize(("key", "other"), [("train_file", "dev"), ("dev_file", "train")])
def test_by_one_file(key, other, corpus, split, id_file):
    found = split(corpus, **{key: id_file("a.csv", range(30))})
    assert ids(found, key.removesuffix("_file")) == [f"r{k:02d}" for k in range(30)]
    assert ids(found, other) == [f"r{k:02d}" for k in range(30, 60)]


def test_files_come_before_the_corpus_own_split(corpus, split, id_file):
    own = corpus.assign(split=["dev"] * 40 + ["train"] * 20 + ["test"] * 6)
    found = split(own, train_file=id_file("a.csv", range(30)), dev_file=id_file("b.csv", range(50, 60)))
    assert ids(found, "train") == [f"r{k:02d}" for k in range(30)]
    assert ids(found, "dev") == [f"r{k:02d}" for k in range(50, 60)]


def test_files_that_do_not_fit(corpus, split, id_file, tmp_path):
    (tmp_path / "x.csv").write_text("id\nr00\nzzz\n")
    with pytest.raises(UserError, match=r"x\.csv: 1 ids are not in the corpus: zzz"):
        split(corpus, train_file="x.csv")
    with pytest.raises(UserError, match=r"no file .*absent\.csv; expected a split file"):
        split(corpus, dev_file="absent.csv")
    with pytest.raises(UserError, match=r"2 ids are in both a\.csv and b\.csv: r08, r09"):
        split(corpus, train_file=id_file("a.csv", range(10)), dev_file=id_file("b.csv", range(8, 20)))


# -- the whole road ----------------------------------------------------------------------------------------------


@pytest.fixture
def recipe(challenge):
    def recipe(root=challenge, corpus="emospeech2024", text=True, speech=True, **data):
        return Recipe(
            name="r",
            data=Data(corpus=corpus, root=str(root), **data),
            text={"encoder": "subword_transformer"} if text else None,
            speech={"encoder": "log_mel_cnn"} if speech else None,
        )

    return recipe


def test_load_a_challenge_folder(recipe):
    found = rows_of.load(recipe())
    assert (len(found.train) + len(found.dev), len(found.test)) == (36, 0)  # the challenge keeps its test labels
    assert len(found.dev) == 6  # one of each class
    assert found.labels == ("neutral", "disgust", "anger", "sadness", "joy", "fear")
    assert found.train.index.tolist() == list(range(len(found.train)))


def test_the_home_folder_may_be_written_as_a_tilde(recipe, challenge, monkeypatch):
    monkeypatch.setenv("HOME", str(challenge.parent))
    assert len(rows_of.load(recipe(root=f"~/{challenge.name}")).dev) == 6


def test_limit(recipe, capsys):
    found = rows_of.load(recipe(limit=5))
    assert (len(found.train), len(found.dev), len(found.test)) == (5, 5, 0)
    err = capsys.readouterr().err
    assert "at most 5 rows of each of train, dev and test (data.limit)" in err
    assert "note: no training row is labelled" in err  # five rows cannot hold six classes


def test_limit_keeps_the_order(recipe):
    whole, quick = rows_of.load(recipe()), rows_of.load(recipe(limit=5))
    assert quick.train["id"].tolist() == whole.train["id"].tolist()[:5]


def test_missing_audio_of_all_parts_is_counted_together(recipe, make_challenge, tmp_path):
    root = make_challenge(tmp_path / "half", train=36, test=12)
    for path in sorted((root / "train_segments").iterdir())[1:]:
        path.unlink()
    with pytest.raises(UserError, match="35 of 48 audio files are missing"):
        rows_of.load(recipe(root))
    assert len(rows_of.load(recipe(root, speech=False)).dev) == 6


def test_the_audio_of_an_unlabelled_test_may_come_later_but_not_by_halves(recipe, make_challenge, tmp_path):
    root = make_challenge(tmp_path / "late", train=36, test=12)
    (root / "test_segments/test0003.mp3").unlink()
    with pytest.raises(UserError, match="1 of 48 audio files are missing"):
        rows_of.load(recipe(root))
    (root / "test_segments").rename(root / "elsewhere")
    assert len(rows_of.load(recipe(root)).dev) == 6
    (root / "train_segments").rename(root / "gone")
    with pytest.raises(
        UserError, match=r"36 of 36 rows have no audio[\s\S]*train_segments/ and test_segments/ in data\.root"
    ):
        rows_of.load(recipe(root))


def test_an_empty_transcript_where_text_is_used(recipe, make_challenge, tmp_path):
    root = make_challenge(tmp_path / "c", train=18, test=6, audio=False)
    path = root / "EmoSPeech_phase_2_test_public.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].split(",")[0] + ","
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"EmoSPeech_phase_2_test_public\.csv, line 4: id test0002\.mp3"):
        rows_of.load(recipe(root, speech=False))


@pytest.fixture
def folder(tmp_path):
    def folder(labels):
        lines = [f"{k}.wav,{label}" for k, label in enumerate(labels)]
        (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
        for k in range(len(labels)):
            (tmp_path / f"{k}.wav").touch()
        return tmp_path

    return folder


def test_labels_of_a_folder_are_those_that_it_has(recipe, folder):
    found = rows_of.load(recipe(folder(["joy", "boredom"] * 5), "audiofolder", text=False))
    assert found.labels == ("boredom", "joy")


def test_labels_of_the_recipe_decide_the_order(recipe, folder):
    root = folder(["joy", "boredom"] * 5)
    found = rows_of.load(recipe(root, "audiofolder", text=False, labels=["joy", "fear", "boredom"]))
    assert found.labels == ("joy", "fear", "boredom")
    with pytest.raises(UserError, match=r"5 rows have a label outside joy, fear\n  - metadata\.csv, line 3: unknown"):
        rows_of.load(recipe(root, "audiofolder", text=False, labels=["joy", "fear"]))
    with pytest.raises(UserError, match=r"data\.labels names a label twice: joy, boredom, joy"):
        rows_of.load(recipe(root, "audiofolder", text=False, labels=["joy", "boredom", "joy"]))


def test_one_label_is_no_task(recipe, folder):
    with pytest.raises(UserError, match="needs two labels or more; found: joy"):
        rows_of.load(recipe(folder(["joy"] * 8), "audiofolder", text=False))


def test_text_where_the_corpus_has_none(recipe, folder):
    with pytest.raises(UserError, match="no row has a transcription"):
        rows_of.load(recipe(folder(["joy", "fear"] * 5), "audiofolder"))


def test_the_real_challenge_tables(recipe, data_folder):
    if not (data_folder / "emospeech2024").is_dir():
        pytest.skip(f"the challenge's tables are not in {data_folder}")
    found = rows_of.load(recipe(data_folder / "emospeech2024", speech=False))
    assert (len(found.train), len(found.dev), len(found.test)) == (2520, 480, 0)
    assert found.train["label"].notna().all()


def test_speaker_lists_leave_the_corpus_own_test_alone(recipe, tmp_path):
    speakers = ["ana", "eva", "luis"]
    lines = [
        f"{k}.wav,{label},{speakers[k % 3]},{'test' if k > 8 else ''}" for k, label in enumerate(["joy", "fear"] * 6)
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,speaker,split", *lines]))
    for k in range(12):
        (tmp_path / f"{k}.wav").touch()
    found = rows_of.load(recipe(tmp_path, "audiofolder", text=False, split={"dev_speakers": ["eva"]}))
    assert set(found.test["id"]) == {"9.wav", "11.wav"}  # 10.wav is eva's, whom the recipe names
    assert not set(found.train["id"]) & {"9.wav", "10.wav", "11.wav"}


def test_real_speakers(recipe, data_folder):
    if not (data_folder / "es_acted").is_dir():
        pytest.skip(f"es_acted is not in {data_folder}")
    rules = {"dev_speakers": ["s10", "s11"], "test_speakers": ["s12", "s13"]}
    found = rows_of.load(recipe(data_folder / "es_acted", "audiofolder", text=False, split=rules))
    assert set(found.dev["speaker"]) == {"s10", "s11"}
    assert set(found.test["speaker"]) == {"s12", "s13"}
    assert len(found.train) + len(found.dev) + len(found.test) == 1153


# -- soft labels -------------------------------------------------------------------------------------------------


@pytest.fixture
def voted(tmp_path, recipe):
    """Rows of a corpus whose clips were labelled by votes, as a recipe with `data.soft_labels` loads them."""

    def load(votes, column="votes", **data):
        lines = [f"{k}.wav,{['joy', 'fear'][k % 2]},{vote}" for k, vote in enumerate(votes)]
        (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,votes", *lines]))
        for k in range(len(votes)):
            (tmp_path / f"{k}.wav").touch()
        return rows_of.load(recipe(tmp_path, "audiofolder", text=False, soft_labels=column, **data))

    return load


def test_votes_come_along_with_their_rows(voted):
    found = voted(["joy:2 fear:1", "", "joy:1", "fear:1"] * 3)
    assert len(found.train) + len(found.dev) == 12
    assert found.train["votes"].notna().sum() + found.dev["votes"].notna().sum() == 9


def test_every_faulty_vote_at_once(voted):
    with pytest.raises(UserError) as error:
        voted(["joy:1", "anger:1", "", "fear:0", "joy:-1 fear:x", "fear:1", "joy", "fear:2"])
    assert str(error.value).splitlines() == [
        "data.soft_labels: 4 rows have votes that cannot be read",
        "  - metadata.csv, line 3: votes 'anger:1': unknown label 'anger'; known: fear, joy",
        "  - metadata.csv, line 5: votes 'fear:0': all votes are 0",
        "  - metadata.csv, line 6: votes 'joy:-1 fear:x': not a number of votes, 0 or more: joy:-1, fear:x",
        "  - metadata.csv, line 8: votes 'joy': cannot read 'joy'; votes are written as joy:3 anger:1",
    ]


def test_a_column_of_votes_that_is_not_there(voted, recipe, challenge):
    with pytest.raises(UserError, match=r"metadata\.csv: no column ballots \(found: file_name, label, votes\)"):
        voted(["joy:1"] * 8, column="ballots")
    with pytest.raises(UserError, match=r"data\.soft_labels: 'label' holds no votes"):
        voted(["joy:1"] * 8, column="label")
    with pytest.raises(UserError, match=r"emospeech2024 has no column 'votes'; a corpus with .* audiofolder"):
        rows_of.load(recipe(challenge, soft_labels="votes"))
