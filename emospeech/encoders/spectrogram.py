"""Speech without pre-trained weights: a log-mel spectrogram and a small convolutional net, masked after each block."""

from collections.abc import Sequence

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
        frames = waveforms.float().unfold(1, WINDOW, HOP) * self.window  # (B, frames, WINDOW)
        power = torch.fft.rfft(frames, n=FFT).abs().square()  # (B, frames, FFT // 2 + 1)
        mel = torch.log(power @ self.filters + FLOOR)
        count = (mask.sum(1) - WINDOW) // HOP + 1
        valid = torch.arange(mel.shape[1], device=mel.device) < count[:, None]
        mel = mel * valid[..., None]
        if self.normalise:
            mel = (mel - mel.sum(1, keepdim=True) / count[:, None, None]) * valid[..., None]
        return mel, valid


class LogMelCNN(nn.Module):
    """Blocks of 3 x 3 convolution, batch norm, ReLU, max pooling by 2 in time and frequency; then a Linear per frame.

    Frames at the end that fill no whole pooling window are dropped, alone as in a batch.
    """

    frozen = False
    depth = 1

    def __init__(
        self,
        width: int = 128,
        bands: int = 64,
        channels: Sequence[int] = (16, 32, 64),
        dropout: float = 0.2,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        self.width = width
        self.mel = LogMel(bands, normalise)
        self.scale = nn.Parameter(torch.tensor(0.25))  # log-mel values spread over about +-4
        ins = (1, *channels[:-1])
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in zip(ins, channels, strict=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(channels[-1] * (bands >> len(channels)), width)

    @property
    def min_frames(self) -> int:
        return int(2 ** len(self.blocks))

    def preprocess(self, waveform: np.ndarray) -> np.ndarray:
        """(time,) -> (time,): as it is, but long enough for one frame after all pooling."""
        shortest = WINDOW + HOP * (self.min_frames - 1)
        return np.pad(waveform, (0, max(shortest - len(waveform), 0)))

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, width), mask (B, frames)."""
        mel, valid = self.mel(waveforms, mask)
        x = (self.scale * mel)[:, None]  # (B, 1, frames, bands)
        count = valid.sum(1)
        for block in self.blocks:
            x = block(x) * _time_mask(count, x.shape[2])
            x, count = nn.functional.max_pool2d(x, 2), count // 2
            x = x * _time_mask(count, x.shape[2])
        frames = self.project(self.dropout(x.permute(0, 2, 1, 3).flatten(2)))  # (B, frames, width)
        return frames[:, None], _time_mask(count, x.shape[2])[:, 0, :, 0]


def _time_mask(count: Tensor, frames: int) -> Tensor:
    """bool (B, 1, frames, 1), True on the first `count` frames."""
    return (torch.arange(frames, device=count.device) < count[:, None])[:, None, :, None]


SPECTROGRAM_ENCODERS = {"log_mel_cnn": LogMelCNN}
