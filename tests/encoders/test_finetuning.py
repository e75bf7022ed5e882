"""Pre-trained encoders that train: what learns, what stays, masks, dropped blocks, adapters; every family."""

import copy

import numpy as np
import pytest
import torch

from emospeech.data.examples.dataset import pad
from emospeech.encoders.finetuning import layerdrop, lora
from emospeech.encoders.finetuning.masking import Masking, spans
from emospeech.encoders.finetuning.modes import mode
from emospeech.encoders.finetuning.tuned import untrained
from emospeech.encoders.finetuning.tuning import rates, sound, tune, words
from emospeech.encoders.speech import load_speech
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.text.sentence import SentenceText
from emospeech.runtime.errors import UserError
from emospeech.training.switches import recompute_in_place

MODES = {"full": {}, "top:1": {}, "lora": {"rank": 2, "dropout": 0.1}}


def noise(samples):
    return (0.1 * np.random.default_rng(samples).standard_normal(samples)).astype(np.float32)


@pytest.fixture(params=MODES)
def way(request):
    return mode(request.param, MODES[request.param])


def tuned_speech(folder, way, layers="last", **options):
    encoder = load_speech(str(folder), layers)
    torch.manual_seed(0)
    tune(encoder, way, sound(encoder), **options)
    return encoder


def tuned_text(folder, way, kind=PretrainedText):
    encoder, tokenizer = kind.load(str(folder))
    torch.manual_seed(0)
    tune(encoder, way, words())
    return encoder, tokenizer


def step(encoder, *inputs):
    """An optimiser step in training mode on something that every state counts for."""
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.tuned.set_mode(encoder, True)
    trained = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
    for _ in range(2):  # an adapter's first matrix has a gradient once the second is no longer zero
        states, mask = encoder(*inputs)
        (states.transpose(1, -2)[mask] if states.ndim == 4 else states[mask]).pow(2).mean().backward()
        missing = [name for name, one in encoder.named_parameters() if one.requires_grad and one.grad is None]
        assert not missing, "processes that share a training would wait for it"
        torch.optim.SGD(trained, 0.1).step()
    encoder.tuned.set_mode(encoder, False)
    return before, trained


def check_what_moved(encoder, before):
    fixed = untrained(encoder)
    for name, value in encoder.state_dict().items():
        if name in fixed:
            assert torch.equal(value, before[name]), name
    return [name for name, value in encoder.state_dict().items() if not torch.equal(value, before[name])]


def test_speech_of_every_family(any_checkpoint, way):
    encoder = tuned_speech(any_checkpoint, way, layers="weighted", spec_augment=True, layerdrop=0.3)
    batch = pad([torch.as_tensor(encoder.preprocess(noise(n))) for n in (9_000, 16_000)], 0.0)
    before, trained = step(encoder, *batch)
    moved = check_what_moved(encoder, before)
    assert trained
    assert moved
    assert not any("feature_extractor" in name or name.startswith("model.conv") for name in moved)


def test_text_of_every_family(family_folder, way):
    encoder, tokenizer = tuned_text(family_folder, way)
    tokens = torch.tensor([tokenizer("Hoy vamos al mercado")])
    before, _ = step(encoder, tokens, torch.ones_like(tokens, dtype=torch.bool))
    moved = check_what_moved(encoder, before)
    assert moved
    assert not any("pooler" in name for name in moved)


@pytest.mark.parametrize("kind", ["mean", "dense", "prompted"])
def test_sentence_models(sentence_checkpoint, way, kind):
    encoder, tokenizer = tuned_text(sentence_checkpoint(kind), way, SentenceText)
    tokens = torch.tensor([tokenizer("Hoy vamos al mercado")])
    before, _ = step(encoder, tokens, torch.ones_like(tokens, dtype=torch.bool))
    assert check_what_moved(encoder, before)
