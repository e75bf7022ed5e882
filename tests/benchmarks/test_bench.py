"""`bench.py` and `real_size.py` work, at tiny sizes; what they measure there says nothing."""

import importlib
import re

import pytest

from emospeech.config import load, recipes_folder
from emospeech.labels import EMOSPEECH2024
from emospeech.models.build import build_classifier

from .conftest import BENCHMARKS, output_of


def ran(script: str, *words: str, bare: bool = False) -> str:
    return output_of(script, "--quick", *words, bare=bare)


def rows_of(output: str) -> dict[str, float]:
    """What is compared, and its ratio."""
    found = [line.strip("| ").split(" | ") for line in output.splitlines() if line.startswith("| ")]
    return {cells[0]: float(cells[1]) for cells in found if cells[0] != "A / B"}


@pytest.mark.slow
def test_ratios_stand_in_one_table_below_the_hardware():
    output = ran("bench.py", "extraction", "exactness", "gpu")
    assert re.match(r"CPU: .* cores, 1 threads, memory \d+ GiB\nGPU: none\nPython [\d.]+, torch ", output)
    rows = rows_of(output)
    assert rows["exactness: largest logit error, fp32 / deviation"] < 1e-4
    assert 0 < rows["exactness: largest logit error, fp16 / deviation"] < 0.1
    assert 0 < rows["extraction: time inside the encoder / all"] < 1
    assert "gpu: skipped, there is none" in output
    assert re.search(r"^(NOT )?met: extraction is inside the encoder at least 90%: \d", output, re.MULTILINE)


@pytest.mark.slow
def test_a_bare_machine_runs_what_it_can():
    output = ran("bench.py", "decoding", "cold", bare=True)
    assert "decoding: skipped: no soundfile" in output
    assert any(what.startswith("a step from a cold page cache") for what in rows_of(output))


@pytest.mark.slow
def test_the_real_size_tells_where_the_time_went():
    output = ran("real_size.py", "--views", "2", bare=True)
    assert "32 + 8 clips" in output
    assert "72 inputs" in output
    named = [line.split(" | ")[0].strip("| ") for line in output.splitlines() if line.startswith("| ")]
    assert named == [
        "",
        "extraction, speech",
        "extraction, text",
        "training steps",
        "evaluation",
        "checkpoints",
        "total",
    ]


def test_the_trained_part_is_the_recipe_s(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    network = importlib.import_module("network")
    recipe = load(recipes_folder() / "xlsr_roberta.yaml")
    shape = (24, 1024), 1024
    assert str(network.classifier(*shape)) == str(build_classifier(recipe.model, {"label": EMOSPEECH2024}, *shape))
    assert network.MODEL.modality_dropout == recipe.model.modality_dropout
    train = recipe.train
    assert (train.epochs, train.batch_size) == (network.EPOCHS, network.BATCH)
    assert (train.optimizer.lr, train.optimizer.weight_decay) == (network.RATE, network.DECAY)
    assert train.validate_every == network.VALIDATE_EVERY
    assert recipe.speech.crop_seconds == network.CROP_SECONDS
    assert recipe.speech.augment.probability == network.AUGMENTED


def test_lengths_have_the_mean_asked_for(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    drawn = importlib.import_module("network").lengths(3750)
    assert drawn.mean() == pytest.approx(9.2, abs=0.05)
    assert drawn.min() >= 1
    assert drawn.max() <= 20


@pytest.mark.slow
def test_all_parts_run():
    output = ran("bench.py")
    assert len(rows_of(output)) > 25
    assert [line for line in output.splitlines() if "skipped" in line] == ["gpu: skipped, there is none"]
    assert output.count("met: ") == 4
