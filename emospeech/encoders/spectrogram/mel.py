"""From waveform to log-mel spectrogram."""

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE, at_least
from emospeech.runtime.errors import UserError

WINDOW = 400  # samples = 25 ms
HOP = 160  # samples = 10 ms
FFT = 512
MOST_BANDS = 100  # of the mel scale that all hold a frequency of the transform
FLOOR = 1e-6  # added to mel energies before the logarithm: about the noise of 16-bit silence


class LogMel(nn.Module):
    """Log-mel spectrogram: 25 ms Hann windows every 10 ms, no padding, so that each frame sees true samples only."""

    filters: Tensor  # (FFT // 2 + 1, bands)
    window: Tensor  # (WINDOW,)

    def __init__(self, bands: int = 64, normalise: bool = True) -> None:
        """`normalise`: take each utterance's mean per band away: channel and level go, shape stays."""
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        if not 1 <= bands <= MOST_BANDS:
            raise UserError(f"bands should be 1 to {MOST_BANDS}, got {bands}: narrower ones would hold no frequency")
        filters = mel_filter_bank(FFT // 2 + 1, bands, 20.0, SAMPLE_RATE / 2, SAMPLE_RATE)
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.normalise = normalise

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, frames, bands), mask (B, frames); 0 past the end."""
        with torch.autocast(waveforms.device.type, enabled=False):  # energies do not fit into half precision
            frames = waveforms.float().unfold(1, WINDOW, HOP) * self.window  # (B, frames, WINDOW)
            mel = torch.log(power(frames, FFT) @ self.filters + FLOOR)
        valid = whole_frames(mask, mel.shape[1], WINDOW, HOP)
        mel = mel * valid[..., None]
        if self.normalise:
            mel = (mel - mel.sum(1, keepdim=True) / valid.sum(1)[:, None, None]) * valid[..., None]
        return mel, valid


def power(frames: Tensor, size: int) -> Tensor:
    """The power spectrum: (…, samples) -> (…, size // 2 + 1)."""
    spectrum = torch.fft.rfft(frames, n=size)
    return spectrum.real.square() + spectrum.imag.square()  # abs() would take roots first, and thrice as long


def whole_frames(mask: Tensor, frames: int, window: int, hop: int) -> Tensor:
    """mask (B, samples) -> bool (B, frames): frames of a window, one each hop, that lie within an utterance.

    >>> whole_frames(torch.tensor([[True] * 5, [True] * 3 + [False] * 2]), 2, window=3, hop=2).tolist()
    [[True, True], [True, False]]
    """
    count = (mask.sum(1) - window) // hop + 1
    return torch.arange(frames, device=mask.device) < count[:, None]


def at_least_a_window(waveform: np.ndarray) -> np.ndarray:
    """(time,) -> (time,): as it is, but long enough for one window."""
    return at_least(waveform, WINDOW)
