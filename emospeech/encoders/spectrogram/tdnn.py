"""Convolutions over time alone, on log-mel spectrogram and pitch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from emospeech.encoders.spectrogram.masked import MaskedBatchNorm
from emospeech.encoders.spectrogram.mel import LogMel, at_least_a_window
from emospeech.encoders.spectrogram.pitch import Prosody
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.runtime.errors import UserError

CONTEXT = 5  # frames that the first layer sees
KERNEL = 3  # of those above


class LogMelTDNN(nn.Module):
    """Log-mel spectrogram beside pitch and loudness; means of `stride` frames of 10 ms; batch norm; a time-delay net:
    a convolution over 5 frames, then residual ones over 3, ever further apart, each with batch norm and ReLU.

    Meant for `pooling: statistics`. It hears pitch, which a small net does not learn to hear from some hundred clips.
    A convolution over time costs a tenth of one over time and frequency.

    Source: Waibel et al. 1989 (doi 10.1109/29.21701); Snyder et al. 2018, x-vectors (doi 10.1109/ICASSP.2018.8461375).
    """

    frozen = False
    depth = 1
    compiles = False  # the Fourier transform and the masked batch norm break its graph into many
    preprocess = staticmethod(at_least_a_window)

    def __init__(
        self,
        *,
        width: int = 64,
        bands: int = 64,
        dilations: Sequence[int] = (1, 2, 4),
        stride: int = 2,
        pitch: bool = True,
        dropout: float = 0.0,
        normalise: bool = True,
        time_masks: int = 0,
        time_mask_frames: int = 20,
        frequency_masks: int = 0,
        frequency_mask_bands: int = 10,
    ) -> None:
        """
        Args:
            bands: of the mel spectrogram.
            dilations: one number a residual layer: how far apart the frames are that it sees.
            stride: of so many frames of 10 ms the mean is heard.
            pitch: hear pitch, voicing, loudness and zero crossings, too.
            dropout: before each residual layer.
            normalise: take each utterance's mean per band away.
            time_masks, frequency_masks: SpecAugment, masks an utterance in training, on the spectrogram alone; 0: none.
            time_mask_frames, frequency_mask_bands: their greatest widths, in 10 ms and in mel bands.

        Raises:
            UserError: if a size cannot be.
        """
        super().__init__()
        wrong = {"width": width, "stride": stride} | {f"dilations.{k}": one for k, one in enumerate(dilations)}
        if found := [f"{name} should be 1 or more, got {value}" for name, value in wrong.items() if value < 1]:
            raise UserError("; ".join(found))
        if not 0 <= dropout < 1:
            raise UserError(f"dropout should be at least 0 and below 1, got {dropout}")
        self.width, self.stride = width, stride
        self.mel = LogMel(bands, normalise)
        self.augment = SpecAugment(time_masks, time_mask_frames, frequency_masks, frequency_mask_bands)
        self.prosody = Prosody(stride) if pitch else None
        size = bands + (Prosody.size if pitch else 0)
        self.norm = TimeNorm(size)
        self.first = TimeConv(size, width, kernel=CONTEXT)
        self.blocks = nn.ModuleList(TimeConv(width, width, kernel=KERNEL, dilation=each) for each in dilations)
        self.dropout = nn.Dropout(dropout)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, 1, frames, width), mask (B, frames)."""
        mel, valid = self.mel(waveforms, mask)
        frames, valid = means(self.augment(mel, valid), valid, self.stride)
        if self.prosody is not None:
            frames = torch.cat([frames, self.prosody(waveforms, mask, valid)], dim=-1)
        x = self.first(self.norm(frames.transpose(1, 2), valid) * valid[:, None], valid)
        for block in self.blocks:
            x = x + block(self.dropout(x), valid)
        return x.transpose(1, 2)[:, None], valid


class TimeConv(nn.Module):
    """Convolution over time without bias, batch norm over true frames, ReLU, and 0 past the end."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, dilation: int = 1) -> None:
        """`kernel`: odd, so that frame t of the result is centred on frame t."""
        super().__init__()
        around = kernel // 2 * dilation
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=around, dilation=dilation, bias=False)
        self.norm = TimeNorm(outputs)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x (B, inputs, time), 0 past the end, mask (B, time) -> (B, outputs, time)."""
        normed: Tensor = self.norm(self.convolution(x), mask)
        return normed.relu() * mask[:, None]


class TimeNorm(MaskedBatchNorm):
    """Batch norm over the true frames of x (B, channels, time)."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # type: ignore[override]
        """x (B, channels, time), mask (B, time) -> the same shape; past the end anything may stand."""
        # not contiguous, and of width 1, it looks channels-last to torch 2.13, whose gradients are then wrong on a CPU
        return super().forward(x.contiguous()[..., None], mask)[..., 0]


def means(frames: Tensor, valid: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Of each `stride` frames the mean of those that are true.

    frames (B, time, D), 0 past the end, valid (B, time) -> (B, ⌈time / stride⌉, D), mask.

    >>> found, _ = means(torch.tensor([[[1.0], [3.0], [5.0], [0.0]]]), torch.tensor([[True, True, True, False]]), 2)
    >>> found.flatten().tolist()
    [2.0, 5.0]
    """
    short = -frames.shape[1] % stride
    frames, valid = nn.functional.pad(frames, (0, 0, 0, short)), nn.functional.pad(valid, (0, short))
    groups = valid.unflatten(1, (-1, stride)).sum(2)  # (B, time / stride)
    return frames.unflatten(1, (-1, stride)).sum(2) / groups.clamp(min=1)[..., None], groups > 0
