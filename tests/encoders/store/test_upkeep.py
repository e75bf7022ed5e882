"""The upkeep of a store: nothing is removed that somebody needs, nor anything that is not the store's."""

import json
import os
import time
from datetime import UTC, datetime, timedelta

import pytest

from emospeech.encoders.store import upkeep
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.upkeep import listed, prune, remove_damaged, verify
from emospeech.runtime.errors import UserError

from .conftest import IDENTITY, all_same, entries, flip, key

DAY = 86400


@pytest.fixture
def root(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def sets(root):
    """Three sets: one of speech with two shards, last used ten days ago; one of text; one of three utterances."""
    speech, text, third = (FeatureSet(root, IDENTITY | change) for change in ({}, {"kind": "text"}, {"revision": "c"}))
    speech.add(entries(1, 2))
    speech.add(entries(2, 3))
    text.add(entries(4))
    third.add(entries(5, 6, 7))
    then = time.time() - 10 * DAY
    os.utime(speech.path / "lock", (then, then))
    return speech, text, third


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def told(removed):
    return {(one.name, one.why) for one in removed if not one.kept}


# -- listing -----------------------------------------------------------------------------------------------------


def test_listed(root, sets):
    infos = {info.path: info for info in listed(root)}
    assert set(infos) == {features.path for features in sets}
    info = infos[sets[0].path]
    assert info.name == sets[0].path.name
    assert info.identity == IDENTITY
    assert info.utterances == 3
    assert info.bytes == sum(path.stat().st_size for path in sets[0].path.glob("*.safetensors"))
    assert abs(datetime.now(UTC) - info.last_used - timedelta(days=10)) < timedelta(minutes=5)
    assert (info.damaged, info.unfinished) == ((), 0)


def test_listed_with_damage(root, sets):
    (sets[0].path / "x.safetensors").write_bytes(b"")
    (sets[0].path / ".tmpA").write_bytes(b"12345")
    info = next(info for info in listed(root) if info.path == sets[0].path)
    assert len(info.damaged) == 1
    assert info.damaged[0].startswith("x.safetensors is damaged: ")
    assert info.unfinished == 5
    assert info.utterances == 3


def test_a_set_with_a_damaged_identity_is_listed_and_can_be_removed(root, sets):
    (sets[0].path / "identity.json").write_text("{")
    info = next(info for info in listed(root) if info.path == sets[0].path)
    assert info.utterances == 3
    assert "identity.json is damaged" in info.damaged[0]
    assert "writes it anew" in info.damaged[0]
    prune(root)
    assert sets[0].path.is_dir()
    prune(root, [sets[0].path.name])
    assert not sets[0].path.exists()


def test_what_runs_noted_goes_with_all_the_sets(root, sets):
    (root / "heard_v1.txt").write_text("0" * 64)
    (root / "layer_weights").mkdir()
    (root / "layer_weights" / "a.json").write_text("{}")
    prune(root)
    assert (root / "layer_weights" / "a.json").exists()
    removed = prune(root, everything=True)
    assert removed[-1].name == "notes beside them"
    assert list(root.iterdir()) == []


def test_no_store(tmp_path):
    assert (
        listed(tmp_path / "absent") == verify(tmp_path / "absent") == prune(tmp_path / "absent", everything=True) == []
    )


@pytest.fixture
def strangers(root, sets, tmp_path):
    """What else may lie in a root: none of it is ours, though some of it looks like it."""
    (root / "notes.txt").write_text("mine")
    (root / "speech-0123456789abcdef").mkdir()  # no identity
    (root / "text-0123456789abcdef").mkdir()  # another one's
    (root / "text-0123456789abcdef" / "identity.json").write_text(json.dumps(IDENTITY | {"kind": "text"}))
    (root / "models").mkdir()
    (root / "models" / "model.safetensors").write_bytes(b"weights")
    (root / "models" / "identity.json").write_text(json.dumps(IDENTITY))
    elsewhere = FeatureSet(tmp_path / "elsewhere", {"kind": "speech"})
    elsewhere.add(entries(1))
    (root / elsewhere.path.name).symlink_to(elsewhere.path)
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a.lock").write_text("mine")
    (tmp_path / "precious" / "b.safetensors").write_text("mine")
    (sets[1].path / "claims").symlink_to(tmp_path / "precious")
    (sets[1].path / "b.safetensors").symlink_to(tmp_path / "precious" / "b.safetensors")
    (sets[1].path / ".link").symlink_to(tmp_path / "precious" / "a.lock")
    return [
        path for path in tmp_path.rglob("*") if not any(features.path in (path, *path.parents) for features in sets)
    ]


def test_strangers_are_left_alone(root, sets, strangers):
    assert len(listed(root)) == 3
    prune(root, everything=True)
    assert all(path.exists() for path in strangers)
    assert listed(root) == []


# -- checking ----------------------------------------------------------------------------------------------------


def test_verify_finds_what_loading_would(root, sets):
    bad = sets[2].add(entries(8))
    flip(bad, -1)
    before = tree(root)
    ticks = []
    results = {checked.path: checked for checked in verify(root, bar=ticks.append)}
    assert tree(root) == before
    assert [(fault.path, "checksum" in fault.reason) for fault in results[sets[2].path].damaged] == [(bad, True)]
    assert results[sets[0].path].damaged == ()
    assert (results[sets[0].path].shards, results[sets[0].path].bytes) == (2, 4 * entries(1)[key(1)].nbytes)
    assert sum(ticks) == sum(checked.bytes for checked in results.values())
    assert [checked.path for checked in verify(root, [sets[1].path.name])] == [sets[1].path]

    name = f"{bad.parent.name}/{bad.name}"
    assert [(one.name, one.bytes) for one in remove_damaged(results.values(), dry_run=True)] == [
        (name, bad.stat().st_size)
    ]
    assert bad.exists()
    assert [one.name for one in remove_damaged(results.values())] == [name]
    assert not bad.exists()
    assert not any(checked.damaged for checked in verify(root))


# -- pruning -----------------------------------------------------------------------------------------------------


def test_nothing_asked_nothing_removed(root, sets):
    before = tree(root)
    assert prune(root) == []
    assert tree(root) == before


@pytest.mark.parametrize(
    ("how", "gone", "why"),
    [
        ({"names": [1]}, [1], "named"),
        ({"names": [1, 2, 1]}, [1, 2], "named"),
        ({"unused_days": 9}, [0], "not used for 10 days"),
        ({"unused_days": 11}, [], ""),
        ({"unused_days": 0}, [0, 1, 2], None),
        ({"everything": True}, [0, 1, 2], "all are removed"),
    ],
)
def test_whole_sets(how, gone, why, root, sets):
    with sets[2].claim("a"):
        pass
    if "names" in how:
        how = {"names": [sets[index].path.name for index in how["names"]]}
    before = tree(root)
    expected = prune(root, **how, dry_run=True)
    assert tree(root) == before
    removed = prune(root, **how)
    assert removed == expected
    assert {one.name for one in removed} == {sets[index].path.name for index in gone}
    assert why is None or {one.why for one in removed} <= {why}
    assert all(one.bytes > 0 and not one.kept for one in removed)
    assert [features.path.exists() for features in sets] == [index not in gone for index in range(3)]
    for index in set(range(3)) - set(gone):
        assert not sets[index].load(sets[index].index())[1]


def test_a_removed_set_is_begun_anew(root, sets):
    prune(root, everything=True)
    sets[1].add(entries(4))
    assert all_same(sets[1].load([key(4)])[0], entries(4))
    assert [info.path for info in listed(root)] == [sets[1].path]


def test_unknown_names(root, sets):
    before = tree(root)
    with pytest.raises(UserError, match=f"holds no feature set speech-1; there are .*{sets[0].path.name}"):
        prune(root, names=["speech-1", sets[0].path.name])
    with pytest.raises(UserError, match="speech-1"):
        verify(root, ["speech-1"])
    assert tree(root) == before


def test_damage_and_leftovers_go_always(root, sets):
    (sets[0].path / "x.safetensors").write_bytes(b"junk")
    (sets[0].path / ".tmpA").write_bytes(b"12345")
    name = sets[0].path.name
    before = tree(root)
    removed = prune(root, dry_run=True)
    assert tree(root) == before
    assert prune(root) == removed
    assert {(one.name, one.bytes) for one in removed} == {(f"{name}/x.safetensors", 4), (f"{name}/.tmpA", 5)}
    assert len(listed(root)) == 3
    assert prune(root) == []
    assert not sets[0].load(sets[0].index())[1]


def test_a_dry_run_does_not_make_a_set_look_used(root, sets):
    lock = sets[0].path / "lock"
    lock.unlink()
    prune(root, unused_days=5, dry_run=True)
    assert not lock.exists()


USE = """
    import sys
    from pathlib import Path
    from emospeech.runtime.locks import locked
    with locked(Path(sys.argv[1]), shared=True, wait=True) as held:
        print(held, flush=True)
        sys.stdin.read()
"""


def test_a_set_in_use_is_kept(root, sets, other):
    speech, text, _ = sets
    process = other(USE, speech.path / "lock")
    young, old = speech.path / ".young", speech.path / ".old"
    young.touch()
    old.touch()
    os.utime(old, (time.time() - 2 * DAY,) * 2)
    removed = prune(root, names=[speech.path.name, text.path.name])
    assert [(one.name, one.why) for one in removed if one.kept] == [(speech.path.name, "in use by another process")]
    assert told(removed) == {(text.path.name, "named"), (f"{speech.path.name}/.old", "its writer was killed")}
    assert all_same(speech.load([key(1), key(2), key(3)])[0], entries(1, 2, 3))
    assert young.exists()  # its writer may be at work
    process.communicate("")
    assert told(prune(root, names=[speech.path.name])) == {(speech.path.name, "named")}
    assert not speech.path.exists()


def test_a_set_is_held_from_its_first_shard_on(root):
    features = FeatureSet(root, IDENTITY)
    with features.use():
        assert prune(root, everything=True) == []
        features.add(entries(1))
        with features.use():
            pass
        assert [one.kept for one in prune(root, everything=True)] == [True]
        assert features.index()
    assert [one.kept for one in prune(root, everything=True)] == [False]


def test_what_is_mapped_outlives_its_set(root, sets):
    found, _ = sets[0].load([key(1)])
    prune(root, everything=True)
    assert all_same(found, entries(1))


def test_what_cannot_be_removed_is_told(root, sets, monkeypatch):
    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(upkeep.Path, "unlink", refuse)
    removed = prune(root, names=[sets[0].path.name])
    assert [(one.why, one.kept) for one in removed] == [("cannot be removed: Permission denied", True)]


def test_a_users_own_files_stay(root, sets):
    (sets[0].path / "notes.txt").write_text("mine")
    prune(root, everything=True)
    assert tree(root) == [sets[0].path.name, f"{sets[0].path.name}/notes.txt"]
