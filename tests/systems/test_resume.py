"""Stopped and resumed is uninterrupted, with everything on that draws at random or follows a schedule."""

import json

import pytest
import torch
from safetensors.torch import load_file

from emospeech import config
from emospeech.experiments import run as experiments
from emospeech.systems import build

PARTS = {
    "learned late": {"fusion": {"name": "late", "weights": "learned"}, "mixer": {"name": "multi_head", "dropout": 0.2}},
    "cross attention": {"fusion": {"name": "cross_attention", "heads": 2}, "pooling": "double_multi_head"},
    "from the store": {"mixer": {"name": "multi_head", "dropout": 0.2}},
    "pictures": {"modality_dropout": 0.0},
}
NET = {"size": 32, "bands": 16, "width": 2, "fc_width": 8, "attention": True, "batch_norm": True, "time_masks": 1}
PICTURES = {"speech": {"encoder": "deep_spectrum", "options": NET, "augment": {"probability": 0.9}}, "text": None}


@pytest.fixture
def frozen(tiny_xlsr, tiny_xlmr, tmp_path):
    """Encoders whose states are stored, augmented views of speech among them."""
    speech = {"encoder": str(tiny_xlsr), "layers": "weighted", "crop_seconds": 0.4, "augment": {"probability": 0.9}}
    return {"speech": speech, "text": {"encoder": str(tiny_xlmr)}, "cache": {"folder": str(tmp_path / "store")}}


@pytest.fixture
def recipe(tmp_path, challenge):
    def make(name, model, **more):
        plain = {
            "name": name,
            "runs_dir": str(tmp_path),
            "data": {"corpus": "emospeech2024", "root": str(challenge), "refit": "train+dev"},
            "speech": {
                "encoder": "log_mel_vgg",
                "options": {"width": 16, "bands": 16, "channels": [4, 8], "time_masks": 1, "frequency_masks": 1},
                "crop_seconds": 0.4,
                "augment": {"probability": 0.9},
            },
            "text": {"encoder": "subword_transformer", "options": {"width": 8, "vocabulary": 120, "depth": 1}},
            "model": {"head": {"blocks": 1, "width": 16}, "modality_dropout": 0.5, **model},
            "train": {
                "epochs": 3,
                "batch_size": 10,
                "optimizer": {"name": "SGD", "lr": 0.05, "momentum": 0.9},
                "schedule": {"name": "cosine", "warmup_steps": 0.3},
                "loss": {"name": "focal", "class_weights": "effective_number"},
                "validate_every": 2,
                "trackers": [],
            },
        }
        return config.validate({**plain, **more}, "recipe", build.CHECKS)

    return make


@pytest.mark.parametrize(
    "parts", ["learned late", pytest.param("cross attention", marks=pytest.mark.slow), "from the store", "pictures"]
)
def test_resumed_is_uninterrupted_bit_for_bit(parts, recipe, frozen, tmp_path, run_in_pieces):
    more = {"from the store": frozen, "pictures": PICTURES}.get(parts, {})
    experiments.run(recipe("whole", PARTS[parts], **more))
    run_in_pieces(recipe("stopped", PARTS[parts], **more), 3, 3)  # after step 4 and step 8, of 9
    whole, again = tmp_path / "whole", tmp_path / "stopped"
    one, other = (load_file(run / "model" / "model.safetensors") for run in (whole, again))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    assert (whole / "metrics.jsonl").read_text() == (again / "metrics.jsonl").read_text()
    assert json.loads((whole / "scores.json").read_text()) == json.loads((again / "scores.json").read_text())
