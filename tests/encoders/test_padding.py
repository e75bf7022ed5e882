"""A batch of different lengths and the same utterances one by one give the same features and the same logits."""

import numpy as np
import pytest
import torch

from emospeech.config import Model, Speech, Text
from emospeech.data.dataset import Batch, pad
from emospeech.models.build import build_classifier
from emospeech.models.classifier import EmotionNetwork
from emospeech.systems.parts import build_speech, build_text

SAMPLES = [400, 16_000, 9_137, 24_001, 5_000]
TASKS = {"label": ["a", "b", "c"]}


@pytest.fixture(params=["tiny_xlsr", "tiny_wav2vec2_base", "log_mel_cnn", "log_mel_cnn level kept"])
def speech(request):
    """Speech encoders, last layer."""
    return build_speech(speech_section(request))


def speech_section(request, layers="last"):
    if request.param.startswith("log_mel"):
        return Speech(encoder="log_mel_cnn", options={"normalise": "kept" not in request.param, "width": 24})
    return Speech(encoder=str(request.getfixturevalue(request.param)), layers=layers)


@pytest.fixture(params=["tiny_xlmr", "tiny_roberta", "subword_transformer"])
def text(request, spanish_sentences):
    if request.param == "subword_transformer":
        part = build_text(Text(encoder="subword_transformer", options={"vocabulary": 150}), spanish_sentences * 3)
        with torch.no_grad():  # its start is small; make positions and tokens matter
            part.encoder.position.weight.normal_()
        return part
    return build_text(Text(encoder=str(request.getfixturevalue(request.param))))


def waveforms(encoder):
    rng = np.random.default_rng(0)
    return [torch.tensor(encoder.preprocess(rng.standard_normal(n).astype(np.float32) * 0.1)) for n in SAMPLES]


def batch_of(waves=None, tokens=None, pad_id=0) -> Batch:
    wave, wave_mask = pad(waves, 0.0) if waves else (None, None)
    ids, ids_mask = pad(tokens, pad_id) if tokens else (None, None)
    return Batch(torch.arange(len(waves or tokens)), wave, wave_mask, ids, ids_mask, {})


def lively(network):
    """Every weight matters, batch-norm statistics and norms too, as after training."""
    torch.manual_seed(1)
    for name, value in network.state_dict().items():
        if "running_mean" in name:
            value.normal_()
        elif "running_var" in name:
            value.uniform_(0.5, 2)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad and ("norm" in name or name.endswith("bias")):
            torch.nn.init.normal_(parameter, mean=0.5, std=0.5)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["attention", "mean"])
@pytest.mark.parametrize("mixer", [None, {"name": "multi_head", "heads": 2}])
def test_speech_logits(speech, pooling, mixer):
    model = Model.model_validate({"pooling": pooling, "mixer": mixer})
    network = lively(EmotionNetwork(build_classifier(model, TASKS, (speech.depth, speech.width), None), speech))
    waves = waveforms(speech)
    together = network(batch_of(waves))["label"]
    alone = torch.cat([network(batch_of([wave]))["label"] for wave in waves])
    assert together.std() > 1e-2, "logits that do not depend on the clip prove nothing"
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["attention", "mean"])
@pytest.mark.parametrize("mixer", [None, {"name": "multi_head", "heads": 2}])
def test_text_logits(text, spanish_sentences, pooling, mixer):
    model = Model.model_validate({"pooling": pooling, "mixer": mixer})
    network = lively(EmotionNetwork(build_classifier(model, TASKS, None, text.encoder.width), None, text.encoder))
    tokens = [torch.tensor(text.tokenizer(s)) for s in [*spanish_sentences, "sí", " ".join(spanish_sentences[:2])]]
    together = network(batch_of(tokens=tokens, pad_id=text.tokenizer.pad_id))["label"]
    alone = torch.cat([network(batch_of(tokens=[ids], pad_id=text.tokenizer.pad_id))["label"] for ids in tokens])
    assert together.std() > 1e-2
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


@torch.no_grad()
def test_both_modalities_of_different_widths(tiny_xlsr, spanish_sentences):
    speech = build_speech(Speech(encoder=str(tiny_xlsr), layers="weighted"))
    part = build_text(Text(encoder="subword_transformer", options={"vocabulary": 150, "width": 24}), spanish_sentences)
    classifier = build_classifier(Model(), TASKS, (speech.depth, speech.width), part.encoder.width)
    network = lively(EmotionNetwork(classifier, speech, part.encoder))
    waves, tokens = waveforms(speech), [torch.tensor(part.tokenizer(s)) for s in spanish_sentences[: len(SAMPLES)]]
    together = network(batch_of(waves, tokens, part.tokenizer.pad_id))["label"]
    alone = [network(batch_of([w], [t], part.tokenizer.pad_id))["label"] for w, t in zip(waves, tokens, strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)
