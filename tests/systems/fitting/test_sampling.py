"""The sampler of a recipe, from the training rows to batches and losses."""

import json
import signal
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.config import Choice, Loss, Train
from emospeech.data import manifest
from emospeech.data.manifest import WEIGHT
from emospeech.runtime.interrupt import StopRequest
from emospeech.systems.fitting.plan import losses, training_order
from emospeech.systems.fitting.sampling import sampled

LABELS = ("anger", "joy", "neutral")
BALANCED = Choice(name="balanced")


def rows(counts, unlabelled=0, **columns):
    labels = [label for label, count in zip(LABELS, counts, strict=True) for _ in range(count)]
    labels += [None] * unlabelled
    return manifest.make(id=[f"{k}" for k in range(len(labels))], label=labels, **columns)


def heard(order, train, epochs):
    """Examples of each class over so many epochs."""
    tickets = [t for step in range(epochs * order.steps_per_epoch) for t in order.global_batch(step)]
    return train["label"].iloc[[t.row for t in tickets]].value_counts().to_dict()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("balanced", [20, 20, 20]), ("square_root", [36, 18, 6]), ("none", [54, 5, 1])],
)
def test_an_epoch_hears_the_classes_as_asked(name, expected, capsys):
    counts = {"balanced": (48, 10, 2), "square_root": (36, 9, 1), "none": (54, 5, 1)}[name]
    expected = {"square_root": [27.6, 13.8, 4.6]}.get(name, expected)  # 6 : 3 : 1 of 46
    train = sampled(Choice(name=name), rows(counts), LABELS, None)
    order = training_order(Train(batch_size=7), train, 0, 1)
    assert order.examples == sum(counts)
    found = heard(order, train, epochs=50)
    for label, count in zip(LABELS, expected, strict=True):
        assert found[label] / 50 == pytest.approx(count, abs=0.25)
    said = capsys.readouterr().err
    assert ("sampler balanced: an epoch hears anger 48 -> 20, joy 10 -> 20, neutral 2 -> 20" in said) == (
        name == "balanced"
    )


def test_a_row_is_heard_its_number_of_times_or_once_more():
    train = sampled(BALANCED, rows((48, 10, 2)), LABELS, None)
    order = training_order(Train(batch_size=7), train, 0, 1)
    epoch = pd.Series([t.row for step in range(order.steps_per_epoch) for t in order.global_batch(step)])
    often = epoch.value_counts().reindex(range(60), fill_value=0)
    for first, last, times in ((0, 48, 20 / 48), (48, 58, 2), (58, 60, 10)):
        assert set(often[first:last]) <= {int(np.floor(times)), int(np.ceil(times))}


def test_the_mixtures_weights_are_multiplied():
    """Two corpora, one at half weight: of 6 + 2/2 anger and 4/2 joy, half of 9 each."""
    train = rows((8, 4, 0)).assign(**{WEIGHT: [1.0] * 6 + [0.5] * 6})
    often = sampled(BALANCED, train, LABELS, None)[WEIGHT].to_numpy()
    np.testing.assert_allclose(often[:6], 4.5 / 7)
    np.testing.assert_allclose(often[6:8], 0.5 * 4.5 / 7)
    np.testing.assert_allclose(often[8:], 4.5 / 4)


def test_rows_of_further_tasks_keep_their_weight():
    train = rows((6, 2, 0), unlabelled=3)
    often = sampled(BALANCED, train, LABELS, None)[WEIGHT].to_numpy()
    np.testing.assert_allclose(often, [4 / 6] * 6 + [2.0] * 2 + [1.0] * 3)


def test_votes_count_by_their_shares():
    train = rows((3, 1, 0)).assign(votes=pd.Series([pd.NA, pd.NA, "anger:1 joy:1", pd.NA], dtype="string"))
    often = sampled(BALANCED, train, LABELS, "votes")[WEIGHT].to_numpy()
    both = np.array([2 / 2.5, 2 / 2.5, (2 / 2.5 + 2 / 1.5) / 2, 2 / 1.5])  # 2.5 anger, 1.5 joy
    np.testing.assert_allclose(often, both * 4 / both.sum())


def test_without_a_sampler_nothing_changes():
    train = rows((3, 1, 0))
    assert sampled(Choice(name="none"), train, LABELS, None) is train


def test_class_weights_of_a_balanced_epoch_are_equal():
    train = sampled(BALANCED, rows((48, 10, 2)), LABELS, None)
    weights = losses(Loss(class_weights=Choice(name="inverse")), train, {"label": LABELS}, {})["label"].weights
    np.testing.assert_allclose(weights.numpy(), [3.0, 3.0, 3.0], rtol=1e-6)


def test_the_same_global_order_on_four_processes_and_after_a_stop():
    train = sampled(BALANCED, rows((48, 10, 2)), LABELS, None)
    settings = Train(batch_size=8, accumulation=2)
    one = training_order(settings, train, 0, 1)
    for step in (0, 5, 9):
        shares = [training_order(settings, train, rank, 4) for rank in range(4)]
        parts = [list(replace(order, first_step=step, last_step=step + 1)) for order in shares]
        together = [ticket for micro in range(2) for rank in range(4) for ticket in parts[rank][micro]]
        assert [t for t in together if t.counts] == one.global_batch(step)


RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4], dropout: 0.0}, crop_seconds: 0.4}
model: {dropout: 0.0, head: {blocks: 0}}
train: {epochs: 3, batch_size: 8, sampler: square_root, trackers: []}
"""


def test_a_run_goes_on_as_if_it_had_not_stopped(tmp_path, challenge, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    assert main(["train", "recipe.yaml", "name=whole", "data.refit=train+dev"]) == 0
    asked = iter(range(100))
    with monkeypatch.context() as patch:
        patch.setattr(StopRequest, "__int__", lambda self: int(signal.SIGTERM) if next(asked) == 4 else 0)
        assert main(["train", "recipe.yaml", "name=cut", "data.refit=train+dev"]) != 0
    assert main(["train", "recipe.yaml", "name=cut", "data.refit=train+dev", "--resume"]) == 0
    whole, cut = ((tmp_path / "runs" / name / "model/model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    kept = json.loads((tmp_path / "runs/cut/model/config.json").read_text())["recipe"]["train"]["sampler"]
    assert kept == {"name": "square_root"}
