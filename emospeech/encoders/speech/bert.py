"""w2v-BERT 2.0: a conformer over mel frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE, at_least
from emospeech.encoders.checkpoint import MASK
from emospeech.encoders.speech.layers import HiddenStates, Layers
from emospeech.encoders.speech.long import WINDOW, Grid, hear_long, windows_of

MELS = Grid(stride=160, field=400)  # samples: 25 ms every 10 ms, fixed in transformers' extractor
STATES = Grid(stride=1, field=1)  # of what the conformer takes in


@dataclass(frozen=True)
class MelPreprocessor:
    """A checkpoint's own mel frames, each band normalised over the utterance, two laid side by side for one step."""

    extractor: Any

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """float32 (samples,) -> float32 (frames, 160), 50 a second; a last mel frame without its pair is left out."""
        waveform = at_least(waveform, self.shortest)
        out = self.extractor(waveform, sampling_rate=SAMPLE_RATE, return_tensors="np")
        frames: np.ndarray = out["input_features"][0][out["attention_mask"][0].astype(bool)]
        return frames.astype(np.float32)

    @property
    def shortest(self) -> int:
        """Samples of the shortest clip that it hears as it is."""
        return MELS.inputs(max(self.extractor.stride, 2))  # a variance needs two

    def frames(self, samples: int) -> int:
        """How many frames so many samples give."""
        mels = MELS.frames(max(samples, self.shortest))
        return int(mels // self.extractor.stride)


class W2vBertSpeech(nn.Module):
    """Hidden states of a frozen w2v-BERT 2.0 model, 50 a second.

    Source: Seamless, arXiv 2312.05187; w2v-BERT, arXiv 2108.06209.

    The adapter that a checkpoint for speech recognition may have above the conformer is left out.

    Args:
        model: a Wav2Vec2BertModel.
        extractor: its feature extractor.
        layers: which hidden states are given; see `layer_numbers`.
        window: seconds that are heard at once; a longer utterance is heard in overlapping windows.

    Raises:
        UserError: if there is no such layer.
        ValueError: if the window is no time.
    """

    frozen = True  # until it is made to train, see finetuning

    def __init__(self, model: Any, extractor: Any, layers: Layers = "last", window: float = WINDOW) -> None:
        super().__init__()
        self.model = model
        self.states = HiddenStates(model.encoder, layers, model.config.name_or_path)
        self.depth = self.states.depth
        self.width: int = model.config.hidden_size
        self.preprocess = MelPreprocessor(extractor)
        self.windows = windows_of(window, self.frames)
        self.masking: Any = None  # of one that trains

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Of the transformer, lowest first."""
        return self.model.encoder.layers

    @property
    def front(self) -> Sequence[nn.Module]:
        """Convolutions, which never train: it has none."""
        return []

    @property
    def above(self) -> Sequence[nn.Module]:
        """What stands behind the blocks."""
        return []

    def frames(self, samples: int) -> int:
        """How many states an utterance of so many samples gives."""
        return self.preprocess.frames(samples)

    def forward(self, mels: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """mels (B, frames, 160), mask (B, frames) -> (B, depth, frames, width), mask (B, frames)."""
        return hear_long(self._hear, mels, mask, STATES, self.windows)

    def _hear(self, mels: Tensor, mask: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """`forward` of utterances that fit; `rows`: which of the batch they are of."""
        hidden, _ = self.model.feature_projection(mels)
        if self.masking is not None:
            hidden = self.masking(hidden, mask.sum(1).tolist(), rows, getattr(self.model, MASK, None))
        return self.states(hidden, attention_mask=mask), mask
