"""Pre-trained speech encoders by Hub id or folder, frozen: one class for each kind of front end."""

from pathlib import Path
from typing import Any

import torch

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders import checkpoint
from emospeech.encoders.speech.bert import W2vBertSpeech
from emospeech.encoders.speech.layers import Layers, layer_numbers
from emospeech.encoders.speech.waveform import WaveformSpeech
from emospeech.encoders.speech.whisper import WhisperSpeech
from emospeech.runtime.errors import UserError

# The `model_type` of a checkpoint's config.json -> what runs it. wav2vec2 is also XLSR-53, XLS-R and MMS.
FAMILIES: dict[str, Any] = {
    "wav2vec2": WaveformSpeech,
    "hubert": WaveformSpeech,
    "wavlm": WaveformSpeech,
    "data2vec-audio": WaveformSpeech,
    "unispeech-sat": WaveformSpeech,
    "wav2vec2-bert": W2vBertSpeech,
    "whisper": WhisperSpeech,
}


def load_speech(name: str, layers: Layers = "last", revision: str | None = None) -> Any:
    """The frozen encoder of a checkpoint, by Hub id or folder, in float32 whatever the checkpoint was saved in.

    Args:
        layers: which hidden states it gives, as a recipe says it; see `layer_numbers`.

    Raises:
        UserError: if it is missing, of another family, lacks its preprocessor, weights or a layer asked for, or wants
            another sampling rate.
    """
    from transformers import AutoFeatureExtractor

    name = str(Path(name).expanduser())
    config = _config(name, revision)
    layer_numbers(layers, config.num_hidden_layers, name)  # said before gigabytes are fetched
    extractor = checkpoint.loaded(
        "preprocessor (preprocessor_config.json)",
        name,
        lambda: AutoFeatureExtractor.from_pretrained(name, revision=revision),
    )
    if extractor.sampling_rate != SAMPLE_RATE:
        raise UserError(f"{name} wants {extractor.sampling_rate} Hz; this system works at {SAMPLE_RATE} Hz")
    model = checkpoint.pretrained_model(name, revision, dtype=torch.float32)
    return FAMILIES[config.model_type](model, extractor, layers)


def layer_count(name: str, revision: str | None = None) -> int:
    """Layers of a checkpoint, by its config alone.

    Raises:
        UserError: if that is missing, or of another family.
    """
    return int(_config(str(Path(name).expanduser()), revision).num_hidden_layers)


def _config(name: str, revision: str | None) -> Any:
    from transformers import AutoConfig

    config = checkpoint.loaded("config", name, lambda: AutoConfig.from_pretrained(name, revision=revision))
    if config.model_type not in FAMILIES:
        raise UserError(
            f"speech.encoder: {name} is a {config.model_type} model; speech encoders here are {', '.join(FAMILIES)}"
        )
    return config
