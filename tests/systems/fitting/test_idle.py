"""What has no effect is told as a fit begins, or refused where nothing could give it one."""

from types import SimpleNamespace

import pytest
from torch import nn

from emospeech import config
from emospeech.cli.main import main
from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.fitting import idle

EFFECTS = [{"name": "speed", "factors": [0.8, 1.2]}, "noise"]


def recipe_of(**sections):
    plain = {"name": "run", "data": {"corpus": "demo", "root": "x"}, **sections}
    return config.validate(plain, "recipe")


def told(recipe, speech=None):
    return list(idle.notes(recipe, SimpleNamespace(speech=speech, text=None)))


def encoder(trains):
    blocks = nn.ModuleList([nn.Linear(2, 2)]).requires_grad_(trains)
    return SimpleNamespace(blocks=blocks)


def test_options_of_training_beside_a_frozen_encoder():
    speech = {"encoder": "facebook/wav2vec2-base", "train": {"lr": 1e-5, "layer_decay": 0.9, "spec_augment": False}}
    text = {"encoder": "roberta-base", "train": {"name": "frozen", "lr": 1e-5}}
    assert told(recipe_of(speech=speech, text=text)) == [
        "without effect: speech.train.lr, speech.train.layer_decay, speech.train.spec_augment, as speech is frozen; "
        "speech.train=full, top:<n> or lora lets it train",
        "without effect: text.train.lr, as text is frozen; text.train=full, top:<n> or lora lets it train",
    ]
    for way in ("full", "top:2", "lora"):
        assert not told(recipe_of(speech={**speech, "train": {**speech["train"], "name": way}}))
    assert not told(recipe_of(speech={**speech, "train": "frozen"}))


def test_options_of_training_beside_an_encoder_from_scratch():
    found = told(recipe_of(speech={"encoder": "log_mel_cnn", "train": {"layerdrop": 0.1}}))
    assert found == ["without effect: speech.train.layerdrop, as log_mel_cnn trains whole, at train.optimizer.lr"]


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        ({"effects": EFFECTS, "speeds": [0.9]}, {"speeds": "speed has its own"}),
        ({"effects": EFFECTS, "impulse_folder": "x"}, {"impulse_folder": "reverb is not among its effects"}),
        ({"effects": EFFECTS, "snr_db": [0.0, 5.0], "noise_folder": "x"}, {}),
        ({"effects": [{"name": "noise", "folder": "y"}], "noise_folder": "x"}, {"noise_folder": "noise has its own"}),
        ({"effects": ["pitch"], "snr_db": [0.0, 5.0]}, {"snr_db": "noise is not among its effects"}),
        ({"effects": [{"name": "speed", "between": [0.9, 1.1]}], "speeds": [0.9]}, {"speeds": "speed has its own"}),
        ({"effects": ["noise", {"name": "noise", "folder": "y"}], "noise_folder": "x"}, {}),
        ({"speeds": [0.8], "impulse_folder": "x", "noise_folder": "x", "snr_db": [0.0, 5.0]}, {}),
    ],
)
def test_words_of_augmentation_that_no_effect_takes(augment, expected):
    recipe = recipe_of(speech={"encoder": "log_mel_cnn", "augment": augment})
    assert told(recipe) == [f"without effect: speech.augment.{word}, as {why}" for word, why in expected.items()]


def test_checkpointing_where_nothing_trains():
    recipe = recipe_of(speech={"encoder": "facebook/wav2vec2-base"}, train={"gradient_checkpointing": True})
    expected = ["without effect: train.gradient_checkpointing, as no encoder trains that has blocks to compute again"]
    assert told(recipe, encoder(trains=False)) == expected
    assert told(recipe, SimpleNamespace()) == expected
    assert not told(recipe, encoder(trains=True))


RECIPE = """
data: {corpus: emospeech2024, root: ROOT, limit: 12}
speech: {encoder: SPEECH, crop_seconds: 0.4, train: {name: full, lr: 1.0e-5}, augment: {effects: [pitch]}}
model: {head: {blocks: 1, width: 16}}
train: {epochs: 1, batch_size: 6, gradient_checkpointing: true, trackers: []}
"""


def test_as_typed(challenge, tiny_xlsr, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = RECIPE.replace("ROOT", str(challenge)).replace("SPEECH", str(tiny_xlsr))
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    assert main(["train", "run.yaml", "name=full", "speech.augment=null"]) == 0
    assert "without effect" not in capsys.readouterr().err
    assert main(["train", "run.yaml", "speech.train=frozen", "speech.augment.speeds=[0.8]"]) == 0
    said = capsys.readouterr().err
    for what in ("speech.train.lr, as speech is frozen", "speech.augment.speeds, as speed", "train.gradient_checkpoin"):
        assert said.count(f"without effect: {what}") == 1
    classical = ["name=classical", "system=classical", "classical={features: [functionals]}", "speech.train=frozen"]
    assert main(["train", "run.yaml", *classical, "train.gradient_checkpointing=false"]) == 0
    said = capsys.readouterr().err
    assert "without effect: speech.train.lr, as a classical system takes speech as its" in said
    assert "without effect: speech.augment, speech.crop_seconds, as a classical system hears clips whole" in said


def test_what_a_classical_system_never_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "data: {corpus: demo, root: x}\nsystem: classical\nclassical: {features: [tfidf]}\n"
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    words = ["train.sampler=balanced", "train.mixup={}", "train.gradient_checkpointing=true"]
    expected = ["sampler: balanced", "mixup", "gradient_checkpointing"]
    for given, name in zip([*[[word] for word in words], words], [*expected, ", ".join(expected)], strict=True):
        with pytest.raises(UserError) as error:
            build.load_recipe("run.yaml", given)
        assert f"train: {name}: for networks alone, and this system is classical; leave it out" in str(error.value)
    build.load_recipe("run.yaml", ["train.sampler=none", "train.mixup=null"])
