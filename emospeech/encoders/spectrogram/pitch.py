"""Pitch, voicing and loudness: four numbers for each frame of the log-mel spectrogram."""

import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.spectrogram.mel import HOP, power
from emospeech.encoders.spectrogram.mel import WINDOW as MEL_WINDOW

WINDOW = 800  # samples = 50 ms: three periods of 60 Hz
FFT = 1080  # the window and the longest lag, at least, so that no lag wraps around
LOWEST, HIGHEST = 65.0, 500.0  # Hz
REFERENCE = 100.0  # Hz
OCTAVE_COST = 0.05  # of the autocorrelation that an octave higher is worth: else twice the period is as good as one
FLOOR = 1e-5  # added to energies before the logarithm


class Prosody(nn.Module):
    """Pitch and loudness from the autocorrelation of 50 ms around each frame of `LogMel`, or around each group of them.

    Of each frame: the voice's height in octaves above 100 Hz times its strength; that strength, 0 to 1; the logarithm
    of the energy, the utterance's mean taken away; and four times the share of samples at which the sign changes.

    Source: Boersma 1993, Accurate short-term analysis of the fundamental frequency (IFA Proceedings 17): the
    autocorrelation divided by that of the window, with an octave cost; no path through time is sought here.
    """

    size = 4
    window: Tensor  # (WINDOW,)
    falloff: Tensor  # (lags,): autocorrelation of the window

    def __init__(self, stride: int = 1) -> None:
        """`stride`: frames of a group."""
        super().__init__()
        self.stride = stride
        window = torch.hann_window(WINDOW)
        self.lags = range(int(SAMPLE_RATE / HIGHEST), int(SAMPLE_RATE / LOWEST))
        own = torch.fft.irfft(power(window, FFT))
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("falloff", (own / own[0])[self.lags.start : self.lags.stop], persistent=False)

    @torch.no_grad()
    def forward(self, waveforms: Tensor, mask: Tensor, valid: Tensor) -> Tensor:
        """waveforms (B, samples), mask (B, samples), mask of the groups (B, groups) -> (B, groups, 4); 0 past the end.

        A group counts where one of its frames does.
        """
        with torch.autocast(waveforms.device.type, enabled=False):  # energies do not fit into half precision
            sound = self._padded(waveforms.float() * mask, valid.shape[1])
            frames = sound.unfold(1, WINDOW, HOP * self.stride)  # (B, groups, WINDOW)
            correlation = torch.fft.irfft(power(frames * self.window, FFT), n=FFT)[..., : self.lags.stop]
            energy = correlation[..., 0]
            height, strength = self._voice(correlation[..., self.lags.start :], energy)
            loudness = torch.log(energy + FLOOR) * valid
            loudness = loudness - loudness.sum(1, keepdim=True) / valid.sum(1, keepdim=True)
            turns = (sound[:, 1:] * sound[:, :-1] < 0).float()
            crossings = nn.functional.avg_pool1d(turns, WINDOW - 1, HOP * self.stride)
            return torch.stack([height * strength, strength, loudness, 4 * crossings], dim=-1) * valid[..., None]

    def _padded(self, sound: Tensor, groups: int) -> Tensor:
        """(B, samples) -> (B, as many as so many groups take), a window around the middle of each group."""
        before = (WINDOW - MEL_WINDOW - (self.stride - 1) * HOP) // 2
        size = (groups - 1) * HOP * self.stride + WINDOW
        return nn.functional.pad(sound, (before, size - before - sound.shape[1]))  # cuts off, where that is negative

    def _voice(self, correlation: Tensor, energy: Tensor) -> tuple[Tensor, Tensor]:
        """correlation (B, frames, lags), energy (B, frames) -> octaves above 100 Hz, strength; (B, frames) each."""
        lags = torch.arange(self.lags.start, self.lags.stop, device=energy.device)
        likeness = correlation / (energy[..., None] + 1e-6) / self.falloff
        best = (likeness - OCTAVE_COST * torch.log2(lags / self.lags.start)).argmax(-1, keepdim=True)
        strength = likeness.gather(-1, best)[..., 0].clamp(0, 1)
        return torch.log2(SAMPLE_RATE / lags[best[..., 0]] / REFERENCE), strength
