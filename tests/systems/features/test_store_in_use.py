"""What is computed, what is found again, and what happens to a store that is damaged, full, old or in use."""

import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.corpora.emospeech2024 import EMOSPEECH2024
from emospeech.encoders.store import room
from emospeech.encoders.store.extraction import Memory
from emospeech.encoders.store.folder import FeatureSet, shard_paths
from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems import build

TASKS = {"label": EMOSPEECH2024}


@pytest.fixture
def extract(rows, capsys):
    """Recipe -> the store after extraction, and how many utterances of speech were computed."""

    def go(recipe, train=rows[0], others=(rows[1],)):
        capsys.readouterr()
        system = build.build(recipe, TASKS)
        assert system.extract([train], list(others))
        said = capsys.readouterr().err
        line = next((line for line in said.splitlines() if line.startswith("extracting speech")), "")
        return system.cache, int(line.split(": ")[1].split()[0]) if line else 0, said

    return go


def moved(rows, folder):
    """The same clips under other names, in another order."""
    folder.mkdir(exist_ok=True)
    paths = [shutil.copy(path, folder / f"{k}.mp3") for k, path in enumerate(rows["audio"])]
    named = rows.assign(id=[f"{k}.mp3" for k in range(len(rows))], audio=pd.Series(map(str, paths), dtype="string"))
    return named[::-1].reset_index(drop=True)


def test_names_order_and_further_files_compute_nothing_again(recipe, extract, rows, tmp_path):
    _, count, said = extract(recipe({}))
    assert count == len(rows[0]) + len(rows[1])
    assert "24 training" not in said
    assert "stored features of frozen encoders (speech, text): 3 layers, fp16" in said
    _, count, _ = extract(recipe({}), moved(rows[0], tmp_path / "other"))
    assert count == 0
    assert extract(recipe({}), rows[0][:3])[1] == 0


def test_another_clip_of_the_same_name_is_another_clip(recipe, extract, rows, tmp_path):
    clips = moved(rows[0], tmp_path / "other")
    before = extract(recipe({}), clips)[0].stored("speech", clips).rows[0][0].states()
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 25_000)
    soundfile.write(clips["audio"][0], noise, 16_000, format="MP3")
    cache, count, _ = extract(recipe({}), clips)
    assert count == 1
    assert cache.stored("speech", clips).rows[0][0].states().shape != before.shape


@pytest.mark.parametrize(
    "change",
    [
        {"cache": {"dtype": "bf16"}},
        {"cache": {"frame_stride": 2}},
        {"cache": {"precision": "bf16"}},
        {"speech": {"layers": [1, 2]}},
        {"speech": {"layers": "last"}},
    ],
)
def test_what_is_made_otherwise_lies_apart(change, recipe, extract):
    first, count, _ = extract(recipe({}))
    second, again, _ = extract(recipe(change.get("cache", {}), speech=change.get("speech", {})))
    assert again == count
    assert second.kept["speech"].into.path != first.kept["speech"].into.path


def test_another_encoder_under_the_same_name_lies_apart(recipe, extract, tiny_xlsr, tmp_path):
    folder = shutil.copytree(tiny_xlsr, tmp_path / "encoder")
    count = extract(recipe({}))[1]
    assert extract(recipe({}, speech={"encoder": str(folder)}))[1] == 0  # the same weights in another folder
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"layer_norm_eps": 1e-05', '"layer_norm_eps": 1e-03'))
    assert extract(recipe({}, speech={"encoder": str(folder)}))[1] == count


def damage(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def test_a_damaged_shard_is_named_and_computed_anew(recipe, extract, rows):
    cache, _, _ = extract(recipe({}))
    expected = [views[0].states() for views in cache.stored("speech", rows[0]).rows]
    (shard, *_) = shard_paths(cache.kept["speech"].into.path)
    damage(shard)
    os.utime(shard, ns=(1, 1))  # as time goes by: a program does not verify a file twice
    cache, count, said = extract(recipe({}))
    assert f"{shard} was damaged" in said
    assert count > 0
    found = [views[0].states() for views in cache.stored("speech", rows[0]).rows]
    assert all(bool((a == b).all()) for a, b in zip(found, expected, strict=True))


def test_a_damaged_shard_that_cannot_be_removed_is_not_used(recipe, extract, rows, monkeypatch):
    cache, _, _ = extract(recipe({}))
    expected = [views[0].states() for views in cache.stored("speech", rows[0]).rows]
    (shard, *_) = shard_paths(cache.kept["speech"].into.path)
    damage(shard)
    os.utime(shard, ns=(1, 1))
    unlink = Path.unlink

    def refused(self, missing_ok=False):
        if self == shard:
            raise OSError(errno.EROFS, "Read-only file system")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    cache, count, said = extract(recipe({}))
    assert "cannot be removed" in said
    assert count > 0
    found = [views[0].states() for views in cache.stored("speech", rows[0]).rows]
    assert all(bool((a == b).all()) for a, b in zip(found, expected, strict=True))


def test_a_full_disk_keeps_what_was_finished(recipe, extract, monkeypatch, rows):
    add, left = FeatureSet.add, [1]

    def full(self, entries):
        if self.kind == "speech" and not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left[:1] = []
        return add(self, entries)

    monkeypatch.setattr("emospeech.encoders.store.extraction.UNIT_ITEMS", 10)
    monkeypatch.setattr(FeatureSet, "add", full)
    with pytest.raises(WorkError, match=r"the disk is full.*cache\.dtype=int8"):
        extract(recipe({}))
    monkeypatch.setattr(FeatureSet, "add", add)
    assert extract(recipe({}))[1] == len(rows[0]) + len(rows[1]) - 10


def test_a_store_that_cannot_be_written(recipe, extract, monkeypatch, rows):
    """All is there: it is read. Something is missing: it is kept in memory."""
    extract(recipe({}), rows[0][:20])
    monkeypatch.setattr(FeatureSet, "writable", lambda self: False)
    cache, count, _ = extract(recipe({}), rows[0][:20])
    assert count == 0
    assert isinstance(cache.kept["speech"].into, FeatureSet)
    cache, count, said = extract(recipe({}))
    assert "in memory, for this run alone" in said
    assert isinstance(cache.kept["speech"].into, Memory)
    with pytest.raises(UserError, match="no room"):
        extract(recipe({"write": True}))


def test_no_room_at_all_says_what_would_be_smaller(recipe, extract, monkeypatch, tmp_path):
    monkeypatch.setattr(room, "free", lambda *_: room.Room(disk=1e3, host=1e3, gpu=0.0))
    with pytest.raises(UserError) as refused:
        extract(recipe({}))
    for word in ("no room", "cache.dtype=int8", "cache.frame_stride=2", "speech.layers", "cache.folder", "cache=null"):
        assert word in str(refused.value)
    assert not (tmp_path / "store").exists()


def test_in_memory_alone_nothing_is_written(recipe, fitted, rows, tmp_path):
    expected = fitted(recipe({}), "written").predict(rows[1])
    shutil.rmtree(tmp_path / "store")
    found = fitted(recipe({"write": False}), "memory").predict(rows[1])
    pd.testing.assert_frame_equal(found, expected)
    assert not (tmp_path / "store").exists()


def test_seeds_of_one_command_share_what_is_in_memory(recipe, fitted, rows, monkeypatch, capsys):
    memory = recipe({"write": False})
    expected = fitted(memory, "first").predict(rows[1])
    assert "extracting" in capsys.readouterr().err
    fitted(memory.model_copy(update={"train": memory.train.model_copy(update={"seed": 7})}), "second")
    assert "extracting" not in capsys.readouterr().err
    fitted(recipe({"write": False, "dtype": "int8"}), "other")  # makes room for itself
    assert "extracting" in capsys.readouterr().err
    pd.testing.assert_frame_equal(fitted(memory, "again").predict(rows[1]), expected)
    assert "extracting" in capsys.readouterr().err


def test_words_without_effect_are_told(recipe, extract):
    said = extract(recipe({"views": 3, "mode": "mixed"}, speech={"layers": "last"}))[2]
    assert "cache.views=3 has no effect" in said
    assert "cache.mode=mixed has no effect" in said


def test_augmented_views_are_the_same_for_every_seed(recipe, extract, rows):
    augment = {"augment": {"probability": 0.6}, "crop_seconds": 0.4}
    cache, count, said = extract(recipe({"views": 3}, speech=augment))
    assert count == 3 * len(rows[0]) + len(rows[1])
    assert "3 views of each training clip" in said
    clip = cache.stored("speech", rows[0], views=True).rows[0]
    assert len(clip) == 3
    assert clip[0].values.shape != clip[1].values.shape or bool((clip[0].values != clip[1].values).any())
    assert extract(recipe({"views": 3}, speech=augment, train={"seed": 9}))[1] == 0
    assert extract(recipe({"views": 1}, speech=augment))[1] == 0
    louder = {**augment, "augment": {"probability": 0.6, "snr_db": [0.0, 5.0]}}
    assert extract(recipe({"views": 3}, speech=louder))[1] == 2 * len(rows[0])


def test_views_of_effects_by_their_own_probabilities(recipe, extract, rows):
    """Each view has one effect at least; what decides which meet is in its key."""

    def speech(share):
        effects = [
            {"name": "noise", "probability": share},
            {"name": "time_mask", "probability": 0.1, "fraction": [0.2, 0.4]},
        ]
        return {"augment": {"apply": "each", "effects": effects}, "crop_seconds": 0.4}

    cache, count, _ = extract(recipe({"views": 3}, speech=speech(0.5)))
    assert count == 3 * len(rows[0]) + len(rows[1])
    clips = cache.stored("speech", rows[0], views=True).rows
    assert all(bool((clip[0].values != view.values).any()) for clip in clips for view in clip[1:])
    assert extract(recipe({"views": 3}, speech=speech(0.5), train={"seed": 9}))[1] == 0
    assert extract(recipe({"views": 3}, speech=speech(0.6)))[1] == 2 * len(rows[0])


def test_held_in_memory_it_is_no_map_of_a_file(recipe, extract, rows):
    mapped = extract(recipe({}))[0].stored("speech", rows[0]).rows[0][0].values
    held = extract(recipe({"device": "cpu"}))[0].stored("speech", rows[0]).rows[0][0].values
    assert bool((mapped == held).all())
    places = Path("/proc/self/maps").read_text(encoding="utf-8").splitlines()

    def in_a_shard(address):
        spans = [(line, *(int(end, 16) for end in line.split()[0].split("-"))) for line in places]
        return any(start <= address < end and line.endswith(".safetensors") for line, start, end in spans)

    assert in_a_shard(mapped.data_ptr())
    assert not in_a_shard(held.data_ptr())


def test_what_is_stored_whole_comes_before_what_would_be_better(recipe, extract, monkeypatch, rows):
    """`extract` found room for two views; a training does not begin anew with four."""
    augment = {"augment": {"probability": 0.6}, "crop_seconds": 0.4}
    assert extract(recipe({"views": 2}, speech=augment))[1] == 2 * len(rows[0]) + len(rows[1])
    cache, count, _ = extract(recipe({}, speech=augment))
    assert count == 0
    assert cache.choice.variant.views == 2


def test_layer_weights_that_are_none_are_learned_again(recipe, extract, tmp_path, monkeypatch):
    mixed = {"mode": "mixed", "sample": 16}
    monkeypatch.setattr("emospeech.systems.features.layer_weights.STEPS", 5)
    cache, _, _ = extract(recipe(mixed))
    (known,) = (tmp_path / "store" / "layer_weights").glob("*.json")
    for content in ("{", "{}", '{"weights": [1, 2]}', '{"weights": [NaN, 1, 1]}'):
        known.write_text(content, encoding="utf-8")
        again, count, _ = extract(recipe(mixed))
        assert again.weights.tolist() == cache.weights.tolist()
        assert count == 16  # the sample alone is heard again


def test_a_gpu_that_is_not_there(recipe, extract):
    with pytest.raises(UserError, match="no GPU computes here"):
        extract(recipe({"device": "cuda"}))


def test_a_refit_and_further_rows(recipe, fitted, rows, tmp_path):
    augment = {"augment": {"probability": 0.6}, "crop_seconds": 0.4}
    system = fitted(recipe({"views": 2}, speech=augment), "run", rows[0][:18])
    system.fit(pd.concat(rows, ignore_index=True), None, tmp_path / "run")
    assert len(system.predict(rows[0][18:])) == len(rows[0]) - 18


def test_a_resumed_run_keeps_what_it_chose(recipe, fitted, rows, tmp_path, monkeypatch):
    """Though the disk has filled, or emptied, in the meantime."""
    augment = {"augment": {"probability": 0.6}, "crop_seconds": 0.4}
    cramped = room.Room(
        disk=room.SPARE_DISK + 300e3, host=0.0, gpu=0.0
    )  # for three layers in one or two views, not four
    monkeypatch.setattr(room, "free", lambda *_: cramped)
    first = fitted(recipe({}, speech=augment))
    assert first.cache.choice.variant.views == 2
    monkeypatch.undo()
    again = fitted(recipe({}, speech=augment))
    assert again.cache.choice.variant.views == 2
    shutil.rmtree(tmp_path / "store")
    assert fitted(recipe({}, speech=augment), "anew").cache.choice.variant.views == 4
