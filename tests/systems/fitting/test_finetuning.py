"""Recipes whose encoders train: fitted, resumed, saved, loaded, merged; and what is told of those that cannot."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.encoders.finetuning import lora
from emospeech.experiments import run as experiments
from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.fitting import finetuning
from emospeech.systems.fitting.plan import build_optimizer

TASKS = {"label": emospeech2024.EMOSPEECH2024}
LORA = {"name": "lora", "rank": 2, "alpha": 8, "dropout": 0.1}
WAYS = {
    "full": ("full", "full"),
    "top": ("top:1", "top:2"),
    "lora": (LORA, LORA),
    "one frozen": ("frozen", {"name": "lora", "rank": 2, "targets": ["query", "value"]}),
    "sound alone": ({"name": "full", "lr": 1e-3, "layer_decay": 0.5, "layerdrop": 0.3}, None),
}


@pytest.fixture
def recipe(tmp_path, challenge, tiny_xlsr, tiny_xlmr):
    def make(speech, text, name="run", **more):
        plain = {
            "name": name,
            "runs_dir": str(tmp_path),
            "data": {"corpus": "emospeech2024", "root": str(challenge), "refit": "train+dev", "limit": 12},
            "speech": {"encoder": str(tiny_xlsr), "layers": "weighted", "crop_seconds": 0.4, "train": speech},
            "text": None if text is None else {"encoder": str(tiny_xlmr), "train": text},
            "model": {"head": {"blocks": 1, "width": 16}},
            "cache": {"folder": str(tmp_path / "store")},
            "train": {"epochs": 2, "batch_size": 6, "optimizer": {"lr": 0.01}, "trackers": []},
        }
        plain["train"] |= more
        return config.validate(plain, "recipe", build.CHECKS)

    return make


@pytest.fixture(scope="module")
def rows(rows):
    """Fewer that train."""
    train, dev = rows
    return train[:12], dev


def weights(system):
    return {name: value.clone() for name, value in system.ready().state_dict().items()}


@pytest.mark.parametrize("way", WAYS)
def test_fit_save_load(way, recipe, rows, tmp_path):
    """Twice in one system: the second fit, too, begins with the checkpoint. What does not train stays to the bit."""
    wanted = recipe(*WAYS[way])
    system = build.build(wanted, TASKS)
    loaded = {name: copied(system.pretrained(name).state_dict()) for name in system.loaded}
    found = []
    for attempt in ("one", "other"):
        system.fit(*rows, tmp_path / attempt)
        found.append(weights(system))
    assert all(torch.equal(found[1][name], value) for name, value in found[0].items())
    check_what_moved(system, loaded)
    predictions = system.predict(rows[1])
    system.save(tmp_path / "model")
    again = build.load(tmp_path)
    assert again.recipe == wanted
    pd.testing.assert_frame_equal(again.predict(rows[1]), predictions, rtol=0, atol=1e-5)
    stored = load_file(tmp_path / "model/model.safetensors")
    assert set(stored) == set(system.ready().trained_state())


def copied(state):
    return {name: value.clone() for name, value in state.items()}


def check_what_moved(system, loaded):
    network, moved = system.ready(), []
    for modality, before in loaded.items():
        encoder = getattr(network, modality)
        trained = {name for name, one in encoder.model.named_parameters() if one.requires_grad}
        for name, value in encoder.model.state_dict().items():
            plain = name.replace("base_layer.", "")
            if plain in before and name not in trained:
                assert torch.equal(value, before[plain]), name
            moved += [name] * (plain not in before or not torch.equal(value, before[plain]))
        assert all(torch.equal(value, before[name]) for name, value in system.pretrained(modality).state_dict().items())
    assert moved


def test_saved_is_only_what_trains(recipe, rows, tmp_path):
    kept = {}
    for name, way in (("lora", LORA), ("top", "top:1"), ("full", "full")):
        system = build.build(recipe(way, way, epochs=1), TASKS)
        system.fit(*rows, tmp_path / name)
        encoders = [key for key in system.ready().trained_state() if not key.startswith("classifier.")]
        kept[name] = encoders
        system.save(tmp_path / name / "model")
        saved = json.loads((tmp_path / name / "model/config.json").read_text())
        assert {entry["sha256"] is not None for entry in saved["encoders"].values()} == {True}, "the base is named"
    assert all("lora_" in key for key in kept["lora"])
    assert all(".layers.2." in key or ".layer.1." in key for key in kept["top"])
    assert not any("feature_extractor" in key or "pooler" in key for key in kept["full"])
    assert any("feature_projection" in key for key in kept["full"])


def test_a_base_that_has_changed_is_refused(recipe, rows, tmp_path, tiny_xlsr):
    folder = tmp_path / "checkpoint"
    shutil.copytree(tiny_xlsr, folder)
    wanted = recipe(LORA, None, epochs=1)
    wanted = wanted.model_copy(update={"speech": wanted.speech.model_copy(update={"encoder": str(folder)})})
    system = build.build(wanted, TASKS)
    system.fit(*rows, tmp_path)
    system.save(tmp_path / "model")
    (folder / "vocab.txt").write_text("new")
    with pytest.raises(UserError, match=r"speech encoder in .* has changed since"):
        build.load(tmp_path)


def test_merged_adapters_give_the_same_logits(recipe, rows, tmp_path, monkeypatch):
    system = build.build(recipe(LORA, LORA, epochs=6), TASKS)
    system.fit(*rows, tmp_path)
    system.save(tmp_path / "model")
    merged, unmerged = merged_and_not(tmp_path, monkeypatch)
    assert any(module.merged for module in lora._adapters(merged.ready()))
    for name, value in weights(unmerged).items():
        if "base_layer.weight" in name:
            assert not torch.equal(value, merged.ready().state_dict()[name])
    one, other = (logits(each, rows[1]) for each in (merged, unmerged))
    assert np.ptp(one, axis=0).max() > 1e-2
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def merged_and_not(folder, monkeypatch):
    merged = build.load(folder)
    monkeypatch.setattr(build, "merge", lambda network: None)
    return merged, build.load(folder)


def logits(system, rows):
    found = system.predict(rows).filter(like="p_").to_numpy()
    return np.log(found)


def test_rates_of_head_and_blocks(recipe, rows, tmp_path):
    """Tiny XLS-R has 3 blocks and a LayerNorm above them; the head's rate is the optimiser's."""
    wanted = recipe({"name": "full", "lr": 1e-3, "layer_decay": 0.5}, "top:1")
    system = build.build(wanted, TASKS)
    system._build(rows[0], tmp_path)
    network = system.ready()
    groups = finetuning.groups(wanted, network)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    told = [
        ({names[id(p)].split(".layers.")[-1].split(".")[0] for p in group["params"]}, group.get("lr"))
        for group in groups
    ]
    assert all(names[id(p)].startswith("classifier.") for p in groups[0]["params"])
    assert told[0][1] is None
    assert told[1:5] == [({"2"}, 1e-3), ({"1"}, 5e-4), ({"0"}, 2.5e-4), ({"speech"}, 1.25e-4)]
    assert all(names[id(p)].startswith("text.model.encoder.layer.1.") for p in groups[5]["params"])
    assert groups[5]["lr"] == 0.01
    optimizer = build_optimizer(wanted.train.optimizer, groups)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 1e-3, 5e-4, 2.5e-4, 1.25e-4, 0.01]
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.01}


@pytest.mark.parametrize("way", [pytest.param("full", marks=pytest.mark.slow), "lora", "sound alone"])
def test_resumed_is_uninterrupted_bit_for_bit(way, recipe, tmp_path, run_in_pieces):
    more = {
        "optimizer": {"name": "SGD", "lr": 0.05, "momentum": 0.9},
        "schedule": {"name": "linear", "warmup_steps": 0.3},
    }
    experiments.run(recipe(*WAYS[way], name="whole", **more))
    run_in_pieces(recipe(*WAYS[way], name="stopped", **more), 1, 1)
    one, other = (load_file(tmp_path / run / "model/model.safetensors") for run in ("whole", "stopped"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    histories = [(tmp_path / run / "metrics.jsonl").read_text() for run in ("whole", "stopped")]
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    ("speech", "text", "expected"),
    [
        ("top:99", "full", r"speech\.train: .*top:99: it has 3 blocks; ask for 1 to 3, or full"),
        ({"name": "lora", "targets": ["query"]}, "full", r"no linear module query in it.*attention\.k_proj"),
        ("frozen", {"name": "lora", "targets": ["q_proj"]}, r"text\.train: .*no linear module q_proj.*self\.query"),
    ],
)
def test_what_the_checkpoint_lacks(speech, text, expected, recipe):
    with pytest.raises(UserError, match=expected):
        build.build(recipe(speech, text), TASKS)


@pytest.mark.parametrize(
    ("speech", "expected"),
    [
        ("half", "speech.train: unknown way to train 'half'; known: frozen, full, top:<n>, lora"),
        ("top", "unknown way to train 'top'"),
        ("top:0", "unknown way to train 'top:0'"),
        ("full:3", "unknown way to train 'full:3'"),
        ({"name": "lora", "rnk": 3}, "speech.train: lora: unknown option rnk; known: rank, alpha, dropout, targets"),
        ({"name": "lora", "rank": 0}, "lora: rank should be 1 or more"),
        ({"name": "lora", "rank": "four"}, "lora: rank: input should be a valid integer"),
        ({"name": "lora", "dropout": 1.0}, "lora: dropout should be at least 0 and below 1"),
        ({"name": "full", "rank": 3}, "full: unknown option rank; it takes none"),
        ({"name": "full", "layer_decay": 1.5}, "speech.train.layer_decay"),
        ({"name": "full", "layerdrop": 1.0}, "speech.train.layerdrop"),
    ],
)
def test_words_that_mean_nothing(speech, expected, recipe):
    with pytest.raises(UserError) as error:
        recipe(speech, None)
    assert expected in str(error.value)


def test_encoders_and_systems_for_which_it_is_not(recipe):
    plain = recipe("lora", None).model_dump()
    scratch = {**plain, "speech": {"encoder": "log_mel_cnn", "train": "lora"}}
    with pytest.raises(UserError, match=r"speech\.train: log_mel_cnn is trained whole anyway"):
        config.validate(scratch, "recipe", build.CHECKS)
    config.validate({**plain, "speech": {"encoder": "log_mel_cnn", "train": "frozen"}}, "recipe", build.CHECKS)
    classical = {**plain, "system": "classical", "classical": {"features": ["speech"]}}
    with pytest.raises(UserError, match=r"speech\.train: a classical system takes an encoder as it is, so lora"):
        config.validate(classical, "recipe", build.CHECKS)


def test_the_recipe_with_adapters():
    path = config.recipes_folder() / "xlsr_roberta_lora.yaml"
    loaded = config.load(path)
    assert (loaded.speech.train.name, loaded.text.train.options["rank"]) == ("lora", 16)
    assert loaded.cache is None
    assert (loaded.speech.train.lr, loaded.train.optimizer.lr) == (1e-4, 5e-4)
    other = config.load(path, ["speech.train=top:4", "text.train=frozen", "cache={}"])
    assert (other.speech.train.name, other.speech.train.options) == ("top:4", {}), "the options of lora go with it"
    assert other.speech.train.lr == 1e-4
