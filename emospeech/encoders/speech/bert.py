"""w2v-BERT 2.0: a conformer over mel frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.speech.layers import HiddenStates, Layers

WINDOW = 400  # samples of a mel frame = 25 ms, fixed in transformers' extractor
HOP = 160  # samples from one to the next = 10 ms


@dataclass(frozen=True)
class MelPreprocessor:
    """A checkpoint's own mel frames, each band normalised over the utterance, two laid side by side for one step."""

    extractor: Any

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """float32 (samples,) -> float32 (frames, 160), 50 a second; a last mel frame without its pair is left out."""
        mels = max(self.extractor.stride, 2)  # a variance needs two
        waveform = np.pad(waveform, (0, max(WINDOW + HOP * (mels - 1) - len(waveform), 0)))
        out = self.extractor(waveform, sampling_rate=SAMPLE_RATE, return_tensors="np")
        frames: np.ndarray = out["input_features"][0][out["attention_mask"][0].astype(bool)]
        return frames.astype(np.float32)


class W2vBertSpeech(nn.Module):
    """Hidden states of a frozen w2v-BERT 2.0 model, 50 a second.

    Source: Seamless, arXiv 2312.05187; w2v-BERT, arXiv 2108.06209.

    The adapter that a checkpoint for speech recognition may have above the conformer is left out.

    Args:
        model: a Wav2Vec2BertModel.
        extractor: its feature extractor.
        layers: which hidden states are given; see `layer_numbers`.

    Raises:
        UserError: if there is no such layer.
    """

    frozen = True

    def __init__(self, model: Any, extractor: Any, layers: Layers = "last") -> None:
        super().__init__()
        self.model = model
        self.states = HiddenStates(model.encoder, layers, model.config.name_or_path)
        self.depth = self.states.depth
        self.width: int = model.config.hidden_size
        self.preprocess = MelPreprocessor(extractor)

    def forward(self, mels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """mels (B, frames, 160), mask (B, frames) -> (B, depth, frames, width), mask (B, frames)."""
        hidden, _ = self.model.feature_projection(mels)
        return self.states(hidden, attention_mask=mask), mask
