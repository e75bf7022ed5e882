"""ResNet-34 on the log-mel spectrogram."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from emospeech.encoders.spectrogram.ends import FrameProjection, SpectrogramInput, check_channels, halved
from emospeech.encoders.spectrogram.masked import MaskedConv
from emospeech.encoders.spectrogram.mel import LogMel, at_least_a_window
from emospeech.encoders.spectrogram.specaugment import SpecAugment

BLOCKS = (3, 4, 6, 3)  # a stage: ResNet-34
STRIDES = (1, 2, 2, 2)  # of a stage's first block, in time and frequency


class LogMelResNet34(nn.Module):
    """Log-mel spectrogram; 3 x 3 convolution; four stages of 3, 4, 6 and 3 basic residual blocks; Linear.

    One state for 8 frames of 10 ms. As in speaker recognition the first convolution keeps every frame and no pooling
    follows it. He et al. have 64 to 512 channels, Chung et al. a quarter of them; half, as here, is the larger net of
    Heo et al. 2020 (arXiv 2009.14153), the better one on VoxCeleb: 5.6 M parameters. Fewer suit a small corpus.

    Source: He et al. 2016, arXiv 1512.03385; Chung et al. 2020, arXiv 2003.11982.
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
        channels: Sequence[int] = (32, 64, 128, 256),
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
            channels: one number a stage.
            normalise: take each utterance's mean per band away.
            time_masks, frequency_masks: SpecAugment, masks an utterance in training; 0: none.
            time_mask_frames, frequency_mask_bands: their greatest widths, in 10 ms and in mel bands.

        Raises:
            UserError: if channels or masks cannot be.
        """
        super().__init__()
        check_channels(channels, stages=len(BLOCKS))
        self.width = width
        augment = SpecAugment(time_masks, time_mask_frames, frequency_masks, frequency_mask_bands)
        self.input = SpectrogramInput(LogMel(bands, normalise), augment)
        self.blocks = nn.ModuleList([MaskedConv(1, channels[0]), *_residual_blocks(channels)])
        self.project = FrameProjection(channels[-1], halved(bands, STRIDES.count(2)), width, dropout)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, width), mask (B, frames)."""
        x, valid = self.input(waveforms, mask)
        for block in self.blocks:
            x, valid = block(x, valid)
        return self.project(x), valid


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, which is a 1 x 1 convolution where the shape changes (option B).

    Source: He et al. 2016, arXiv 1512.03385, figure 2 and section 3.3.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = MaskedConv(inputs, outputs, stride=stride)
        self.second = MaskedConv(outputs, outputs, relu=False)
        same = inputs == outputs and stride == 1
        self.shortcut = None if same else MaskedConv(inputs, outputs, kernel=1, stride=stride, relu=False)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, time, bands), (B, time) -> (B, outputs, ⌈time / stride⌉, ⌈bands / stride⌉), mask."""
        kept = x if self.shortcut is None else self.shortcut(x, mask)[0]
        x, mask = self.second(*self.first(x, mask))
        return torch.relu(x + kept), mask


def _residual_blocks(channels: Sequence[int]) -> Iterator[BasicBlock]:
    """All four stages, in order; the first convolution gives `channels[0]`."""
    for (inputs, outputs), blocks, stride in zip(pairwise((channels[0], *channels)), BLOCKS, STRIDES, strict=True):
        yield BasicBlock(inputs, outputs, stride)
        for _ in range(blocks - 1):
            yield BasicBlock(outputs, outputs, 1)
