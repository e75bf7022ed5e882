"""Splits as laws: complete, disjoint, even, decided by the seed and not by the order of rows; and on real corpora."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.corpora import audiofolder, emospeech2024
from emospeech.data import folds, manifest
from emospeech.data.folds.assign import hold_out, k_fold, leave_one_out
from emospeech.runtime.errors import UserError

quick = settings(deadline=None, max_examples=60)
LABELS = ["neutral", "joy", "fear", "anger"]
rows = st.lists(st.tuples(st.sampled_from(LABELS), st.integers(0, 9)), min_size=6, max_size=80)


def columns(drawn):
    """ids, labels, groups; the ids are not in the order of the rows."""
    ids = [f"{(k * 37) % 101:03d}" for k in range(len(drawn))]
    return ids, [label for label, _ in drawn], [f"v{group}" for _, group in drawn]


def shuffled(seed, *lists):
    order = np.random.default_rng(seed).permutation(len(lists[0]))
    return order, [[values[k] for k in order] for values in lists]


def counts(parts, labels):
    return pd.crosstab(np.asarray(parts), np.asarray(labels))


# -- k-fold ------------------------------------------------------------------------------------------------------


@quick
@given(rows, st.integers(2, 6), st.integers(0, 99))
def test_stratified_folds_are_even(drawn, number, seed):
    ids, labels, _ = columns(drawn)
    parts = k_fold(ids, labels, None, number, seed)
    assert set(parts) == set(range(1, number + 1))
    sizes = np.bincount(parts)[1:]
    assert sizes.max() - sizes.min() <= 1
    for label, count in Counter(labels).items():
        held = np.bincount(parts[np.array(labels) == label], minlength=number + 1)[1:]
        assert held.max() - held.min() <= 1
        assert (held > 0).sum() == min(count, number)
    order, (ids_, labels_) = shuffled(seed, ids, labels)
    np.testing.assert_array_equal(k_fold(ids_, labels_, None, number, seed), parts[order])


def test_stratified_folds_have_the_class_counts_of_scikit_learn():
    from sklearn.model_selection import StratifiedKFold

    labels = np.random.default_rng(0).choice(LABELS, size=403, p=[0.6, 0.25, 0.05, 0.1])
    ours = k_fold([f"{k:03d}" for k in range(403)], labels.tolist(), None, 5)
    theirs = np.empty(403, dtype=int)
    for number, (_, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(labels, labels)):
        theirs[test] = number
    for label in LABELS:
        assert sorted(counts(ours, labels)[label]) == sorted(counts(theirs, labels)[label])


@quick
@given(rows.filter(lambda drawn: len({group for _, group in drawn}) >= 3), st.integers(2, 3), st.integers(0, 99))
def test_groups_are_in_one_fold(drawn, number, seed):
    ids, labels, groups = columns(drawn)
    parts = k_fold(ids, labels, groups, number, seed)
    assert set(parts) == set(range(1, number + 1))  # no fold is empty
    assert all(len(set(parts[np.array(groups) == group])) == 1 for group in groups)
    order, (ids_, labels_, groups_) = shuffled(seed, ids, labels, groups)
    np.testing.assert_array_equal(k_fold(ids_, labels_, groups_, number, seed), parts[order])


def unevenness(parts, labels, number):
    """The worst of all classes and folds: |rows - even share| as a share of the class."""
    table = counts(parts, labels)
    return ((table - table.sum() / number).abs() / table.sum()).to_numpy().max()


@pytest.mark.parametrize("seed", range(4))
def test_grouped_folds_are_at_least_as_even_as_those_of_scikit_learn(seed):
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(seed)
    groups = rng.integers(40, size=600)
    # a class to a video, mostly, as in what people upload
    labels = np.where(rng.random(600) < 0.8, np.array(LABELS)[groups % 4], rng.choice(LABELS, size=600))
    ours = k_fold([str(k) for k in range(600)], labels.tolist(), groups.astype(str).tolist(), 5, seed)
    theirs = []
    for other in range(10):
        parts = np.empty(600, dtype=int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=other)
        for number, (_, test) in enumerate(splitter.split(labels, labels, groups)):
            parts[test] = number
        theirs.append(unevenness(parts, labels, 5))
    assert unevenness(ours, labels, 5) <= min(theirs) + 0.01


def test_another_seed_draws_other_folds():
    ids, labels = [f"{k:03d}" for k in range(120)], ["joy", "fear", "anger"] * 40
    groups = [f"s{k // 12}" for k in range(120)]
    for known in (None, groups):
        drawn = {tuple(k_fold(ids, labels, known, 5, seed)) for seed in range(5)}
        assert len(drawn) == 5


def test_too_few():
    with pytest.raises(UserError, match="5 folds need 5 groups or more; there are 2: s1, s2"):
        k_fold(["a", "b", "c"], ["joy"] * 3, ["s1", "s2", "s2"], 5)
    with pytest.raises(UserError, match="5 folds need 5 rows or more; there are 3"):
        k_fold(["a", "b", "c"], ["joy"] * 3, None, 5)
    with pytest.raises(UserError, match="1 folds: two or more"):
        k_fold(["a", "b", "c"], ["joy"] * 3, None, 1)
    with pytest.raises(UserError, match=r"two speakers \(or groups\) or more; there is 1: s1"):
        leave_one_out(["a", "b"], ["joy", "fear"], ["s1", "s1"])


# -- leave one out, hold-out --------------------------------------------------------------------------------------


@quick
@given(rows.filter(lambda drawn: len({group for _, group in drawn}) >= 2))
def test_leave_one_out(drawn):
    ids, labels, groups = columns(drawn)
    parts = leave_one_out(ids, labels, groups)
    names = sorted(set(groups))
    assert [names[part - 1] for part in parts] == groups


@quick
@given(rows, st.floats(0, 0.4), st.floats(0.05, 0.4), st.integers(0, 99))
def test_hold_out(drawn, dev, test, seed):
    ids, labels, _ = columns([*drawn, *[("neutral", 0), ("neutral", 1)] * 3])
    parts = hold_out(ids, labels, None, dev, test, seed)
    assert set(parts) == {"train", "test"} | ({"dev"} if dev else set())
    for label, count in Counter(labels).items():
        held = Counter(parts[np.array(labels) == label])
        assert held["train"] >= 1  # each class trains
        assert abs(held["test"] - test * count) <= 1
        assert abs(held["dev"] - dev * count) <= 2
    order, (ids_, labels_) = shuffled(seed, ids, labels)
    np.testing.assert_array_equal(hold_out(ids_, labels_, None, dev, test, seed), parts[order])


@quick
@given(rows.filter(lambda drawn: len({group for _, group in drawn}) >= 3), st.integers(0, 99))
def test_hold_out_of_groups(drawn, seed):
    ids, labels, groups = columns(drawn)
    parts = hold_out(ids, labels, groups, 0.2, 0.2, seed)
    assert set(parts) == {"train", "dev", "test"}
    assert all(len(set(parts[np.array(groups) == group])) == 1 for group in groups)
    order, (ids_, labels_, groups_) = shuffled(seed, ids, labels, groups)
    np.testing.assert_array_equal(hold_out(ids_, labels_, groups_, 0.2, 0.2, seed), parts[order])


def test_hold_out_of_groups_meets_its_shares():
    rng = np.random.default_rng(0)
    groups = rng.integers(80, size=1200).astype(str)
    labels = rng.choice(LABELS, size=1200, p=[0.6, 0.2, 0.05, 0.15])
    parts = hold_out([str(k) for k in range(1200)], labels.tolist(), groups.tolist(), 0.1, 0.25)
    for label in LABELS:
        held = parts[labels == label]
        assert np.mean(held == "dev") == pytest.approx(0.1, abs=0.03)
        assert np.mean(held == "test") == pytest.approx(0.25, abs=0.03)


def test_a_class_of_one_group_trains():
    """All of `fear` is from one recording of eight: in dev or test it could only be got wrong."""
    groups = [f"g{k // 5}" for k in range(40)]
    labels = ["joy" if k % 2 else "anger" for k in range(40)]
    labels[5:10] = ["fear"] * 5
    for seed in range(10):
        assert set(hold_out([f"{k:02d}" for k in range(40)], labels, groups, 0.2, 0.2, seed)[5:10]) == {"train"}


@pytest.mark.parametrize(("dev", "test"), [(0.5, 0.5), (-0.1, 0.5), (0, 0), (float("nan"), 0.2), (0.2, float("inf"))])
def test_shares_that_cannot_be(dev, test):
    with pytest.raises(UserError, match="each is 0 or more, both together less than 1"):
        hold_out(["a", "b"], ["joy", "joy"], None, dev, test)


def test_a_hold_out_of_too_few():
    with pytest.raises(UserError, match="2 rows are too few for a test set"):
        hold_out(["a", "b"], ["joy", "fear"], None, 0.2, 0.2)
    with pytest.raises(UserError, match=r"3 parts \(train, dev, test\) need 3 groups or more; there are 2"):
        hold_out(["a", "b"], ["joy", "fear"], ["v", "w"], 0.2, 0.2)


# -- from a manifest -----------------------------------------------------------------------------------------------


def small(**columns):
    base = {"id": list("abcdefgh"), "label": ["joy", "fear"] * 4}
    return manifest.make(**{**base, **columns})


def test_what_is_kept_together(capsys):
    speakers, groups = ["s1", "s2", "s3", "s4"] * 2, ["v1"] * 2 + ["v2"] * 2 + ["v3"] * 2 + ["v4", None]
    assert folds.draw(small(), "k-fold", options={"folds": 2}).origin.by == "none"
    assert "no group and no speaker is known" in capsys.readouterr().err
    assert folds.draw(small(speaker=speakers), "k-fold", options={"folds": 2}).origin.by == "speaker"
    assert capsys.readouterr().err == ""
    both = small(speaker=speakers, group=groups)
    drawn = folds.draw(both, "k-fold", options={"folds": 2})
    assert "1 of 8 rows have no group; each of them counts as one of its own" in capsys.readouterr().err
    assert drawn.origin == folds.Origin("k-fold", "group", {"folds": 2, "seed": 0})
    assert all(drawn.parts[pair[0]] == drawn.parts[pair[1]] for pair in ("ab", "cd", "ef"))
    assert folds.draw(both, "loso").origin.by == "speaker"
    assert folds.draw(both, "loso", "group").parts.nunique() == 5  # four groups, and the row without one


def test_rows_without_a_label_are_left_out(capsys):
    drawn = folds.draw(small(label=["joy", "fear"] * 3 + [None, None]), "k-fold", "none", {"folds": 2})
    assert drawn.parts.index.tolist() == list("abcdef")
    assert "2 of 8 rows have no label" in capsys.readouterr().err
    with pytest.raises(UserError, match="no row has a label"):
        folds.draw(small(label=[None] * 8), "k-fold")


def test_what_cannot_be_drawn():
    with pytest.raises(UserError, match=r"unknown by 'video'(.|\n)*unknown kind 'kfold'; known: k-fold, loso, holdout"):
        folds.draw(small(), "kfold", "video")
    with pytest.raises(UserError, match="loso has no option folds; it has none"):
        folds.draw(small(), "loso", options={"folds": 3})
    with pytest.raises(UserError, match="no row has a speaker"):
        folds.draw(small(), "loso")
    with pytest.raises(UserError, match="split by speaker or by group"):
        folds.draw(small(), "loso", "none")
    with pytest.raises(UserError, match="k-fold by speaker: 5 folds need 5 groups or more; there are 2"):
        folds.draw(small(speaker=["s1", "s2"] * 4), "k-fold")


def test_what_a_split_gives():
    """By hand: four rows of `joy` and `fear` each, `fear` in one fold alone, one group on both sides."""
    table = small(
        label=["joy", "joy", "fear", "fear", "joy", "joy", "fear", "fear"],
        group=["v1", "v1", "v2", "v2", "v1", "v3", None, "v2"],
    )
    parts = pd.Series([1, 1, 2, 2, 2, 1, 2, 2], index=list("abcdefgh"), name="fold")
    given = folds.summarise(parts, table)
    assert [(part.name, part.rows, part.groups, part.classes) for part in given.parts] == [
        ("1", 3, 2, {"fear": 0, "joy": 3}),
        ("2", 5, 2, {"fear": 4, "joy": 1}),
    ]
    (overlap,) = given.overlaps
    assert (overlap.column, overlap.shared, overlap.of, overlap.leaks, overlap.unknown) == (
        "group",
        1,
        3,
        {"1": 2, "2": 1},
        1,
    )
    (rare,) = given.rare
    assert (rare.label, rare.rows, rare.absent, rare.untrained) == ("fear", 4, ("1",), "2")
    told = folds.lines(given)
    assert told[0] == "fold  rows  speakers  groups  fear  joy"
    assert "groups: 1 of 3 in two folds or more; 3 of 8 rows have theirs in the training rows of their fold" in told[4]
    assert told[5] == "rare: fear, 4 rows, none in fold 1; nothing to train it on when fold 2 is tested"


def test_what_a_hold_out_gives():
    table = small(speaker=["s1", "s2", "s3", "s4", "s1", "s2", "s3", "s3"])
    parts = pd.Series(
        ["train", "train", "dev", "test", "test", "train", "dev", "test"], index=list("abcdefgh"), name="split"
    )
    given = folds.summarise(parts, table)
    assert [part.name for part in given.parts] == ["train", "dev", "test"]
    assert given.overlaps[0].leaks == {"test": 1}  # s1; that s3 is in dev and test is not a leak from train
    assert [(rare.label, rare.absent, rare.untrained) for rare in given.rare] == [("fear", ("dev",), None)]
    alone = folds.summarise(parts.iloc[:4], small(label=["joy", "joy", "fear", "fear"] * 2))
    assert [(rare.label, rare.absent, rare.untrained) for rare in alone.rare] == [
        ("fear", ("train",), "train"),
        ("joy", ("dev", "test"), None),
    ]


def test_a_given_split_of_rows_without_labels():
    parts = pd.Series(["train", "test"], index=["a", "b"], name="split")
    given = folds.summarise(parts, manifest.make(id=["a", "b"]))
    assert [(part.rows, part.classes) for part in given.parts] == [(1, {}), (1, {})]
    assert folds.lines(given)[0] == "split  rows  speakers  groups"


# -- real corpora --------------------------------------------------------------------------------------------------


def test_one_fold_a_speaker(data_folder):
    if not (data_folder / "es_acted" / "metadata.csv").is_file():
        pytest.skip("es_acted is not at hand")
    acted = audiofolder.index(data_folder / "es_acted")
    drawn = folds.draw(acted, "loso")
    given = folds.summarise(drawn.parts, acted)
    assert [part.only for part in given.parts] == [f"s{k:02d}" for k in range(14)]
    assert len(drawn.parts) == 1153
    assert given.overlaps[0].shared == 0
    assert given.rare == ()


def test_speakers_of_emodb_in_five_folds(data_folder):
    if not (data_folder / "emodb" / "wav").is_dir():
        pytest.skip("EMO-DB is not at hand")
    names = sorted(path.name for path in (data_folder / "emodb" / "wav").iterdir())
    table = manifest.make(id=names, label=[name[5] for name in names], speaker=[name[:2] for name in names])
    given = folds.summarise(folds.draw(table, "k-fold").parts, table)
    assert [part.speakers for part in given.parts] == [2] * 5
    assert sum(part.rows for part in given.parts) == 535
    assert given.overlaps[0].shared == 0
    assert given.rare == ()  # no fold is without one of the seven emotions


@pytest.fixture(scope="module")
def challenge_with_videos(data_folder):
    corpus, tables = data_folder / "emospeech2024", data_folder / "meacorpus2023"
    if not (corpus / emospeech2024.TRAIN_TABLE).is_file() or not tables.is_dir():
        pytest.skip("the tables of EmoSPeech and MEACorpus are not at hand")
    clips = pd.read_csv(tables / "spanish-meacorpus-2023-dataset.csv")["filename"]
    videos = pd.read_csv(tables / "dataset_with_video_keys.csv")["youtube_key"]  # the same rows in the same order
    table = emospeech2024.index(corpus)
    return table.assign(group=table["id"].map(dict(zip(clips, videos, strict=True))))


def test_five_folds_by_video(challenge_with_videos):
    """23 clips of `fear`, from eleven videos."""
    drawn = folds.draw(challenge_with_videos, "k-fold", "group")
    given = folds.summarise(drawn.parts, challenge_with_videos)
    assert given.overlaps[0].shared == 0
    assert [part.rows for part in given.parts] == [600] * 5
    assert sorted(part.classes["fear"] for part in given.parts) == [4, 4, 5, 5, 5]
    for label in given.parts[0].classes:
        held = [part.classes[label] for part in given.parts]
        assert max(held) - min(held) <= 2


def test_more_folds_than_videos_with_fear(challenge_with_videos):
    given = folds.summarise(
        folds.draw(challenge_with_videos, "k-fold", "group", {"folds": 20}).parts, challenge_with_videos
    )
    (rare,) = given.rare
    assert (rare.label, rare.rows, len(rare.absent), rare.untrained) == ("fear", 23, 9, None)


def test_folds_that_do_not_look_at_videos(challenge_with_videos):
    """The figure of docs/splits.md."""
    given = folds.summarise(folds.draw(challenge_with_videos, "k-fold", "none").parts, challenge_with_videos)
    assert sum(given.overlaps[0].leaks.values()) == 1387


def test_the_winners_dev_set_shares_videos_with_its_training_set(challenge_with_videos, data_folder):
    files = {"train": "train_split.csv", "dev": "dev_split.csv"}
    parts = folds.read({name: data_folder / "emospeech2024" / file for name, file in files.items()})
    assert parts.value_counts().to_dict() == {"train": 2520, "dev": 480}
    assert folds.summarise(parts, challenge_with_videos).overlaps[0].leaks == {"dev": 221}


# -- files ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path):
    table = small(speaker=["s1", "s2", "s3", "s4"] * 2, corpus=["emodb"] * 8)
    manifest.write(table, tmp_path / "manifest.csv")
    return table, folds.draw(table, "k-fold", "speaker", {"folds": 2}), tmp_path


@pytest.mark.parametrize(("form", "name"), [("csv", "splits.csv"), ("emobox", "splits")])
@pytest.mark.parametrize("kind", ["k-fold", "holdout"])
def test_what_is_written_is_read(drawn, form, name, kind):
    table, _, folder = drawn
    options = {"folds": 3} if kind == "k-fold" else {"dev": 0.25, "test": 0.25}
    split = folds.draw(table, kind, "speaker", options)
    folds.write(split, table, folder / "manifest.csv", folder / name, form)
    pd.testing.assert_series_equal(folds.read(folder / name, table["id"].tolist()), split.parts, check_index_type=False)
    about = json.loads((folder / ("splits.json" if form == "csv" else "splits/split.json")).read_text())
    assert (about["kind"], about["by"]) == (kind, "speaker")
    assert about["options"].items() >= options.items()
    assert len(about["manifest_sha256"]) == 64
    with pytest.raises(UserError, match="exists already"):
        folds.write(split, table, folder / "manifest.csv", folder / name, form)


def test_the_folder_is_emoboxs(drawn):
    table, split, folder = drawn
    folds.write(split, table, folder / "manifest.csv", folder / "box", "emobox")
    found = sorted(
        path.relative_to(folder / "box").as_posix() for path in (folder / "box").rglob("*") if path.is_file()
    )
    each = [f"fold_{k}/emodb_{part}_fold_{k}.jsonl" for k in (1, 2) for part in ("test", "train")]
    assert found == ["emodb.jsonl", *each, "label_map.json", "split.json"]
    clips = [json.loads(line) for line in (folder / "box" / each[0]).read_text().splitlines()]
    assert [clip["key"] for clip in clips] == [f"emodb-{id}" for id in split.parts.index[split.parts == 1]]
    assert set(clips[0]) == {
        "key", "dataset", "wav", "type", "sample_rate", "num_frame", "task", "length", "emo", "channel"
    }  # fmt: skip


def test_a_folder_names_what_is_heard(tmp_path, make_tone):
    import soundfile

    (tmp_path / "sound").mkdir()
    soundfile.write(tmp_path / "sound" / "a.wav", make_tone("joy", 0), 22_050)
    table = manifest.make(id=["a", "b"], label=["joy", "fear"], audio=[str(tmp_path / "sound" / "a.wav"), None])
    manifest.write(table, tmp_path / "manifest.csv")
    folds.write(
        folds.draw(table, "k-fold", options={"folds": 2}),
        table,
        tmp_path / "manifest.csv",
        tmp_path / "my box",
        "emobox",
    )
    a, b = (json.loads(line) for line in (tmp_path / "my box" / "my_box.jsonl").read_text().splitlines())
    assert (a["wav"], a["sample_rate"], a["channel"]) == ("../sound/a.wav", 22_050, 1)
    assert a["num_frame"] / 22_050 == pytest.approx(a["length"])
    assert b["wav"] is None


def emobox(folder, **files):
    """`fold_1_test="a b"` and the like, as EmoBox publishes EMO-DB."""
    for name, keys in files.items():
        _, fold, part = name.split("_")
        path = folder / f"fold_{fold}" / f"emodb_{part}_fold_{fold}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        clips = [
            {"key": f"emodb-{key}", "dataset": "emodb", "wav": f"downloads/emodb/wav/{key}.wav"} for key in keys.split()
        ]
        path.write_text("".join(json.dumps(clip) + "\n" for clip in clips))
    return folder


def test_published_folds_find_the_rows_of_a_manifest(tmp_path, capsys):
    folder = emobox(
        tmp_path,
        fold_1_train="03a01Wa 03a01Na",
        fold_1_test="08a01Wa",
        fold_2_train="08a01Wa",
        fold_2_test="03a01Wa 03a01Na",
    )
    (folder / "fold_1" / "emodb_train_fold1.jsonl").write_text("an older name, which is left alone")
    ids = ["wav/03a01Na.flac", "03a01Wa.wav", "08a01Wa"]
    assert folds.read(folder, ids).to_dict() == {ids[0]: 2, ids[1]: 2, ids[2]: 1}
    assert folds.read(folder).to_dict() == {"08a01Wa": 1, "03a01Wa": 2, "03a01Na": 2}
    one = emobox(tmp_path / "one", fold_1_train="a b", fold_1_valid="c", fold_1_test="d")
    assert folds.read(one, list("abcd")).tolist() == ["train", "train", "dev", "test"]
    assert capsys.readouterr().err == ""
    emobox(folder, fold_2_valid="08a01Wa", fold_2_train="")
    assert folds.read(folder, ids).tolist() == [2, 2, 1]
    assert "dev sets of their own" in capsys.readouterr().err


def test_faults_of_published_folds_are_told_together(tmp_path):
    folder = emobox(
        tmp_path, fold_1_train="a b", fold_1_test="b c", fold_2_train="c d", fold_2_test="b", fold_3_test="a"
    )
    with (folder / "fold_1" / "emodb_train_fold_1.jsonl").open("a") as stream:
        stream.write("[1, 2]\nnot json\n")
    with pytest.raises(UserError) as error:
        folds.read(folder, ["a", "b", "c", "e"])
    for expected in (
        "emodb_train_fold_1.jsonl, line 3: not a JSON object with a key",
        "emodb_train_fold_1.jsonl, line 4: not a JSON object with a key",
        "fold 3 has no file for train",
        "1 keys are tested in no fold: emodb-d",
        "fold 1: 1 keys are trained on and tested: emodb-b",
        "fold 2: 1 keys are neither trained on nor tested: emodb-a",
        "1 ids are there twice: b (fold 1, 2)",
        "1 ids of the manifest are in no fold: e",
    ):
        assert expected in str(error.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="expected a folder in EmoBox's layout"):
        folds.read(tmp_path / "empty")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "id,fold\na,1\nb,2\nb,1\nx,2\n",
            ["1 ids are there twice: b (fold 1, 2)", "not in the manifest: x", "in no fold: c"],
        ),
        ("id,fold\na,one\nb,0\nc,\n", ["line 2: fold 'one' is not", "line 3: fold '0' is not", "line 4: no fold"]),
        ("id,fold\na,1\nb,1\nc,3\n", ["no id is in fold 2, and the highest fold is 3"]),
        ("id,fold\na,1\nb,1\nc,1\n", ["all ids are in one fold"]),
        ("id,split\na,train\nb,val\nc,test\n", ["line 3: unknown split 'val'; known: train, dev, test"]),
        ("id,split,fold\na,train,1\n", ["both columns; a split has id,fold or id,split"]),
        ("id,label\na,joy\n", ["neither column (found: id, label)"]),
        ("id,fold\n", ["no rows"]),
    ],
)
def test_faults_of_a_file_are_told_together(tmp_path, text, expected):
    (tmp_path / "splits.csv").write_text(text)
    with pytest.raises(UserError) as error:
        folds.read(tmp_path / "splits.csv", ["a", "b", "c"])
    for sentence in expected:
        assert sentence in str(error.value)


def test_what_must_be_in_a_split(tmp_path):
    (tmp_path / "splits.csv").write_text("id,fold\nb,2\na,1\n")
    assert folds.read(tmp_path / "splits.csv").index.tolist() == ["b", "a"]
    assert folds.read(tmp_path / "splits.csv", ["a", "b", "c"], required=["a"]).to_dict() == {"a": 1, "b": 2}
    with pytest.raises(UserError, match="1 ids of the manifest are in no fold: c"):
        folds.read(tmp_path / "splits.csv", ["a", "b", "c"])


def test_files_of_ids(tmp_path):
    for name, text in {"train": "id\na\nb\n", "dev": "id,label\nb,joy\nc,joy\n"}.items():
        (tmp_path / f"{name}.csv").write_text(text)
    files = {name: tmp_path / f"{name}.csv" for name in ("train", "dev")}
    with pytest.raises(UserError, match=r"there twice: b \(split dev, train\)"):
        folds.read(files)
    (tmp_path / "dev.csv").write_text("id,label\nc,joy\n")
    assert folds.read(files, ["c", "b", "a"]).to_dict() == {"c": "dev", "b": "train", "a": "train"}
