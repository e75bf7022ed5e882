"""What the nets on a spectrogram share: its making before their convolutions, a vector per frame after them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emospeech.encoders.spectrogram.mel import LogMel
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.runtime.errors import UserError


class SpectrogramInput(nn.Module):
    """Waveforms to a scaled log-mel spectrogram, masked at random in training where that is asked for."""

    def __init__(self, mel: LogMel, augment: SpecAugment) -> None:
        super().__init__()
        self.mel, self.augment = mel, augment
        self.scale = nn.Parameter(torch.tensor(0.25))  # log-mel values spread over about +-4

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, bands), mask (B, frames)."""
        mel, valid = self.mel(waveforms, mask)
        return (self.scale * self.augment(mel, valid))[:, None], valid


class FrameProjection(nn.Module):
    """Channels and bands of a frame laid end to end, dropout, Linear."""

    def __init__(self, channels: int, bands: int, width: int, dropout: float) -> None:
        super().__init__()
        if width < 1:
            raise UserError(f"width should be 1 or more, got {width}")
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(channels * bands, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, channels, frames, bands) -> (B, 1, frames, width): one layer of states."""
        frames: Tensor = self.linear(self.dropout(x.transpose(1, 2).flatten(2)))
        return frames[:, None]


def halved(bands: int, times: int) -> int:
    """What is left of `bands` after `times` strides of 2, each rounded up.

    >>> halved(64, 3), halved(25, 2)
    (8, 7)
    """
    return -(-bands // 2**times)


def check_channels(channels: Sequence[int], stages: int | None = None) -> None:
    """One number a stage; `stages` None: as many as wished, but one.

    Raises:
        UserError: if there are none, or not that many, or one is below 1.
    """
    if not channels or min(channels) < 1 or len(channels) != (stages or len(channels)):
        wanted = f"{stages} numbers above 0" if stages else "one number above 0 for each block"
        raise UserError(f"channels should be {wanted}, got {list(channels)}")
