"""States pooled over time: against transformers' own hidden states, and whatever the padding."""

import numpy as np
import pytest
import torch

from emospeech.config import Text
from emospeech.data.examples.dataset import pad
from emospeech.encoders.pooled import over_time, pooled_speech, pooled_text
from emospeech.encoders.speech import load_speech
from emospeech.encoders.speech.layers import ALL
from emospeech.systems.parts import build_text

SAMPLES = (16_000, 9_137, 400, 24_001)


@pytest.fixture
def clips():
    rng = np.random.default_rng(0)
    return [rng.standard_normal(n).astype("f4") for n in SAMPLES]


def test_by_hand():
    states = torch.tensor([[[[1.0], [3.0], [100.0]]], [[[2.0], [4.0], [9.0]]]])  # (2, 1 layer, 3 frames, 1)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    found = over_time(states, mask)
    assert found.shape == (2, 1, 2, 1)
    np.testing.assert_allclose(found[:, 0, :, 0], [[2, 1], [5, np.sqrt(26 / 3)]], rtol=1e-6)
    assert over_time(states[:, :, :1], mask[:, :1])[:, 0, 1].tolist() == [[0.0], [0.0]]


@torch.no_grad()
def test_each_layer_is_the_mean_of_that_hidden_state(tiny_xlsr, clips):
    from transformers import AutoFeatureExtractor, Wav2Vec2Model

    encoder, reference = load_speech(str(tiny_xlsr), ALL), Wav2Vec2Model.from_pretrained(tiny_xlsr).eval()
    extractor = AutoFeatureExtractor.from_pretrained(tiny_xlsr)
    inputs, mask = pad([torch.as_tensor(encoder.preprocess(clip)) for clip in clips], 0.0)
    found, _ = pooled_speech(encoder)(inputs, mask)
    for own, clip in zip(found, clips, strict=True):
        heard = extractor(clip, sampling_rate=16_000, return_tensors="pt")["input_values"]
        states = reference(heard, output_hidden_states=True)
        assert len(own) == len(states.hidden_states) + 1
        expected = [*states.hidden_states[:-1], states.last_hidden_state]  # its last one is behind a LayerNorm
        for layer, state in zip([*own[:-2], own[-1]], expected, strict=True):
            torch.testing.assert_close(layer[0], state[0].mean(0), rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(layer[1], state[0].std(0, correction=0), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_batch_is_as_one_by_one(any_checkpoint, clips):
    encoder = load_speech(str(any_checkpoint), ALL)
    inputs = [torch.as_tensor(encoder.preprocess(clip)) for clip in clips]
    together, valid = pooled_speech(encoder)(*pad(inputs, 0.0))
    assert valid.shape == (len(clips), 2)
    assert valid.all()
    assert together.shape[1] == encoder.depth
    for own, alone in zip(together, inputs, strict=True):
        expected, _ = pooled_speech(encoder)(*pad([alone], 0.0))
        torch.testing.assert_close(own, expected[0], rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("layers", ["last", 2])
def test_all_layers_are_those_asked_for_one_by_one(any_checkpoint, clips, layers):
    every, one = load_speech(str(any_checkpoint), ALL), load_speech(str(any_checkpoint), layers)
    inputs, mask = pad([torch.as_tensor(one.preprocess(clip)) for clip in clips[:2]], 0.0)
    found, _ = pooled_speech(every)(inputs, mask)
    expected, _ = pooled_speech(one)(inputs, mask)
    torch.testing.assert_close(found[:, -1 if layers == "last" else layers], expected[:, 0], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_long_recording_goes_through_windows(tiny_xlsr):
    from emospeech.encoders.speech.long import windows_of

    encoder = load_speech(str(tiny_xlsr), ALL)
    encoder.windows = windows_of(0.5, encoder.frames)
    wave = torch.as_tensor(encoder.preprocess(np.random.default_rng(0).standard_normal(40_000).astype("f4")))[None]
    mask = torch.ones_like(wave, dtype=torch.bool)
    states, valid = encoder(wave, mask)
    found, _ = pooled_speech(encoder)(wave, mask)
    torch.testing.assert_close(found[0, :, 0], states[0, :, valid[0]].mean(1), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_texts_are_the_mean_of_their_tokens(tiny_xlmr, spanish_sentences):
    part = build_text(Text(encoder=str(tiny_xlmr)))
    texts = [*spanish_sentences, " ".join(spanish_sentences * 4)]  # the last in windows
    ids = [torch.as_tensor(part.tokenizer(text)) for text in texts]
    together, valid = pooled_text(part.encoder)(*pad(ids, float(part.tokenizer.pad_id)))
    assert together.shape == (len(texts), 1, 1, part.encoder.width)
    assert valid.all()
    for own, alone in zip(together, ids, strict=True):
        states, _ = part.encoder(alone[None], torch.ones(1, len(alone), dtype=torch.bool))
        torch.testing.assert_close(own[0, 0], states[0].mean(0), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_sentence_model_gives_its_own_vector(sentence_checkpoint, spanish_sentences):
    from sentence_transformers import SentenceTransformer

    folder = str(sentence_checkpoint("dense"))
    part = build_text(Text(encoder=folder, level="sentence"))
    ids = [torch.as_tensor(part.tokenizer(text)) for text in spanish_sentences]
    found, _ = pooled_text(part.encoder)(*pad(ids, float(part.tokenizer.pad_id)))
    expected = SentenceTransformer(folder, device="cpu").encode(spanish_sentences)
    np.testing.assert_allclose(found[:, 0, 0], expected, rtol=1e-4, atol=1e-5)
