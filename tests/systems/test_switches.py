"""Soft labels and whole-run switches, from the recipe to the run folder, on the text-only scratch recipe in small."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emospeech.data import manifest
from emospeech.experiments import run as experiments
from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems import answers, build
from emospeech.systems.fitting import plan
from emospeech.training import loop

RECIPE = """
data: {corpus: audiofolder, root: ROOT, labels: [joy, fear]}
text:
  encoder: subword_transformer
  options: {width: 16, vocabulary: 120, depth: 1, heads: 2, dropout: 0.0, token_dropout: 0.0}
model: {dropout: 0.0, head: {blocks: 1, width: 16, dropout: 0.0}}
train: {epochs: 3, batch_size: 8, optimizer: {lr: 0.01}, trackers: []}
"""


@pytest.fixture
def corpus(tmp_path, spanish_sentences):
    """48 clips of six sentences; a sentence's votes fall 3 to 1, or all one way, as its label does."""

    def write(votes):
        rows = [
            {
                "file_name": f"{k}.wav",
                "label": ["joy", "fear"][k % 2],
                "transcription": spanish_sentences[k % 6],
                "split": "dev" if k >= 36 else "train",
                "votes": votes[k % 2],
            }
            for k in range(48)
        ]
        pd.DataFrame(rows).to_csv(tmp_path / "metadata.csv", index=False)
        (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(tmp_path)), encoding="utf-8")
        return tmp_path

    return write


def train(root, name, *overrides, **kwargs):
    recipe = build.load_recipe(root / "recipe.yaml", [f"runs_dir={root / 'runs'}", f"name={name}", *overrides])
    experiments.run(recipe, **kwargs)
    run = root / "runs" / name
    history = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return pd.read_csv(run / "dev_predictions.csv"), history


# -- soft labels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "focal", "logit_adjusted"])
def test_votes_all_for_the_label_train_as_the_label_does(corpus, loss):
    root = corpus(["joy:3", "fear:5"])
    words = [f"train.loss={loss}", *(["train.loss.class_weights=none"] if loss == "logit_adjusted" else [])]
    hard = train(root, "hard", *words)
    soft = train(root, "soft", *words, "data.soft_labels=votes")
    pd.testing.assert_frame_equal(soft[0], hard[0])
    assert soft[1] == hard[1]


def test_a_network_learns_how_the_votes_fell(corpus):
    """Three to one for either label: the chances approach 0.75, and the scores are still those of the label."""
    root = corpus(["joy:3 fear:1", "fear=0.75;joy=0.25"])
    _, history = train(root, "soft", "data.soft_labels=votes", "train.epochs=60")
    assert history[-1]["dev_macro_f1"] == 1.0
    assert history[-1]["dev_loss"] == pytest.approx(-np.log(0.75), abs=0.03)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert entropy <= history[-1]["train_loss"] == pytest.approx(entropy, abs=0.02)
    _, hard = train(root, "hard", "train.epochs=60")
    assert hard[-1]["dev_loss"] < 0.1


def test_class_weights_count_the_shares(corpus):
    root = corpus(["joy:1 fear:3", ""])
    recipe = build.load_recipe(root / "recipe.yaml", ["data.soft_labels=votes"])
    rows = manifest.make({"votes": ["joy:1 fear:3", None]}, id=["a", "b"], label=["joy", "fear"])
    loss = plan.losses(recipe.train.loss, rows, {"label": ("joy", "fear")}, {"label": "votes"})["label"]
    assert loss.weights.tolist() == pytest.approx([2 / 0.25, 2 / 1.75])


def test_a_run_on_soft_labels_predicts_rows_that_have_none(corpus):
    root = corpus(["joy:3 fear:1", "fear:1"])
    train(root, "soft", "data.soft_labels=votes", "data.refit=train+dev")
    system = build.load(root / "runs/soft")
    assert len(system.predict(manifest.make(id=["a"], transcription=["Tengo miedo de la oscuridad."]))) == 1


# -- deterministic -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wanted", [False, True])
def test_deterministic_in_fit_and_predict_alone(corpus, wanted, monkeypatch):
    seen = []
    step = loop._Run.step
    chances = answers.chances
    monkeypatch.setattr(
        loop._Run, "step", lambda *args: (seen.append(torch.are_deterministic_algorithms_enabled()), step(*args))[1]
    )
    monkeypatch.setattr(
        answers,
        "chances",
        lambda *args: (seen.append(torch.are_deterministic_algorithms_enabled()), chances(*args))[1],
    )
    train(corpus(["", ""]), "run", f"train.deterministic={str(wanted).lower()}", "train.epochs=1")
    assert len(seen) == 5 + 1 + 1, "five steps, a validation, a prediction"
    assert set(seen) == {wanted}
    assert not torch.are_deterministic_algorithms_enabled()


# -- weights that are no numbers ---------------------------------------------------------------------------------


def test_an_overflow_names_the_clips_and_the_run_goes_on_from_the_last_good_checkpoint(corpus, monkeypatch):
    root = corpus(["", ""])
    whole = train(root, "whole")
    validate = loop._Run.require_finite_weights

    def spoiled(run):
        if run.standing.step == 10:  # the second validation's
            with torch.no_grad():
                next(run.parts.network.classifier.parameters()).fill_(float("inf"))
        validate(run)

    monkeypatch.setattr(loop._Run, "require_finite_weights", spoiled)
    with pytest.raises(WorkError, match=r"the weights are not finite at step 10; its clips: \d+\.wav.*stays"):
        train(root, "cut")
    monkeypatch.undo()
    again = train(root, "cut", resume=True)
    pd.testing.assert_frame_equal(again[0], whole[0])
    assert again[1] == whole[1]


# -- compiled ----------------------------------------------------------------------------------------------------


def test_a_missing_compiler_is_told_with_the_recipes_other_faults(corpus, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"2 faults[\s\S]*train\.compile: torch\.compile needs a C\+\+ compiler"):
        train(corpus(["", ""]), "run", "train.compile=true", "train.epochs=0")
    build.load_recipe(os.fspath(corpus(["", ""]) / "recipe.yaml"), ["train.compile=false"])


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="inductor needs g++")
def test_compiled_is_the_same_training(corpus):
    """No dropout, whose draws differ. Checkpoints and the model are those of an ordinary network."""
    root = corpus(["", ""])
    eager = train(root, "eager")
    compiled = train(root, "compiled", "train.compile=true")
    for one, other in zip(eager[1], compiled[1], strict=True):
        assert other == pytest.approx(one, abs=1e-5)
    np.testing.assert_allclose(compiled[0].filter(like="p_"), eager[0].filter(like="p_"), rtol=0, atol=1e-5)
    weights = [load_file(root / "runs" / name / "model/model.safetensors") for name in ("eager", "compiled")]
    assert {key: w.shape for key, w in weights[0].items()} == {key: w.shape for key, w in weights[1].items()}
    again = build.load(root / "runs/compiled").predict(
        manifest.make(id=["a"], transcription=["Tengo miedo de la oscuridad."])
    )
    assert again["p_joy"].between(0, 1).all()


# -- notes and refusals ------------------------------------------------------------------------------------------


def test_a_warm_up_longer_than_the_run_is_noted(corpus, capsys):
    train(corpus(["joy:3", "fear:5"]), "long", "train.schedule.warmup_steps=1000", "train.epochs=1")
    assert "note: 1000 steps of warm-up, but the " in capsys.readouterr().err


def test_a_column_of_votes_without_any_is_refused(corpus):
    with pytest.raises(UserError, match="the column 'votes' is empty in every row"):
        train(corpus(["", ""]), "none", "data.soft_labels=votes")


def test_predictions_that_are_no_numbers_are_not_given(corpus, monkeypatch):
    root = corpus(["joy:3", "fear:5"])
    train(root, "good", "train.epochs=1")
    system = build.load(root / "runs" / "good")
    rows = manifest.make(id=["a", "b"], transcription=["hola", "no"])
    torch.nn.init.constant_(system.ready().classifier.heads["label"]["joint"].out.bias, float("nan"))
    with pytest.raises(WorkError, match="gives no numbers for 2 of 2 clips: a, b"):
        system.predict(rows)
