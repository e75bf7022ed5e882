"""Whisper's encoder: a transformer over windows of 30 s of log-mel spectrogram."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.examples.dataset import pad
from emospeech.encoders.speech.layers import HiddenStates, Layers


def at_least_a_sample(waveform: np.ndarray) -> np.ndarray:
    """float32 (samples,) -> float32 (samples,): as it is, but not empty. Silence up to 30 s comes in the encoder."""
    return waveform if len(waveform) else np.zeros(1, dtype=np.float32)


class WhisperSpeech(nn.Module):
    """Hidden states of a frozen Whisper encoder, 50 a second.

    Source: arXiv 2212.04356.

    It was trained on 30 s, shorter clips followed by silence, and hears them so here; the frames of that silence are
    left out of what it gives. A longer clip is heard in equal windows, their frames laid end to end. The spectrogram
    is made here and not in loader processes, which would send 30 s of it for each clip.

    Args:
        model: a WhisperModel, whose decoder is not kept, or its encoder.
        extractor: its feature extractor.
        layers: which hidden states are given; see `layer_numbers`.

    Raises:
        UserError: if there is no such layer.
    """

    frozen = True  # until it is made to train, see finetuning
    preprocess = staticmethod(at_least_a_sample)

    def __init__(self, model: Any, extractor: Any, layers: Layers = "last") -> None:
        super().__init__()
        self.model = model.get_encoder()
        self.model.commit = getattr(model, "commit", None)  # it is recorded with what the encoder gives
        self.extractor = extractor
        self.states = HiddenStates(self.model, layers, model.config.name_or_path)
        self.depth = self.states.depth
        self.width: int = model.config.d_model
        self.frame: int = extractor.hop_length * self.model.conv2.stride[0]  # samples
        self.masking: Any = None  # of one that trains

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Of the transformer, lowest first."""
        return self.model.layers

    @property
    def front(self) -> Sequence[nn.Module]:
        """The convolutions and the table of positions, which never train."""
        return [self.model.conv1, self.model.conv2, self.model.embed_positions]

    @property
    def above(self) -> Sequence[nn.Module]:
        """What stands behind the blocks."""
        return [self.model.layer_norm]

    def frames(self, samples: int) -> int:
        """How many states an utterance of so many samples gives."""
        return math.ceil(max(samples, 1) / self.frame)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, depth, frames, width), mask (B, frames)."""
        utterances = [self._windows(w[m]) for w, m in zip(waveforms, mask, strict=True)]
        mels = self._log_mel([window for windows in utterances for window in windows])
        if self.masking is not None:
            mels = self._masked(mels, utterances)
        groups = mels.split(len(utterances))  # long clips make a batch no wider than short ones
        states = (one for group in groups for one in self.states(group).transpose(1, 2))  # (30 s, depth, width)
        whole = [torch.cat([next(states)[: self.frames(len(w))] for w in windows]) for windows in utterances]
        padded, valid = pad(whole, 0.0)  # (B, frames, depth, width)
        return padded.transpose(1, 2), valid.to(padded.device)

    def _windows(self, waveform: Tensor) -> Sequence[Tensor]:
        """(samples,) -> as few equal windows as hold it; all but the last are whole frames."""
        frames = self.frames(len(waveform))
        count = math.ceil(frames / self.model.config.max_source_positions)
        return waveform.split(math.ceil(frames / count) * self.frame)

    def _masked(self, mels: Tensor, utterances: Sequence[Sequence[Tensor]]) -> Tensor:
        """mels (windows, bands, mel frames): as they are, or with the masks of training."""
        rows, samples = zip(*((row, len(w)) for row, windows in enumerate(utterances) for w in windows), strict=True)
        heard = [math.ceil(max(count, 1) / self.extractor.hop_length) for count in samples]
        hidden: Tensor = self.masking(mels.transpose(1, 2), heard, rows).transpose(1, 2)
        return hidden

    def _log_mel(self, windows: Sequence[Tensor]) -> Tensor:
        """Windows of at most 30 s -> (windows, bands, mel frames of 30 s), on their device."""
        device = windows[0].device
        with torch.autocast(device.type, enabled=False):  # energies do not fit into half precision
            out = self.extractor(
                [window.float().cpu().numpy() for window in windows],
                sampling_rate=SAMPLE_RATE,
                return_tensors="pt",
                device=str(device),
            )
        return out["input_features"].to(device)
