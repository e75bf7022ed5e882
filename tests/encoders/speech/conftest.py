"""Tiny speech checkpoints of every family, in the formats of the real ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

SIZE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
GROUP = {"conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LAYER = {**GROUP, "feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def wav2vec2_extractor(normalise: bool = True):
    from transformers import Wav2Vec2FeatureExtractor

    return Wav2Vec2FeatureExtractor(do_normalize=normalise, return_attention_mask=normalise)


def wav2vec2_base():
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(**SIZE, **GROUP), wav2vec2_extractor()


def xlsr():
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(**SIZE, **LAYER), wav2vec2_extractor()


def hubert_large():
    from transformers import HubertConfig

    return HubertConfig(**SIZE, **LAYER), wav2vec2_extractor()


def mhubert():
    """mHuBERT-147: batch norm before the positional convolution."""
    from transformers import HubertConfig

    return HubertConfig(**SIZE, **GROUP, conv_pos_batch_norm=True), wav2vec2_extractor()


def wavlm_base():
    from transformers import WavLMConfig

    return WavLMConfig(**SIZE, **GROUP), wav2vec2_extractor(normalise=False)


def wavlm_large():
    from transformers import WavLMConfig

    return WavLMConfig(**SIZE, **LAYER), wav2vec2_extractor()


def data2vec():
    """Several positional convolutions, one after the other."""
    from transformers import Data2VecAudioConfig

    positions = {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 7}
    return Data2VecAudioConfig(**SIZE, **{**GROUP, **positions}), wav2vec2_extractor()


def unispeech_sat():
    from transformers import UniSpeechSatConfig

    return UniSpeechSatConfig(**SIZE, **GROUP), wav2vec2_extractor()


def w2v_bert():
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig

    return Wav2Vec2BertConfig(**SIZE, conv_depthwise_kernel_size=7), SeamlessM4TFeatureExtractor()


def whisper():
    from transformers import WhisperConfig, WhisperFeatureExtractor

    config = WhisperConfig(
        d_model=16, encoder_layers=3, encoder_attention_heads=2, encoder_ffn_dim=32, num_mel_bins=80,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=32, vocab_size=50, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    return config, WhisperFeatureExtractor()


FAMILIES = {make.__name__: make for make in (
    wav2vec2_base, xlsr, hubert_large, mhubert, wavlm_base, wavlm_large, data2vec, unispeech_sat, w2v_bert, whisper
)}  # fmt: skip


def lively(model):
    """Weights as far from their start as training takes them: no clip, no bias and no norm is without effect."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        else:
            parameter.data += 0.3 * torch.randn_like(parameter)
    for name, buffer in model.named_buffers():
        if "running_mean" in name:
            buffer.normal_()
    return model.eval()


@pytest.fixture(scope="session")
def speech_checkpoint(tmp_path_factory):
    """family -> folder of a tiny checkpoint, made once, to be read only."""
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            from transformers import AutoModel

            config, extractor = FAMILIES[family]()
            made[family] = tmp_path_factory.mktemp(family)
            lively(AutoModel.from_config(config)).save_pretrained(made[family])
            extractor.save_pretrained(made[family])
        return made[family]

    return make


@pytest.fixture(params=FAMILIES)
def any_checkpoint(request, speech_checkpoint) -> Path:
    """A checkpoint of each family."""
    return speech_checkpoint(request.param)


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
    from emospeech.data.dataset import pad

    @torch.no_grad()
    def run(encoder, clips):
        return encoder(*pad([torch.as_tensor(encoder.preprocess(one)) for one in clips], 0.0))

    return run


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
