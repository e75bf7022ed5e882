"""Who is tested by whom: every row once, nobody on both sides, and what cannot be drawn."""

import numpy as np
import pandas as pd
import pytest

from emospeech.config import Protocol
from emospeech.corpora import audiofolder, emodb
from emospeech.data import manifest as manifests
from emospeech.experiments.protocols.folds import PROTOCOLS, folds_of
from emospeech.runtime.errors import UserError


@pytest.fixture
def people():
    """24 rows of six speakers in two corpora, in two recordings each."""
    count = 24
    return manifests.make(
        id=[f"{k:02d}" for k in range(count)],
        label=[("joy", "anger")[k % 2] for k in range(count)],
        speaker=[f"s{k // 4}" for k in range(count)],
        group=[f"v{k // 2}" for k in range(count)],
    )


CORPORA = ["one"] * 12 + ["two"] * 12


def of(manifest, **protocol):
    return folds_of(manifest, Protocol(**protocol), CORPORA[: len(manifest)])


def times_tested(folds):
    return np.sum([fold.test for fold in folds], axis=0)


@pytest.mark.parametrize(
    ("protocol", "column", "count"),
    [
        ({"kind": "k-fold", "folds": 3, "by": "speaker"}, "speaker", 3),
        ({"kind": "k-fold", "folds": 4}, "group", 4),
        ({"kind": "k-fold", "folds": 5, "by": "none"}, "id", 5),
        ({"kind": "loso"}, "speaker", 6),
        ({"kind": "loso", "by": "group"}, "group", 12),
    ],
)
def test_every_row_is_tested_once_by_strangers(people, protocol, column, count):
    folds = of(people, **protocol)
    assert len(folds) == count == len({fold.name for fold in folds})
    assert times_tested(folds).tolist() == [1] * len(people)
    for fold in folds:
        assert (fold.train ^ fold.test).all()
        assert not set(people[column][fold.train]) & set(people[column][fold.test])


def test_by_none_knows_no_speakers(people):
    (first, *_) = of(people, kind="k-fold", folds=2, by="none")
    assert set(people["speaker"][first.train]) & set(people["speaker"][first.test])


def test_a_speaker_is_a_fold_of_that_name(people):
    folds = of(people, kind="loso")
    assert [fold.name for fold in folds] == [f"s{k}" for k in range(6)]
    for fold in folds:
        assert set(people["speaker"][fold.test]) == {fold.name}
    mixed = people.assign(speaker=("de/" + people["speaker"]).astype("string"))
    assert of(mixed, kind="loso")[0].name == "de s0"


def test_a_speaker_with_one_clip_is_a_fold(people):
    people.loc[0, "speaker"] = "alone"
    folds = {fold.name: fold for fold in of(people, kind="loso")}
    assert folds["alone"].test.sum() == 1
    assert times_tested(folds.values()).tolist() == [1] * len(people)


def test_loso_needs_speakers(people):
    nobody = people.assign(speaker=pd.Series([None] * len(people), dtype="string"))
    with pytest.raises(UserError, match="protocol loso: no row has a speaker, so none can be left out; choose k-fold"):
        of(nobody, kind="loso")
    people.loc[3, "speaker"] = pd.NA
    with pytest.raises(UserError, match="loso: 1 of 24 labelled rows have no speaker: 03; give each its speaker"):
        of(people, kind="loso")
    with pytest.raises(UserError, match="protocol loso: loso leaves out a speaker or a group"):
        of(people, kind="loso", by="none")


def test_rows_without_a_label_are_in_no_fold(people):
    people.loc[[0, 5], "label"] = pd.NA
    for kind in ("k-fold", "loso"):
        assert times_tested(of(people, kind=kind)).sum() == 22
        assert not any((fold.train | fold.test)[[0, 5]].any() for fold in of(people, kind=kind))


def test_holdout_by_speakers(people):
    (fold,) = of(people, kind="holdout", test_speakers=["s1", "s4"])
    assert set(people["speaker"][fold.test]) == {"s1", "s4"}
    assert (fold.train ^ fold.test).all()
    with pytest.raises(UserError, match=r"holdout: test_speakers: no speaker 's9'; there are s0, s1, s2, s3, s4, s5"):
        of(people, kind="holdout", test_speakers=["s9"])


def test_holdout_by_a_draw(people):
    (fold,) = of(people, kind="holdout", test_fraction=0.25, by="speaker")
    assert isinstance(fold.test, np.ndarray)
    assert 4 <= fold.test.sum() <= 8
    assert not set(people["speaker"][fold.train]) & set(people["speaker"][fold.test])
    (again,), (other,) = (of(people, kind="holdout", by="none", seed=seed) for seed in (3, 4))
    assert (again.test != other.test).any()


def test_a_file_of_folds_and_one_of_parts(people, tmp_path):
    path = tmp_path / "splits.csv"
    people[["id"]].assign(fold=[1 + k % 3 for k in range(24)]).to_csv(path, index=False)
    folds = of(people, kind="file", file=str(path))
    assert [np.flatnonzero(fold.test)[0] for fold in folds] == [0, 1, 2]
    assert times_tested(folds).tolist() == [1] * 24
    people[["id"]].assign(split=["train", "train", "dev", "test"] * 6).to_csv(path, index=False)
    (fold,) = of(people, kind="file", file=str(path))
    assert (fold.train.sum(), fold.dev.sum(), fold.test.sum()) == (12, 6, 6)
    people[["id"]].head(20).assign(fold=[1, 2] * 10).to_csv(path, index=False)
    with pytest.raises(UserError, match=r"(?s)protocol file: .*4 ids of the manifest are in no fold"):
        of(people, kind="file", file=str(path))


def test_each_corpus_for_each_other_and_for_itself(people):
    folds = of(people, kind="cross-corpus", folds=3, by="speaker")
    one = np.array(CORPORA) == "one"
    across, within = folds[:2], folds[2:]
    assert [(fold.trained_on, fold.tested_on) for fold in across] == [("one", "two"), ("two", "one")]
    np.testing.assert_array_equal(across[0].train, one)
    np.testing.assert_array_equal(across[0].test, ~one)
    assert [fold.tested_on for fold in within] == ["one"] * 3 + ["two"] * 3
    assert times_tested(within).tolist() == [1] * 24
    for fold in within:
        inside = one if fold.tested_on == "one" else ~one
        np.testing.assert_array_equal(fold.train | fold.test, inside)
        assert not set(people["speaker"][fold.train]) & set(people["speaker"][fold.test])


def test_a_corpus_of_few_speakers_has_fewer_folds_of_its_own(people):
    few = people.assign(speaker=people["speaker"].where(people.index < 12, "last"))
    few.loc[12:17, "speaker"] = "last but one"
    within = [
        fold.tested_on for fold in of(few, kind="cross-corpus", by="speaker") if fold.trained_on == fold.tested_on
    ]
    assert within == ["one"] * 3 + ["two"] * 2
    with pytest.raises(UserError, match=r"cross-corpus: two: .*2 folds need 2 groups or more; there is 1"):
        of(people.assign(speaker=people["speaker"].where(people.index < 12, "x")), kind="cross-corpus", by="speaker")


def test_one_corpus_is_left_out_at_a_time(people):
    folds = of(people, kind="leave-one-corpus-out")
    assert [(fold.name, fold.tested_on, fold.trained_on) for fold in folds] == [
        ("without one", "one", ""),
        ("without two", "two", ""),
    ]
    assert times_tested(folds).tolist() == [1] * 24


@pytest.mark.parametrize("kind", ["cross-corpus", "leave-one-corpus-out"])
def test_one_corpus_alone_trains_for_nobody(people, kind):
    with pytest.raises(
        UserError, match=f"protocol {kind}: two corpora or more are needed, as data.mixture; .* one alone"
    ):
        of(people.head(12), kind=kind)


def test_all_kinds_are_known_to_the_schema():
    kinds = Protocol.model_fields["kind"].annotation.__args__
    assert set(kinds) == set(PROTOCOLS)


@pytest.mark.parametrize(("corpus", "speakers"), [("emodb", 10), ("es_acted", 14)])
def test_real_speakers_left_out(data_folder, corpus, speakers):
    index = {"emodb": emodb.index, "es_acted": audiofolder.index}[corpus]
    manifest = index(data_folder / corpus)
    folds = folds_of(manifest, Protocol(kind="loso"), [corpus] * len(manifest))
    assert len(folds) == speakers
    assert times_tested(folds).tolist() == [1] * len(manifest)


def test_the_published_split_of_emodb(data_folder):
    manifest = emodb.index(data_folder / "emodb")
    (fold,) = folds_of(manifest, Protocol(kind="holdout", test_speakers=["03", "08"]), ["emodb"] * len(manifest))
    assert (fold.train.sum(), fold.test.sum()) == (428, 107)


def test_the_recipes_own_split_scores_what_steers(people):
    parts = ["train"] * 12 + ["dev"] * 6 + ["test"] * 4 + [None] * 2
    divided = people.assign(split=pd.Series(parts, dtype="string"))
    (dev,), (test,) = of(divided, kind="split"), of(divided, kind="split", part="test")
    assert (dev.name, test.name) == ("dev", "test")
    for fold, tested in ((dev, slice(12, 18)), (test, slice(18, 22))):
        assert np.flatnonzero(fold.train).tolist() == list(range(12))
        assert np.flatnonzero(fold.dev).tolist() == list(range(12, 18))
        assert np.flatnonzero(fold.test).tolist() == list(range(24))[tested]
    assert not dev.spare.any(), "what is tested trains nobody"
    assert (test.spare == test.dev).all()
    with pytest.raises(UserError, match="the recipe's own split has no labelled test row"):
        of(divided.assign(split=divided["split"].replace("test", "dev")), kind="split", part="test")
    with pytest.raises(ValueError, match="part: is for kind: split, not for loso"):
        Protocol(kind="loso", part="test")
