"""Clips, and what encoders and transformers make of them."""

from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture
def clip():
    """samples -> a clip of so many: noise, louder and quieter, another one for each length."""

    def make(samples: int) -> np.ndarray:
        noise = np.random.default_rng(samples).standard_normal(samples)
        return (0.1 * noise * (1.5 + np.sin(np.arange(samples) / 3000))).astype(np.float32)

    return make


@pytest.fixture
def encode():
    """(encoder, clips) -> the encoder's answer to them as one padded batch."""
    from emospeech.data.examples.dataset import pad

    @torch.no_grad()
    def run(encoder, clips):
        return encoder(*pad([torch.as_tensor(encoder.preprocess(one)) for one in clips], 0.0))

    return run


@pytest.fixture
def with_window():
    """(encoder, seconds) -> the same, its windows so long; Whisper as it is, whose windows are 30 s."""

    def make(encoder, seconds: float):
        if not hasattr(encoder, "windows"):
            return encoder
        layers = encoder.states.numbers or "last"
        return type(encoder)(encoder.model, encoder.preprocess.extractor, layers, window=seconds)

    return make


@pytest.fixture
def theirs():
    """(folder, clip) -> transformers' own forward of one unpadded clip, by the checkpoint's own feature extractor."""
    from transformers import AutoFeatureExtractor, AutoModel

    @torch.no_grad()
    def run(folder, waveform):
        model = AutoModel.from_pretrained(folder).eval()
        inputs = AutoFeatureExtractor.from_pretrained(folder)(waveform, sampling_rate=16_000, return_tensors="pt")
        model = model.get_encoder() if model.config.model_type == "whisper" else model
        return model(**inputs, output_hidden_states=True)

    return run


@pytest.fixture
def old_hub_checkpoint():
    """(model, folder) -> the folder, with a `pytorch_model.bin` as most checkpoints were uploaded: weight norm by
    its old names."""

    def save(model, folder: Path) -> str:
        names = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
        state = {}
        for key, value in model.state_dict().items():
            new = next((end for end in names if key.endswith(end)), None)
            state[key if new is None else key.removesuffix(new) + names[new]] = value
        model.config.save_pretrained(folder)
        torch.save(state, folder / "pytorch_model.bin")
        return str(folder)

    return save
