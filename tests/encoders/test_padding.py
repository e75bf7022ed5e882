"""A batch of different lengths and the same utterances one by one give the same logits, whatever encodes and fuses."""

import numpy as np
import pytest
import torch

from emospeech.config import Model, Speech, Text
from emospeech.data.examples.dataset import Batch, pad
from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS
from emospeech.models.build import build_classifier
from emospeech.models.classifier import EmotionNetwork
from emospeech.models.fusion import FUSIONS
from emospeech.systems.parts import build_speech, build_text

SAMPLES = [400, 16_000, 9_137, 24_001, 5_000, 1]
TASKS = {"label": ["a", "b", "c"]}
SMALL = {  # of the from-scratch nets: quick, and two of them without the mean taken away
    "log_mel_cnn": {"channels": [8, 16]},
    "log_mel_vgg": {"channels": [4, 8], "normalise": False},
    "log_mel_resnet34": {"channels": [2, 2, 4, 4], "normalise": False},
    "log_mel_tdnn": {"dilations": [1, 3]},
}


@pytest.fixture
def speech(request, speech_checkpoint):
    name = request.param
    if name in SPECTROGRAM_ENCODERS:
        return build_speech(Speech(encoder=name, options={"width": 16, "bands": 16, **SMALL[name]}))
    return build_speech(Speech(encoder=str(speech_checkpoint(name)), layers="weighted"))


@pytest.fixture
def text(request, text_checkpoint, sentence_checkpoint, spanish_sentences):
    family, _, level = request.param.partition(" ")
    if family == "subword_transformer":
        wanted = Text(encoder=family, options={"vocabulary": 150, "width": 24}, max_tokens=20)
        part = build_text(wanted, spanish_sentences * 3)
        with torch.no_grad():  # its start is small; make positions and tokens matter
            part.encoder.position.weight.normal_()
        return part
    make = sentence_checkpoint if level else text_checkpoint
    return build_text(Text(encoder=str(make(family)), level=level or "token"))


SPEECH = [
    "wav2vec2_base", "xlsr", "hubert_large", "mhubert", "wavlm_base", "wavlm_large", "data2vec", "unispeech_sat",
    "w2v_bert", "whisper", *SPECTROGRAM_ENCODERS,
]  # fmt: skip
TEXT = [
    "bert", "roberta", "camembert", "xlm_roberta", "mpnet", "electra", "distilbert", "deberta", "deberta_v2",
    "mean token", "mean sentence", "dense sentence", "prompted sentence", "static sentence", "subword_transformer",
]  # fmt: skip


def test_no_family_is_left_out(speech_families, text_families):
    assert {*speech_families, *SPECTROGRAM_ENCODERS} == set(SPEECH)
    assert set(text_families) <= set(TEXT)


@pytest.fixture
def waves():
    def make(encoder):
        rng = np.random.default_rng(0)
        time = np.arange(max(SAMPLES)) / 16_000
        clips = [  # a tone each, and a little noise
            (0.3 * np.sin(2 * np.pi * 200 * 2**k * time[:n]) + 0.01 * rng.standard_normal(n)).astype(np.float32)
            for k, n in enumerate(SAMPLES)
        ]
        return [torch.as_tensor(encoder.preprocess(clip)) for clip in clips]

    return make


@pytest.fixture
def tokens(spanish_sentences):
    """Sentences, a word, and a text longer than any encoder here takes."""
    texts = [*spanish_sentences[:4], "sí", " ".join(spanish_sentences * 4)]
    return lambda part: [torch.tensor(part.tokenizer(text)) for text in texts]


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
        elif parameter.requires_grad and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=2 * parameter.shape[1] ** -0.5)
    return network.eval()


def agree(network, waves=None, tokens=None, pad_id=0):
    """The same logits together and alone; and logits that do not depend on the utterance would prove nothing."""
    with torch.no_grad():
        together = network(batch_of(waves, tokens, pad_id))["label"]
        alone = [
            network(batch_of(waves and [waves[k]], tokens and [tokens[k]], pad_id))["label"]
            for k in range(len(together))
        ]
    assert together.std(dim=0).max() > 1e-3
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize("speech", SPEECH, indirect=True)
def test_speech_alone(speech, waves):
    classifier = build_classifier(Model(), TASKS, (speech.depth, speech.width), None)
    agree(lively(EmotionNetwork(classifier, speech)), waves(speech))


@pytest.mark.parametrize("text", TEXT, indirect=True)
def test_text_alone(text, tokens):
    model = Model.model_validate({"mixer": "full_width_heads"})
    classifier = build_classifier(model, TASKS, None, text.encoder.width)
    agree(lively(EmotionNetwork(classifier, None, text.encoder)), None, tokens(text), text.tokenizer.pad_id)


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize(
    ("speech", "text"),
    [("wavlm_base", "bert"), ("whisper", "subword_transformer"), ("log_mel_vgg", "mean sentence")],
    indirect=True,
)
def test_both(speech, text, fusion, waves, tokens):
    model = Model.model_validate({"fusion": fusion, "pooling": "statistics"})
    classifier = build_classifier(model, TASKS, (speech.depth, speech.width), text.encoder.width)
    network = lively(EmotionNetwork(classifier, speech, text.encoder))
    agree(network, waves(speech), tokens(text), text.tokenizer.pad_id)
