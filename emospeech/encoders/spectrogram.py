"""Speech without pre-trained weights: a log-mel spectrogram and a small convolutional net, masked after each block."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE

WINDOW = 400  # samples = 25 ms
HOP = 160  # samples = 10 ms
FFT = 512
FLOOR = 1e-6  # added to mel energies before the logarithm: about the noise of 16-bit silence


class LogMel(nn.Module):
    """Log-mel spectrogram: 25 ms Hann windows every 10 ms, no padding, so that each frame sees true samples only."""

    filters: Tensor  # (FFT // 2 + 1, bands)
    window: Tensor  # (WINDOW,)

    def __init__(self, bands: int = 64, normalise: bool = True) -> None:
        """`normalise`: take each utterance's mean per band away: channel and level go, shape stays."""
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        filters = mel_filter_bank(FFT // 2 + 1, bands, 20.0, SAMPLE_RATE / 2, SAMPLE_RATE)
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.normalise = normalise

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, frames, bands), mask (B, frames)."""
        with torch.autocast(waveforms.device.type, enabled=False):  # energies do not fit into half precision
            frames = waveforms.float().unfold(1, WINDOW, HOP) * self.window  # (B, frames, WINDOW)
            power = torch.fft.rfft(frames, n=FFT).abs().square()  # (B, frames, FFT // 2 + 1)
            mel = torch.log(power @ self.filters + FLOOR)
        count = (mask.sum(1) - WINDOW) // HOP + 1
        valid = torch.arange(mel.shape[1], device=mel.device) < count[:, None]
        mel = mel * valid[..., None]
        if self.normalise:
            mel = (mel - mel.sum(1, keepdim=True) / count[:, None, None]) * valid[..., None]
        return mel, valid


def at_least_a_window(waveform: np.ndarray) -> np.ndarray:
    """(time,) -> (time,): as it is, but long enough for one window."""
    return np.pad(waveform, (0, max(WINDOW - len(waveform), 0)))


class MaskedBatchNorm(nn.BatchNorm2d):
    """Batch norm whose statistics are those of the true frames: padding does not reach training either."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x (B, channels, time, bands), mask (B, time) -> the same shape; what is masked is left as it is."""
        if not self.training or bool(mask.all()):
            return super().forward(x)
        true = x.transpose(1, 2)[mask]  # (true frames, channels, bands)
        out = x.transpose(1, 2).clone()
        out[mask] = super().forward(true[..., None])[..., 0].to(out.dtype)
        return out.transpose(1, 2)


class LogMelCNN(nn.Module):
    """Blocks of 3 x 3 convolution with stride 2 in time and frequency, batch norm, ReLU; then a Linear per frame.

    What lies past the end of an utterance is set to 0 after each block, which is what a convolution's own padding
    would put there: a clip gives the same frames alone as in a batch.
    """

    frozen = False
    compiles = False  # the FFT and the masked statistics break the graph, which then costs more than it gains
    depth = 1
    preprocess = staticmethod(at_least_a_window)

    def __init__(
        self,
        width: int = 128,
        bands: int = 64,
        channels: Sequence[int] = (32, 64, 128),
        dropout: float = 0.2,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.width = width
        self.mel = LogMel(bands, normalise)
        self.scale = nn.Parameter(torch.tensor(0.25))  # log-mel values spread over about +-4
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairwise((1, *channels))
        )
        self.norms = nn.ModuleList(MaskedBatchNorm(width) for width in channels)
        self.dropout = nn.Dropout(dropout)
        for _ in channels:
            bands = _halved(bands)
        self.project = nn.Linear(channels[-1] * bands, width)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, width), mask (B, frames)."""
        mel, valid = self.mel(waveforms, mask)
        x, count = (self.scale * mel)[:, None], valid.sum(1)  # (B, 1, frames, bands)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            count = _halved(count)
            x = convolution(x)
            valid = torch.arange(x.shape[2], device=count.device) < count[:, None]
            x = torch.relu(norm(x, valid)) * valid[:, None, :, None]
        frames = self.project(self.dropout(x.transpose(1, 2).flatten(2)))  # (B, frames, width)
        return frames[:, None], valid


def _halved(length: Any) -> Any:
    """Length after a convolution with kernel 3, stride 2 and padding 1."""
    return (length + 1) // 2


SPECTROGRAM_ENCODERS = {"log_mel_cnn": LogMelCNN}
