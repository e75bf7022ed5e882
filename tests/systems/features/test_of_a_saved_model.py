"""A saved model reads what earlier runs keep of its rows, and hears and reads the others itself."""

import numpy as np
import pandas as pd
import pytest

from emospeech.systems import build


def chances(system, rows):
    return system.predict(rows).filter(like="p_").to_numpy()


@pytest.fixture
def saved(fitted, recipe, tmp_path):
    """Words of `cache` -> the fitted system and the folder of its model."""

    def make(cache, **more):
        system = fitted(recipe({"dtype": "fp32", **cache}, **more))
        system.save(tmp_path / "model")
        return system, tmp_path / "model"

    return make


@pytest.fixture
def no_encoder(monkeypatch):
    """An encoder that is asked for anything is an error."""

    def refuse(*_):
        raise AssertionError("an encoder ran")

    def switch_off(system):
        for encoder in (system.ready().speech, system.ready().text):
            monkeypatch.setattr(encoder, "forward", refuse)
        return system

    return switch_off


@pytest.mark.parametrize(
    "cache", [{}, {"frame_stride": 3}, {"mode": "mixed", "sample": 16}, {"dtype": "int8"}], ids=str
)
def test_stored_rows_are_read_with_the_same_numbers(cache, saved, no_encoder, rows, capsys):
    system, model = saved(cache)
    capsys.readouterr()
    found = chances(no_encoder(build.load(model)), rows[1])
    np.testing.assert_array_equal(found, chances(system, rows[1]))
    assert f"{len(rows[1])} of {len(rows[1])} rows are read from the stored features" in capsys.readouterr().err


def test_rows_that_are_not_stored_are_heard_and_nothing_is_written(saved, rows, challenge, tmp_path, capsys):
    system, model = saved({})
    new = rows[1].iloc[:6].copy()
    new["transcription"] = [f"otra frase {k}" for k in range(6)]
    both = pd.concat([new.iloc[:3], rows[1].iloc[6:], new.iloc[3:]], ignore_index=True)
    before = sorted((tmp_path / "store").rglob("*.safetensors"))
    loaded = build.load(model)
    found = loaded.predict(both)
    assert f"{len(both) - 6} of {len(both)} rows are read" in capsys.readouterr().err
    assert sorted((tmp_path / "store").rglob("*.safetensors")) == before
    assert found["id"].tolist() == both["id"].tolist()
    expected = system.predict(both).filter(like="p_").to_numpy()
    np.testing.assert_allclose(found.filter(like="p_").to_numpy(), expected, rtol=0, atol=1e-5)


def test_without_a_store_all_is_heard(saved, rows, tmp_path, capsys):
    system, model = saved({"folder": str(tmp_path / "gone")})
    (tmp_path / "gone").rename(tmp_path / "elsewhere")
    expected = chances(system, rows[1])
    capsys.readouterr()
    np.testing.assert_allclose(chances(build.load(model), rows[1]), expected, rtol=0, atol=1e-5)
    assert "stored features" not in capsys.readouterr().err
    assert not (tmp_path / "gone").exists()


def test_a_text_model_reads_texts(saved, rows, no_encoder):
    system, model = saved({}, speech=None)
    loaded = build.load(model)
    loaded.ready().text.forward = None
    np.testing.assert_array_equal(chances(loaded, rows[1]), chances(system, rows[1]))
