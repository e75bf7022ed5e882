"""One model for speech and text, speech alone, text alone: modality dropout; without it, what is missing is said."""

import pandas as pd
import pytest

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.experiments import inference
from emospeech.models.fusion import FUSIONS
from emospeech.runtime.errors import UserError
from emospeech.systems import build

TASKS = {"label": emospeech2024.EMOSPEECH2024}


def recipe(tmp_path, **model):
    return config.validate(
        {
            "name": "run",
            "runs_dir": str(tmp_path),
            "data": {"corpus": "demo", "root": "unused"},
            "speech": {"encoder": "log_mel_cnn", "options": {"width": 16, "bands": 16, "channels": [4, 8]}},
            "text": {"encoder": "subword_transformer", "options": {"width": 8, "vocabulary": 120, "depth": 1}},
            "model": {"head": {"blocks": 1, "width": 16, "dropout": 0.0}, **model},
            "train": {"epochs": 3, "batch_size": 8, "optimizer": {"lr": 0.01}, "trackers": []},
        },
        "test",
        build.CHECKS,
    )


@pytest.fixture(scope="module")
def rows(challenge):
    manifest = emospeech2024.index(challenge)
    labelled = manifest[manifest["label"].notna()]
    return labelled[:24].reset_index(drop=True), labelled[24:].reset_index(drop=True)


def without(rows, column, which):
    return rows.assign(**{column: rows[column].mask([k in which for k in range(len(rows))])})


@pytest.mark.parametrize("fusion", FUSIONS)
def test_one_model_serves_all_three(fusion, rows, tmp_path):
    train, dev = without(rows[0], "audio", {0, 5}), rows[1]
    system = build.build(recipe(tmp_path, fusion=fusion, modality_dropout=0.4), TASKS)
    system.fit(without(train, "transcription", {1}), dev, tmp_path)
    whole, deaf, blind = (
        inference.predict(system, part).set_index("id")
        for part in (dev, without(dev, "audio", range(99)), without(dev, "transcription", range(99)))
    )
    assert (whole["p_joy"] - deaf["p_joy"]).abs().max() > 1e-4
    assert (whole["p_joy"] - blind["p_joy"]).abs().max() > 1e-4
    mixed = without(without(dev, "audio", {0, 3}), "transcription", {1, 7})
    together = inference.predict(system, mixed).set_index("id")
    expected = whole.copy()
    for k, source in ((0, deaf), (3, deaf), (1, blind), (7, blind)):
        expected.loc[dev["id"][k]] = source.loc[dev["id"][k]]
    pd.testing.assert_frame_equal(together, expected, rtol=0, atol=1e-4)
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(inference.predict(build.load(tmp_path), mixed).set_index("id"), together, atol=1e-6)


def test_blank_text_is_no_text(rows, tmp_path):
    system = build.build(recipe(tmp_path, modality_dropout=0.4), TASKS)
    system.fit(*rows, tmp_path)
    blank = rows[1].assign(transcription=pd.Series([" "] * len(rows[1]), dtype="string"))
    none = without(rows[1], "transcription", range(99))
    pd.testing.assert_frame_equal(inference.predict(system, blank), inference.predict(system, none))


def test_neither_is_refused(rows, tmp_path):
    system = build.build(recipe(tmp_path, modality_dropout=0.4), TASKS)
    nothing = without(without(rows[1], "audio", {2}), "transcription", {2})
    with pytest.raises(UserError, match=f"1 of {len(nothing)} rows have neither audio nor transcription"):
        inference.predict(system, nothing)


def test_neither_is_refused_where_broken_audio_was_the_only_one(rows, tmp_path):
    system = build.build(recipe(tmp_path, modality_dropout=0.4), TASKS)
    (tmp_path / "junk.wav").write_bytes(b"junk")
    dumb = without(rows[1], "transcription", {2})
    dumb["audio"] = dumb["audio"].where(dumb.index != 2, str(tmp_path / "junk.wav"))
    with pytest.raises(UserError, match=f"1 of {len(dumb)} rows have neither audio nor transcription"):
        inference.predict(system, dumb, on_bad_audio="silence")


@pytest.mark.parametrize(("column", "what"), [("audio", "speech"), ("transcription", "text")])
def test_without_modality_dropout_a_missing_modality_is_an_error_that_says_so(column, what, rows, tmp_path):
    system = build.build(recipe(tmp_path), TASKS)
    for missing in ({2}, range(99)):
        with pytest.raises(UserError, match=f"modality_dropout .* serves rows without {what}, too"):
            inference.predict(system, without(rows[1], column, missing))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"pooling": {"name": "multi_head", "heads": 5}}, "heads=5 do not divide the width 16"),
        ({"fusion": {"name": "cross_attention", "heads": 5}}, r"width of speech \(16\), text \(8\)"),
        ({"mixer": {"name": "multi_head", "heads": 5}}, "heads=5 do not divide"),
        ({"mixer": {"name": "multi_head", "dropout": 3.0}}, "dropout should be at least 0 and below 1, got 3"),
        ({"fusion": {"name": "cross_attention", "dropout": -0.1}}, "dropout should be"),
        ({"pooling": {"name": "attentive_statistics", "hidden": 0}}, "hidden should be 1 or more"),
    ],
)
def test_options_that_do_not_go_with_the_widths_are_found_before_any_work(model, expected, tmp_path):
    with pytest.raises(UserError, match=expected):
        build.build(recipe(tmp_path, **model), TASKS)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"pooling": {"name": "multi_head", "head": 5}}, "multi_head: unknown option head; known: heads"),
        ({"pooling": {"name": "multi_head", "heads": "many"}}, "multi_head: heads: input should be a valid integer"),
        ({"pooling": {"name": "mean", "heads": 2}}, "mean: unknown option heads; it takes none"),
        ({"fusion": {"name": "late", "weights": "votes"}}, "late: weights: "),
        ({"modality_dropout": 1.0}, "model.modality_dropout"),
    ],
)
def test_options_are_checked_by_name_and_type(model, expected, tmp_path):
    with pytest.raises(UserError, match=expected):
        recipe(tmp_path, **model)
