"""A second stage that hears all classes equally often: what it hears and changes, when it is kept, how it resumes."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emospeech import config
from emospeech.cli.main import main
from emospeech.corpora import emospeech2024
from emospeech.experiments import run as experiments
from emospeech.systems import build
from emospeech.systems.fitting import stages
from emospeech.systems.fitting.feed import Feed
from emospeech.training.standing import Standing

TASKS = {"label": emospeech2024.EMOSPEECH2024}
PICTURES = {
    "encoder": "log_mel_vgg",
    "options": {"width": 16, "bands": 16, "channels": [4, 8], "time_masks": 1},
    "crop_seconds": 0.4,
}
WORDS = {"encoder": "subword_transformer", "options": {"width": 8, "vocabulary": 120, "depth": 1, "heads": 2}}


@pytest.fixture
def recipe(tmp_path, challenge):
    def make(name="run", stage=None, train=None, **more):
        plain = {
            "name": name,
            "runs_dir": str(tmp_path),
            "data": {"corpus": "emospeech2024", "root": str(challenge)},
            "speech": PICTURES,
            "text": WORDS,
            "model": {"head": {"blocks": 1, "width": 16}, "modality_dropout": 0.3},
            "train": {
                "epochs": 3,
                "batch_size": 10,
                "optimizer": {"lr": 0.01},
                "schedule": {"name": "cosine", "warmup_steps": 0.3},
                "validate_every": 2,
                "trackers": [],
                "balanced_stage": stage,
                **(train or {}),
            },
        }
        return config.validate({**plain, **more}, "recipe", build.CHECKS)

    return make


@pytest.mark.parametrize(
    ("only", "refit"),
    [
        ("all", None),
        ("head", "train+dev"),
        pytest.param("head", None, marks=pytest.mark.slow),
        pytest.param("all", "train+dev", marks=pytest.mark.slow),
    ],
)
def test_resumed_is_uninterrupted_at_both_stages(only, refit, recipe, challenge, tmp_path, run_in_pieces):
    data = {"corpus": "emospeech2024", "root": str(challenge), "refit": refit}
    stage, train = {"only": only, "epochs": 4, "lr": 0.02}, {"keep": "last"}  # so that the refit has both
    experiments.run(recipe("whole", stage, train, data=data))
    # in the first stage after 3 steps, in the second after 7, and in the refit's second
    run_in_pieces(recipe("stopped", stage, train, data=data), 3, 7, *([9] if refit else []))
    whole, again = tmp_path / "whole", tmp_path / "stopped"
    for name in ("metrics.jsonl", "scores.json", "dev_predictions.csv", "model/model.safetensors"):
        assert (whole / name).read_bytes() == (again / name).read_bytes(), name
    assert (again / "checkpoints/dev-balanced/best.safetensors").exists()
    lines = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in lines]
    assert steps == sorted(set(steps)), "the second stage's steps go on from the first one's"
    assert [line.get("stage", 1) for line in lines] == [1] * 5 + [2] * 6


def unbalanced(challenge):
    """Training rows, half of them neutral, and dev rows."""
    manifest = emospeech2024.index(challenge)
    labelled = manifest[manifest["label"].notna()]
    rest = labelled[:24]
    train = pd.concat([rest[rest["label"] == "neutral"], rest[rest["label"] != "neutral"].groupby("label").head(1)])
    return train.reset_index(drop=True), labelled[24:].reset_index(drop=True)


def test_the_second_stage_hears_all_classes_equally_often(recipe, challenge, tmp_path, monkeypatch):
    train, dev = unbalanced(challenge)
    heard, batches = [], Feed.batches

    def listening(self, dataset, order):
        if hasattr(order, "global_batch"):
            tickets = [t for step in range(order.first_step, order.last_step) for t in order.global_batch(step)]
            heard.append(train["label"].iloc[[ticket.row for ticket in tickets]].value_counts())
        return batches(self, dataset, order)

    monkeypatch.setattr(Feed, "batches", listening)
    asked = recipe(stage={"epochs": 40}, train={"epochs": 2}, speech=None)
    build.build(asked, TASKS).fit(train, dev, tmp_path)
    first, second = heard
    assert first["neutral"] == 2 * 4
    assert first["joy"] == 2
    assert second.sum() == 40 * len(train)
    assert all(count == pytest.approx(40 * len(train) / 6, rel=0.15) for count in second)


@pytest.mark.parametrize("kind", ["scratch", "top", "lora"])
def test_the_head_alone_changes(kind, recipe, rows, request, tmp_path):
    more = {}
    if kind != "scratch":
        tiny = {name: str(request.getfixturevalue(f"tiny_{name}")) for name in ("xlsr", "xlmr")}
        mode = {"top": {"name": "top:1", "lr": 0.001}, "lora": {"name": "lora", "rank": 2}}[kind]
        more = {"speech": {"encoder": tiny["xlsr"]}, "text": {"encoder": tiny["xlmr"], "train": mode}}
    system = build.build(recipe(stage={"only": "head", "lr": 0.05, "epochs": 2}, **more), TASKS)
    system.fit(*rows, tmp_path)
    first, second = (load_file(tmp_path / f"checkpoints/{name}/best.safetensors") for name in ("dev", "dev-balanced"))
    assert first.keys() == second.keys() == system.network.trained_state().keys()
    changed = {key for key in first if not torch.equal(first[key], second[key])}
    assert changed
    assert all(key.startswith(("classifier.heads.", "classifier.trunks.")) for key in changed)
    assert system.parameters == sum(p.numel() for p in system.network.parameters() if p.requires_grad)
    assert system.parameters > sum(p.numel() for p in system.network.classifier.heads.parameters())
    system.save(tmp_path / "model")
    pd.testing.assert_frame_equal(build.load(tmp_path).predict(rows[1]), system.predict(rows[1]), atol=1e-6)


def test_all_of_it_changes_at_rates_in_proportion(recipe, rows, tmp_path, tiny_xlmr):
    text = {"encoder": str(tiny_xlmr), "train": {"name": "top:1", "lr": 0.001}}
    asked = recipe(stage={"only": "all", "lr": 0.005, "epochs": 2}, speech=None, text=text)
    _, second = stages.asked(asked, tmp_path / "dev")
    assert second.recipe.train.optimizer.lr == 0.005
    assert second.recipe.text.train.lr == pytest.approx(0.0005)
    build.build(asked, TASKS).fit(*rows, tmp_path)
    first, second = (load_file(tmp_path / f"checkpoints/{name}/best.safetensors") for name in ("dev", "dev-balanced"))
    assert any(key.startswith("text.") and not torch.equal(first[key], second[key]) for key in first)


def ending(*scores, keep="best", former=None, steered=True):
    """How a fit ends whose stages reach these scores, and which of them were trained."""
    asked = config.validate(
        {
            "name": "r",
            "data": {"corpus": "demo", "root": "x"},
            "text": WORDS,
            "train": {"keep": keep, "balanced_stage": {}},
        },
        "recipe",
        build.CHECKS,
    )
    trained = []

    def fit(stage, before):
        trained.append(stage.folder.name)
        assert len(before) == len(trained) - 1
        return Standing(best_score=scores[len(before)])

    return stages.run(stages.asked(asked, Path("dev")), fit, steered, former), trained


def test_it_is_kept_where_dev_gains():
    assert ending(0.5, 0.6)[0].kept == 1
    assert ending(0.5, 0.5)[0].kept == 0, "of equals the first"
    assert ending(0.5, 0.4)[0].kept == 0
    assert ending(0.5, 0.4, keep="last")[0].kept == 1, "the last weights are those of the last step"
    first, both = (stages.Ended((Standing(), Standing()), kept) for kept in (0, 1))
    assert ending(0.0, 0.0, former=first, steered=False)[1] == ["dev"], "a refit does not train what dev threw away"
    assert ending(0.0, 0.0, former=both, steered=False)[1] == ["dev", "dev-balanced"]
    assert ending(0.0, 0.0, former=both, steered=False)[0].kept == 1


def test_what_is_kept_is_what_predicts(recipe, rows, tmp_path):
    """The better of both stages' best weights, whichever stage it is of."""
    for name, lr in (("harmful", 50.0), ("harmless", 0.01)):
        system = build.build(recipe(stage={"only": "all", "lr": lr, "epochs": 3}, train={"epochs": 6}), TASKS)
        system.fit(*rows, tmp_path / name)
        best = [standing.best_score for standing in system.ended.standings]
        of = tmp_path / name / "checkpoints" / ("dev", "dev-balanced")[system.ended.kept] / "best.safetensors"
        state = system.network.trained_state()
        assert all(torch.equal(state[key], value) for key, value in load_file(of).items())
        assert best[system.ended.kept] == max(best)


def test_wrong_words_are_told(tmp_path, challenge, capsys):
    path = tmp_path / "r.yaml"
    path.write_text(f"data: {{corpus: emospeech2024, root: {challenge}}}\ntext: {{encoder: subword_transformer}}\n")
    for words, told in (
        (["train.balanced_stage={only: body}"], "train.balanced_stage.only"),
        (["train.balanced_stage={epochs: 0}"], "train.balanced_stage.epochs"),
        (["train.balanced_stage={rate: 1}"], "train.balanced_stage.rate"),
        (
            ["train.balanced_stage={}", "system=classical", "classical={features: [tfidf]}"],
            "balanced_stage: for networks alone",
        ),
    ):
        assert main(["train", str(path), *words]) == 2
        assert told in capsys.readouterr().err
