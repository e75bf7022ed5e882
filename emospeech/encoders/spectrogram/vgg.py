"""VGG blocks on the log-mel spectrogram."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from emospeech.encoders.spectrogram.ends import FrameProjection, SpectrogramInput, check_channels, halved
from emospeech.encoders.spectrogram.masked import MaskedConv, MaskedMaxPool
from emospeech.encoders.spectrogram.mel import LogMel, at_least_a_window
from emospeech.encoders.spectrogram.specaugment import SpecAugment


class LogMelVGG(nn.Module):
    """Log-mel spectrogram; blocks of two 3 x 3 convolutions (batch norm, ReLU) and 2 x 2 max pooling; Linear.

    One state for 2 ** blocks frames of 10 ms. The authors' nets have 128, 256 and 512 channels, later a fourth block of
    1024, and no batch norm; they are trained on VoxCeleb. A quarter of their width, as here, suits some thousand clips.

    Source: India, Safari and Hernando 2019, arXiv 1906.09890; India, Safari and Hernando 2021, arXiv 2007.13199.
    """

    frozen = False
    depth = 1
    compiles = False  # the Fourier transform and the masked batch norm break its graph into many
    preprocess = staticmethod(at_least_a_window)

    def __init__(
        self,
        *,
        width: int = 128,
        bands: int = 64,
        channels: Sequence[int] = (32, 64, 128),
        dropout: float = 0.2,
        normalise: bool = True,
        time_masks: int = 0,
        time_mask_frames: int = 70,
        frequency_masks: int = 0,
        frequency_mask_bands: int = 12,
    ) -> None:
        """
        Args:
            bands: of the mel spectrogram.
            channels: one number a block.
            normalise: take each utterance's mean per band away.
            time_masks, frequency_masks: SpecAugment, masks an utterance in training; 0: none.
            time_mask_frames, frequency_mask_bands: their greatest widths, in 10 ms and in mel bands.

        Raises:
            UserError: if channels or masks cannot be.
        """
        super().__init__()
        check_channels(channels)
        self.width = width
        augment = SpecAugment(time_masks, time_mask_frames, frequency_masks, frequency_mask_bands)
        self.input = SpectrogramInput(LogMel(bands, normalise), augment)
        self.blocks = nn.ModuleList(VGGBlock(a, b) for a, b in pairwise((1, *channels)))
        self.project = FrameProjection(channels[-1], halved(bands, len(channels)), width, dropout)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, width), mask (B, frames)."""
        x, valid = self.input(waveforms, mask)
        for block in self.blocks:
            x, valid = block(x, valid)
        return self.project(x), valid


class VGGBlock(nn.Module):
    """Two 3 x 3 convolutions, then half the frames and half the bands."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = MaskedConv(inputs, outputs)
        self.second = MaskedConv(outputs, outputs)
        self.pool = MaskedMaxPool()

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, time, bands), (B, time) -> (B, outputs, ⌈time / 2⌉, ⌈bands / 2⌉), mask."""
        pooled: tuple[Tensor, Tensor] = self.pool(*self.second(*self.first(x, mask)))
        return pooled
