"""Pre-trained speech encoders (wav2vec 2.0 and XLS-R; Baevski et al. 2020, Babu et al. 2022), frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders import checkpoint
from emospeech.runtime.errors import UserError

FAMILIES = ("wav2vec2",)


@dataclass(frozen=True)
class Preprocessor:
    """A checkpoint's own preparation of a waveform; apart from the model, of which loader processes need no copy."""

    extractor: Any
    shortest: int  # samples that one frame needs

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """(time,) -> (time,), long enough for one frame, normalised as the checkpoint was trained."""
        waveform = np.pad(waveform, (0, max(self.shortest - len(waveform), 0)))
        normalised: np.ndarray = self.extractor(waveform, sampling_rate=SAMPLE_RATE)["input_values"][0]
        return normalised


class PretrainedSpeech(nn.Module):
    """Hidden states of a frozen wav2vec 2.0 model.

    `layers="last"` gives the model's output; `"weighted"` gives all transformer layers, first layer first, without
    the embedding below them, and the last one before the encoder's final LayerNorm, as the EmoSPeech 2024 winner
    mixes them.
    """

    frozen = True

    def __init__(self, model: Any, extractor: Any, layers: str = "last") -> None:
        super().__init__()
        self.model, self.layers = model, layers
        self.width: int = model.config.hidden_size
        self.depth: int = model.config.num_hidden_layers if layers == "weighted" else 1
        self.preprocess = Preprocessor(extractor, receptive_field(model.config.conv_kernel, model.config.conv_stride))
        # With group norm the first convolution normalises over time, so padding would change every frame.
        self.batches = model.config.feat_extract_norm == "layer"

    @classmethod
    def load(cls, name: str, layers: str = "last", revision: str | None = None) -> "PretrainedSpeech":
        """By Hub id or folder.

        Raises:
            UserError: if it is missing, of another family, or has no preprocessor.
        """
        from transformers import AutoConfig, AutoFeatureExtractor

        name = str(Path(name).expanduser())
        config = checkpoint.loaded("config", name, lambda: AutoConfig.from_pretrained(name, revision=revision))
        if config.model_type not in FAMILIES:
            raise UserError(
                f"speech.encoder: {name} is a {config.model_type} model; speech encoders here are {', '.join(FAMILIES)}"
            )
        extractor = checkpoint.loaded(
            "preprocessor (preprocessor_config.json)",
            name,
            lambda: AutoFeatureExtractor.from_pretrained(name, revision=revision),
        )
        if extractor.sampling_rate != SAMPLE_RATE:
            raise UserError(f"{name} wants {extractor.sampling_rate} Hz; this system works at {SAMPLE_RATE} Hz")
        return cls(checkpoint.pretrained_model(name, revision), extractor, layers)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> hidden states (B, depth, frames, width), mask (B, frames)."""
        if self.batches:
            return self._encode(waveforms, mask)
        return _stack([self._encode(w[None, m], m[None, m]) for w, m in zip(waveforms, mask, strict=True)])

    def _encode(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        out = self.model(waveforms, attention_mask=mask.long(), output_hidden_states=self.layers == "weighted")
        if self.layers == "weighted":
            states = torch.stack(out.hidden_states[1:], dim=1)  # (B, depth, frames, width)
        else:
            states = out.last_hidden_state[:, None]
        return states, self.model._get_feature_vector_attention_mask(states.shape[2], mask.long())


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one frame sees.

    >>> receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))  # wav2vec 2.0: 25 ms at 16 kHz
    400
    """
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field


def _stack(single: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Utterances encoded one by one -> one padded batch."""
    longest = max(states.shape[2] for states, _ in single)
    states = [nn.functional.pad(s, (0, 0, 0, longest - s.shape[2])) for s, _ in single]
    masks = [nn.functional.pad(m, (0, longest - m.shape[1])) for _, m in single]
    return torch.cat(states), torch.cat(masks)
