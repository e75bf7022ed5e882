"""The neural system through its recipe: fit, predict, save, load."""

import json
import shutil

import pandas as pd
import pytest
import torch

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.runtime.errors import UserError
from emospeech.systems import build

TASKS = {"label": emospeech2024.EMOSPEECH2024}
PRETRAINED = {"speech": {"encoder": "tiny_xlsr", "layers": "weighted"}, "text": {"encoder": "tiny_xlmr"}}
SCRATCH = {
    "speech": {"encoder": "log_mel_cnn", "options": {"width": 16, "bands": 16, "channels": [4, 8]}},
    "text": {"encoder": "subword_transformer", "options": {"width": 16, "vocabulary": 120, "depth": 1, "heads": 2}},
}


@pytest.fixture
def make_recipe(tmp_path, request):
    def make(parts, **train):
        parts = {name: dict(part) if part else None for name, part in parts.items()}
        for part in parts.values():
            if part and part["encoder"].startswith("tiny_"):
                part["encoder"] = str(request.getfixturevalue(part["encoder"]))
        plain = {
            "name": "run",
            "runs_dir": str(tmp_path),
            "data": {"corpus": "demo", "root": "unused"},
            **parts,
            "model": {"head": {"blocks": 1, "width": 16, "dropout": 0.0}},
            "train": {"epochs": 2, "batch_size": 8, "optimizer": {"lr": 0.01}, "trackers": [], **train},
        }
        return config.validate(plain, "test", build.CHECKS)

    return make


def fitted(recipe, rows, folder):
    system = build.build(recipe, TASKS)
    system.fit(*rows, folder)
    return system


@pytest.mark.parametrize("parts", [PRETRAINED, SCRATCH], ids=["pretrained", "scratch"])
@pytest.mark.parametrize("modalities", ["both", "speech", "text"])
def test_fit_predict_save_load(parts, modalities, make_recipe, rows, tmp_path):
    chosen = {name: part if modalities in ("both", name) else None for name, part in parts.items()}
    system = fitted(make_recipe(chosen), rows, tmp_path)
    assert (system.needs_audio, system.needs_text) == (modalities != "text", modalities != "speech")
    predictions = system.predict(rows[1])
    assert predictions.columns.tolist() == ["id", "label", *(f"p_{label}" for label in TASKS["label"])]
    assert predictions["id"].tolist() == rows[1]["id"].tolist()
    chances = predictions.filter(like="p_").to_numpy()
    assert chances.sum(axis=1) == pytest.approx(1, abs=1e-9)
    assert predictions["label"].tolist() == [TASKS["label"][k] for k in chances.argmax(axis=1)]
    system.save(tmp_path / "model")
    again = build.load(tmp_path).predict(rows[1])
    pd.testing.assert_frame_equal(again, predictions, rtol=0, atol=1e-9)


def test_order_in_is_order_out_and_batch_mates_do_not_matter(make_recipe, rows, tmp_path):
    system = fitted(make_recipe(PRETRAINED), rows, tmp_path)
    dev = rows[1]
    predictions = system.predict(dev).set_index("id")
    shuffled = dev.sample(frac=1, random_state=1).reset_index(drop=True)
    pd.testing.assert_frame_equal(system.predict(shuffled).set_index("id").loc[dev["id"]], predictions, atol=1e-5)
    alone = pd.concat([system.predict(dev[k : k + 1].reset_index(drop=True)) for k in range(len(dev))])
    pd.testing.assert_frame_equal(alone.set_index("id"), predictions, atol=1e-5)


def test_it_learns(make_recipe, rows, tmp_path):
    """Six tones and six sentences: a net that trains tells them apart."""
    scores = {}
    for modality in ("speech", "text"):
        parts = {name: part if name == modality else None for name, part in SCRATCH.items()}
        fitted(make_recipe(parts, epochs=50), rows, tmp_path / modality)
        lines = (tmp_path / modality / "metrics.jsonl").read_text().splitlines()
        scores[modality] = max(json.loads(line)["dev_macro_f1"] for line in lines)
    assert scores["text"] == 1.0
    assert scores["speech"] > 0.7


@pytest.mark.slow
def test_loader_processes_change_nothing(make_recipe, rows, tmp_path):
    augmented = {**SCRATCH, "speech": {**SCRATCH["speech"], "crop_seconds": 0.4, "augment": {}}}
    one, two = (fitted(make_recipe(augmented, workers=n), rows, tmp_path / str(n)).predict(rows[1]) for n in (0, 2))
    pd.testing.assert_frame_equal(one, two)


def test_what_loader_processes_are_sent_holds_no_model(make_recipe, rows, tmp_path):
    import pickle

    system = build.build(make_recipe({**PRETRAINED, "text": None}), TASKS)
    system.assemble(tmp_path)
    size = sum(p.numel() * 4 for p in system.network.parameters())
    assert len(pickle.dumps(system._feed(None).for_training(rows[0], TASKS, None))) < size / 2


def test_same_seed_same_model(make_recipe, rows, tmp_path):
    one, two = (fitted(make_recipe(SCRATCH), rows, tmp_path / name).predict(rows[1]) for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two)
    other = fitted(make_recipe(SCRATCH, seed=1), rows, tmp_path / "other").predict(rows[1])
    assert not other["p_joy"].equals(one["p_joy"])


def test_refit_trains_on_all_rows_for_the_chosen_steps(make_recipe, rows, tmp_path):
    system = fitted(make_recipe(SCRATCH, epochs=4), rows, tmp_path)
    (chosen,) = system.ended.standings
    system.fit(pd.concat(rows, ignore_index=True), None, tmp_path)
    standing = torch.load(sorted((tmp_path / "checkpoints/refit").glob("step-*.pt"))[-1], weights_only=True)["standing"]
    assert standing["step"] == chosen.best_step
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 4, "the dev run's validations stay"


def test_frozen_weights_are_not_stored_and_do_not_change(make_recipe, rows, tmp_path):
    from safetensors.torch import load_file

    system = fitted(make_recipe(PRETRAINED), rows, tmp_path)
    before = build.build(make_recipe(PRETRAINED), TASKS)
    for modality in ("speech", "text"):
        old, new = before.pretrained(modality).state_dict(), system.pretrained(modality).state_dict()
        assert all(torch.equal(old[key], new[key]) for key in old)
    system.save(tmp_path / "model")
    keys = load_file(tmp_path / "model/model.safetensors")
    assert all(key.startswith("classifier.") for key in keys)
    stored = json.loads((tmp_path / "model/config.json").read_text())
    assert stored["id2label"]["0"] == "neutral"
    assert len(stored["encoders"]["speech"]["sha256"]) == 64


def test_a_changed_encoder_is_refused(make_recipe, rows, tmp_path, tiny_xlmr):
    copy = shutil.copytree(tiny_xlmr, tmp_path / "encoder")
    recipe = make_recipe({"speech": None, "text": {"encoder": str(copy)}})
    fitted(recipe, rows, tmp_path).save(tmp_path / "model")
    build.load(tmp_path)
    settings = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(settings | {"layer_norm_eps": 0.1}))
    with pytest.raises(UserError, match="has changed since"):
        build.load(tmp_path)


def test_both_broken_encoders_are_named_at_once(make_recipe, tmp_path):
    parts = {"speech": {"encoder": "nobody/speech"}, "text": {"encoder": "nobody/text"}}
    with pytest.raises(UserError, match=r"nobody/speech[\s\S]*nobody/text"):
        build.build(make_recipe(parts), TASKS)


@pytest.mark.parametrize(
    "damage", ["no folder", "no weights", "cut weights", "bad json", "other format", "other model"]
)
def test_damaged_model_folders(damage, make_recipe, rows, tmp_path):
    model = tmp_path / "model"
    if damage != "no folder":
        fitted(make_recipe({"speech": None, "text": SCRATCH["text"]}), rows, tmp_path).save(model)
    stored = json.loads((model / "config.json").read_text()) if model.exists() else {}
    if damage == "no weights":
        (model / "model.safetensors").unlink()
    elif damage == "cut weights":
        whole = (model / "model.safetensors").read_bytes()
        (model / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    elif damage == "bad json":
        (model / "config.json").write_text("{")
    elif damage == "other format":
        (model / "config.json").write_text(json.dumps(stored | {"format": 99}))
    elif damage == "other model":
        stored["tasks"]["label"] = ["a", "b"]
        (model / "config.json").write_text(json.dumps(stored))
    with pytest.raises(UserError):
        build.load(tmp_path if damage != "no folder" else tmp_path / "none")
