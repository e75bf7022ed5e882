"""Speech encoders that hear samples through strided convolutions: wav2vec 2.0 and what follows its plan."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE, at_least
from emospeech.data.examples.dataset import pad
from emospeech.encoders.checkpoint import MASK
from emospeech.encoders.speech.layers import HiddenStates, Layers
from emospeech.encoders.speech.long import WINDOW, Grid, hear_long, windows_of


@dataclass(frozen=True)
class WaveformPreprocessor:
    """A checkpoint's own preparation of a waveform; apart from the model, of which loader processes need no copy."""

    extractor: Any
    shortest: int  # samples that one frame needs

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        """float32 (samples,) -> float32 (samples,), long enough for one frame, normalised as in pre-training."""
        waveform = at_least(waveform, self.shortest)
        normalised: np.ndarray = self.extractor(waveform, sampling_rate=SAMPLE_RATE)["input_values"][0]
        return normalised


class WaveformSpeech(nn.Module):
    """Hidden states of a frozen wav2vec 2.0, XLS-R, HuBERT, WavLM, data2vec or UniSpeech-SAT model, 50 a second.

    Source: in this order, arXiv 2006.11477, 2111.09296, 2106.07447, 2110.13900, 2202.03555, 2110.05752.

    The convolutions hear each utterance alone: the group norm of base models normalises over time, so padding would
    change every frame, and with layer norm it saves the work on padding. The transformer runs on the batch. The
    adapter that a checkpoint for speech recognition may have above it is left out.

    An utterance longer than a window is heard in overlapping ones, the convolutions too: with layer norm their frames
    are those of the whole, with group norm they are normalised over the window.

    Args:
        model: one of these, of transformers.
        extractor: its feature extractor.
        layers: which hidden states are given; see `layer_numbers`.
        window: seconds that are heard at once.

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
        kernels, strides = model.config.conv_kernel, model.config.conv_stride
        self.grid = Grid(math.prod(strides), receptive_field(kernels, strides))
        self.windows = windows_of(window, self.frames)
        self.preprocess = WaveformPreprocessor(extractor, self.grid.field)
        self.masking: Any = None  # of one that trains

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Of the transformer, lowest first."""
        return self.model.encoder.layers

    @property
    def front(self) -> Sequence[nn.Module]:
        """The convolutions, which never train."""
        return [self.model.feature_extractor]

    @property
    def above(self) -> Sequence[nn.Module]:
        """What stands behind the blocks."""
        return [self.model.encoder.layer_norm] if getattr(self.model.config, "do_stable_layer_norm", False) else []

    def frames(self, samples: int) -> int:
        """How many states an utterance of so many samples gives."""
        return self.grid.frames(samples)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, depth, frames, width), mask (B, frames)."""
        return hear_long(self._hear, waveforms, mask, self.grid, self.windows)

    def _hear(self, waveforms: Tensor, mask: Tensor, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
        """`forward` of utterances that fit; `rows`: which of the batch they are of."""
        lengths = mask.sum(1).tolist()  # a GPU is waited for once
        alone = [self.model.feature_extractor(w[None, :n])[0].T for w, n in zip(waveforms, lengths, strict=True)]
        frames, valid = pad(alone, 0.0)  # (B, frames, channels)
        valid = valid.to(frames.device)
        projected = self.model.feature_projection(frames)
        hidden = projected[0] if isinstance(projected, tuple) else projected  # HuBERT gives nothing beside it
        if self.masking is not None:
            hidden = self.masking(hidden, list(map(len, alone)), rows, getattr(self.model, MASK, None))
        with zero_padding(self.model.encoder.pos_conv_embed, valid):
            return self.states(hidden, attention_mask=valid), valid


@contextmanager
def zero_padding(positions: nn.Module, valid: Tensor) -> Iterator[None]:
    """Within it, the convolutions of a positional embedding find zeros past an utterance's end, as they do alone.

    The encoder itself zeroes only what goes into the first one, and before mHuBERT-147's batch norm.
    """

    def clear(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0] * valid[:, None], *inputs[1:])  # (B, width, frames)

    convolutions = [module for module in positions.modules() if isinstance(module, nn.Conv1d)]
    handles = [convolution.register_forward_pre_hook(clear) for convolution in convolutions]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def receptive_field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one frame sees.

    >>> receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2))  # wav2vec 2.0: 25 ms at 16 kHz
    400
    """
    field = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        field = (field - 1) * stride + kernel
    return field
