"""The experiment on fresh crops: its recipes are whole, and its table says what was found."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from emospeech.config import recipes_folder


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location(
        "fresh_crops", recipes_folder().parent / "benchmarks" / "fresh_crops.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_settings_differ_in_the_store_alone(script, tmp_path: Path, tiny_xlsr: Path) -> None:
    (tmp_path / "encoder").symlink_to(tiny_xlsr)
    shared = [*script.NEW_VOICES, "train.epochs=8"]
    recipes = [script.recipe_of(tmp_path, tmp_path, shared, setting, seed=3) for setting in script.SETTINGS]
    assert len({recipe.name for recipe in recipes}) == len(recipes)
    assert len({str(recipe.cache) for recipe in recipes}) == len(recipes)
    alike = [recipe.model_copy(update={"name": "", "cache": None}) for recipe in recipes]
    assert alike == alike[:1] * len(recipes)
    assert recipes[0].cache is None
    assert recipes[0].train.seed == 3


def test_where_voices_are_known_no_clip_is_in_two_parts(script, tmp_path: Path) -> None:
    pairs = [(label, f"s{k}") for label in ("joy", "anger") for k in range(3) for _ in range(10)]
    clips = pd.DataFrame(
        {"file_name": [f"{k}.wav" for k in range(60)]}
        | dict(zip(("label", "speaker"), zip(*pairs, strict=False), strict=False))
    )
    clips.to_csv(tmp_path / "metadata.csv", index=False)
    words = script.splits_of(tmp_path, tmp_path, "known")
    assert words["head"][-1] == f"data.split.file={tmp_path / 'head.csv'}"
    encoder, head = (pd.read_csv(tmp_path / f"{who}.csv").set_index("id")["split"] for who in ("encoder", "head"))
    assert not set(encoder[encoder == "train"].index) & set(head[head == "train"].index)
    assert encoder[encoder != "train"].equals(head[head != "train"])  # the same clips steer and test
    assert set(encoder.index) | set(head.index) == set(clips["file_name"])
    tested = clips.set_index("file_name").loc[head[head == "test"].index].groupby(["label", "speaker"]).size()
    assert tested.tolist() == [2] * 6


def test_table_pairs_runs_of_one_seed(script) -> None:
    scores = {"fresh": [0.3, 0.5], "stored": [0.4, 0.4]}
    found = pd.DataFrame(
        {"setting": setting, "seed": seed, "dev": f1, "test": f1, "seconds": 20.0, "epochs": 10, "extraction": 0.0}
        for setting, of in scores.items()
        for seed, f1 in enumerate(of)
    )
    *_, fresh, stored = script.lines(found)
    assert fresh.startswith("| fresh | 0.400 ± 0.141 | 0.400 ± 0.141 |  |  | 10 | 20 | 2.0 |")
    # differences +0.1 and -0.1: standard error 0.1, and t of one degree of freedom is 12.706
    assert "| +0.000 (-1.271 to +1.271) |" in stored.replace("-0.000", "+0.000")


def test_filters_are_equally_loud(script) -> None:
    import numpy as np
    import torch

    sound = np.random.default_rng(0).standard_normal(160_000).astype(np.float32)
    filters = script.gabor([sound])
    heard = torch.nn.functional.conv1d(torch.tensor(sound)[None, None], filters[:, None], stride=400)
    assert filters.shape == (92, 400)
    torch.testing.assert_close(heard.pow(2).mean(dim=(0, 2)), torch.ones(92))
