"""A head trained from the store is the head trained with the encoders in the loop."""

import json

import numpy as np
import pandas as pd
import pytest

from emospeech.systems import build

# what rounding may do to losses and chances after two epochs; 16 numbers a frame make little of an int8 scale
WHOLE = {"fp32": (1e-5, 1e-5), "fp16": (1e-2, 1e-2), "bf16": (0.1, 0.2), "int8": (0.1, 0.2)}
SMALL_READER = {"width": 8, "vocabulary": 120, "depth": 1, "dropout": 0.0, "token_dropout": 0.0}
SMALL_NET = {"width": 8, "bands": 16, "channels": [4], "dropout": 0.0}


def history(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def chances(system, rows):
    return system.predict(rows).filter(like="p_").to_numpy()


@pytest.mark.parametrize("dtype", WHOLE)
def test_as_with_the_encoders_in_the_loop(dtype, recipe, fitted, rows, tmp_path):
    """Whole clips of different lengths in a batch, layers weighted, both modalities."""
    loop = fitted(recipe(None), "loop")
    stored = fitted(recipe({"dtype": dtype}), "stored")
    losses, predictions = WHOLE[dtype]
    for one, other in zip(history(tmp_path / "loop"), history(tmp_path / "stored"), strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], abs=losses)
    expected = chances(loop, rows[1])
    np.testing.assert_allclose(chances(stored, rows[1]), expected, rtol=0, atol=predictions)
    stored.save(tmp_path / "model")  # and the saved model hears for itself
    np.testing.assert_allclose(chances(build.load(tmp_path / "model"), rows[1]), expected, rtol=0, atol=predictions)


@pytest.mark.parametrize(
    "parts",
    [
        {"speech": {"layers": "last"}, "model": {"pooling": "statistics", "fusion": "gated"}},
        {"speech": {"layers": [0, 2]}, "model": {"fusion": "late", "mixer": "self_attention"}},
        {
            "text": {
                "encoder": "subword_transformer",
                "options": SMALL_READER,
            }
        },
        {"speech": {"encoder": "log_mel_cnn", "layers": "last", "options": SMALL_NET}},
    ],
    ids=["last layer", "two layers", "text trains", "speech trains"],
)
def test_other_heads_and_an_encoder_that_trains(parts, recipe, fitted, rows):
    expected = chances(fitted(recipe(None, **parts), "loop"), rows[1])
    np.testing.assert_allclose(
        chances(fitted(recipe({"dtype": "fp32"}, **parts), "stored"), rows[1]), expected, rtol=0, atol=1e-4
    )


@pytest.mark.slow
def test_loader_processes_beside_stored_text(recipe, fitted, rows):
    """Speech trains from scratch and is decoded by workers, text comes from the store."""
    parts = {"speech": {"encoder": "log_mel_cnn", "layers": "last", "options": SMALL_NET, "crop_seconds": 0.3}}
    expected = chances(fitted(recipe({}, **parts), "one"), rows[1])
    found = chances(fitted(recipe({}, **parts, train={"workers": 1, "epochs": 2}), "other"), rows[1])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_base_models_and_one_modality(recipe, fitted, rows, tiny_wav2vec2_base):
    """Group norm over time: each clip was heard alone."""
    parts = {"speech": {"encoder": str(tiny_wav2vec2_base)}, "text": {}}
    for text in ({}, None):
        one = recipe(None, **parts)
        other = recipe({"dtype": "fp32"}, **parts)
        if text is None:
            one, other = (r.model_copy(update={"text": None}) for r in (one, other))
        expected = chances(fitted(one, f"loop{text}"), rows[1])
        found = chances(fitted(other, f"stored{text}"), rows[1])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_rows_that_lack_a_modality(recipe, fitted, rows):
    lacking = [
        part.assign(
            audio=part["audio"].mask([k % 5 == 1 for k in range(len(part))]),
            transcription=part["transcription"].mask([k % 5 == 3 for k in range(len(part))]),
        )
        for part in rows
    ]
    results = [
        chances(fitted(recipe(cache, model={"modality_dropout": 0.3}), name, *lacking), lacking[1])
        for cache, name in ((None, "loop"), ({"dtype": "fp32"}, "stored"))
    ]
    np.testing.assert_allclose(results[1], results[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "cache", [{"frame_stride": 3}, {"precision": "bf16"}, {"device": "cpu"}, {"write": False}], ids=str
)
def test_the_saved_model_predicts_as_it_was_scored(cache, recipe, fitted, rows, tmp_path):
    system = fitted(recipe({"dtype": "fp32", **cache}))
    system.save(tmp_path / "model")
    found = chances(build.load(tmp_path / "model"), rows[1])
    np.testing.assert_allclose(found, chances(system, rows[1]), rtol=0, atol=1e-4)


def test_of_layers_whose_sum_is_stored(recipe, fitted, rows, tmp_path, capsys):
    """The weights are learned once, stay as they are in training, and the saved model sums its layers by them."""
    mixed = {"mode": "mixed", "dtype": "fp32", "sample": 16}
    system = fitted(recipe(mixed), "first")
    kept = system.ready().classifier.layer_mix.weights
    assert not kept.requires_grad
    assert kept.shape == (3,)
    assert (kept - 1 / 3).abs().max() > 1e-3
    system.save(tmp_path / "model")
    found = chances(build.load(tmp_path / "model"), rows[1])
    np.testing.assert_allclose(found, chances(system, rows[1]), rtol=0, atol=1e-4)
    assert "learning the weights" in capsys.readouterr().err
    again = fitted(recipe(mixed, train={"seed": 5}), "second")
    assert again.ready().classifier.layer_mix.weights.tolist() == kept.tolist()
    said = capsys.readouterr().err
    assert "learning the weights" not in said
    assert "extracting" not in said


@pytest.mark.slow
def test_sums_are_made_of_stored_layers(recipe, fitted, rows, tmp_path, capsys):
    """Whoever has all layers need not hear anything again."""
    alone = {"mode": "mixed", "dtype": "fp32", "sample": 16, "folder": str(tmp_path / "other")}
    expected = chances(fitted(recipe(alone), "a"), rows[1])
    fitted(recipe({"dtype": "fp32"}), "layers")
    capsys.readouterr()
    found = chances(fitted(recipe({"mode": "mixed", "dtype": "fp32", "sample": 16}), "b"), rows[1])
    assert "extracting" not in capsys.readouterr().err
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_order_in_is_order_out(recipe, fitted, rows):
    system = fitted(recipe({}))
    expected = system.predict(rows[1])
    backwards = rows[1][::-1].reset_index(drop=True)
    found = system.predict(backwards)
    assert found["id"].tolist() == backwards["id"].tolist()
    pd.testing.assert_frame_equal(found[::-1].reset_index(drop=True), expected, rtol=0, atol=1e-5)
