"""The small encoders that need no pre-trained weights."""

import numpy as np
import pytest
import torch

from emospeech.encoders.spectrogram import HOP, WINDOW, LogMel, LogMelCNN
from emospeech.encoders.subword import SPECIAL, SubwordTransformer, train_tokenizer


def test_log_mel_against_a_plain_numpy_transform():
    rng = np.random.default_rng(0)
    waveform = rng.standard_normal(4000).astype(np.float32) * 0.1
    layer = LogMel(bands=20, normalise=False)
    ours, mask = layer(torch.tensor(waveform)[None], torch.ones(1, 4000, dtype=torch.bool))
    frames = (4000 - WINDOW) // HOP + 1
    assert ours.shape == (1, frames, 20)
    assert mask.all()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    for k in (0, frames // 2, frames - 1):
        power = np.abs(np.fft.rfft(waveform[k * HOP : k * HOP + WINDOW] * window, 512)) ** 2
        np.testing.assert_allclose(ours[0, k], np.log(power @ layer.filters.numpy() + 1e-6), rtol=0, atol=1e-3)


def test_log_mel_sees_the_pitch_of_a_sine():
    time = torch.arange(16_000) / 16_000
    layer = LogMel(bands=64, normalise=False)
    peaks = []
    for pitch in (300, 1000, 4000):
        mel, _ = layer(torch.sin(2 * np.pi * pitch * time)[None], torch.ones(1, 16_000, dtype=torch.bool))
        band = int(mel.mean(1).argmax())
        peaks.append(int(layer.filters[:, band].argmax()) * 16_000 / 512)
    np.testing.assert_allclose(peaks, (300, 1000, 4000), rtol=0.1)


def test_log_mel_normalised_forgets_the_level():
    waveform = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    mask = torch.ones(1, 8000, dtype=torch.bool)
    loud, quiet = (LogMel(normalise=True)(gain * waveform, mask)[0] for gain in (1.0, 0.5))
    torch.testing.assert_close(loud, quiet, rtol=0, atol=0.05)


def test_padding_does_not_reach_the_statistics_of_training():
    """Batch norm in training mode: frames beside padding are those without it, and so are the running statistics."""
    torch.manual_seed(0)
    waveforms = torch.randn(2, 8000) * 0.1
    results = []
    for padding in (0, 16_000):
        torch.manual_seed(1)
        encoder = LogMelCNN(width=8, channels=(4, 8), dropout=0.0).train()
        padded = torch.nn.functional.pad(waveforms, (0, padding))
        mask = torch.arange(8000 + padding).expand(2, -1) < 8000
        states, valid = encoder(padded, mask)
        results.append((states[:, 0][valid], encoder.state_dict()))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=0, atol=1e-5)
    for key, value in results[0][1].items():
        torch.testing.assert_close(value, results[1][1][key], rtol=0, atol=1e-5, msg=key)


def test_cnn_takes_the_shortest_clip():
    encoder = LogMelCNN(width=8, channels=(4, 4))
    waveform = torch.tensor(encoder.preprocess(np.zeros(3, dtype=np.float32)))
    states, mask = encoder.eval()(waveform[None], torch.ones(1, len(waveform), dtype=torch.bool))
    assert states.shape == (1, 1, 1, 8)
    assert mask.tolist() == [[True]]


def test_tokenizer_is_a_function_of_the_texts(spanish_sentences):
    once, again = (train_tokenizer(spanish_sentences * 3, vocabulary=120) for _ in range(2))
    assert once.tokenizer.get_vocab() == again.tokenizer.get_vocab()
    ids = once("¡Hemos GANADO!")
    assert ids[0] == SPECIAL.index("<s>")
    assert ids[-1] == SPECIAL.index("</s>")
    assert once("¡hemos ganado!") == ids
    assert once("")  # an empty text is still two special tokens
    assert once.pad_id == SPECIAL.index("<pad>")


def test_tokenizer_survives_saving(spanish_sentences, tmp_path):
    from emospeech.encoders.tokenizer import load_tokenizer

    tokenizer = train_tokenizer(spanish_sentences, vocabulary=120)
    tokenizer.tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(str(tmp_path))
    for text in spanish_sentences:
        assert again(text)["input_ids"] == list(tokenizer(text))


@pytest.mark.parametrize("length", [1, 7])
def test_transformer_knows_word_order(length):
    torch.manual_seed(0)
    encoder = SubwordTransformer(tokens=20, max_tokens=16, width=8, depth=1, heads=2).eval()
    ids = torch.randint(4, 20, (1, length))
    states, _ = encoder(ids, torch.ones_like(ids, dtype=torch.bool))
    assert states.shape == (1, length, 8)
    if length > 1:
        flipped, _ = encoder(ids.flip(1), torch.ones_like(ids, dtype=torch.bool))
        assert not torch.allclose(states.mean(1), flipped.mean(1), atol=1e-6)
