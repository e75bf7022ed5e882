"""Masks on the spectrogram while training."""

import torch
from torch import Tensor

from emospeech.encoders.masks import SeededMasks
from emospeech.runtime.errors import UserError

LONGEST_TIME_MASK = 0.2  # of an utterance: p of the paper's Switchboard policies


class SpecAugment(SeededMasks):
    """In training, stretches of time and of frequency are set to the utterance's mean; time warping is left out.

    A mask's width is uniform in 0 … its greatest width, its start uniform among those that keep it inside.

    Source: Park et al. 2019, arXiv 1904.08779, section 2.
    """

    def __init__(self, time_masks: int, time_mask_frames: int, frequency_masks: int, frequency_mask_bands: int) -> None:
        """Numbers of masks an utterance, and their greatest widths in frames (10 ms) and mel bands.

        Raises:
            UserError: if one of them is no whole number, or below 0.
        """
        super().__init__()
        values = {
            "time_masks": time_masks,
            "time_mask_frames": time_mask_frames,
            "frequency_masks": frequency_masks,
            "frequency_mask_bands": frequency_mask_bands,
        }
        wrong = [f"{key} = {value!r}" for key, value in values.items() if not isinstance(value, int) or value < 0]
        if wrong:
            raise UserError(f"{', '.join(wrong)}: should be a whole number, 0 or more")
        self.time_masks, self.time_mask_frames = time_masks, time_mask_frames
        self.frequency_masks, self.frequency_mask_bands = frequency_masks, frequency_mask_bands

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel (B, frames, bands), 0 past the end, mask (B, frames) -> the same shape."""
        if not self.training or not (self.time_masks or self.frequency_masks):
            return mel
        count, bands = mask.sum(1), mel.shape[2]
        longest = (LONGEST_TIME_MASK * count).long().clamp(max=self.time_mask_frames)
        widest = torch.full_like(count, min(self.frequency_mask_bands, bands))
        draws = torch.stack(
            [torch.rand(2, self.time_masks + self.frequency_masks, generator=one) for one in self.generators(len(mel))]
        ).to(mel.device)
        in_time = _stretches(draws[..., : self.time_masks], count, longest, mel.shape[1])  # (B, frames)
        in_frequency = _stretches(draws[..., self.time_masks :], torch.full_like(count, bands), widest, bands)
        mean = mel.sum((1, 2)) / (count * bands)  # 0 where the spectrogram is normalised
        hidden = in_time[:, :, None] | in_frequency[:, None, :]
        return torch.where(hidden, mean[:, None, None], mel) * mask[..., None]


def _stretches(draws: Tensor, lengths: Tensor, widest: Tensor, size: int) -> Tensor:
    """True inside random stretches of the first `lengths` of `size` positions.

    Args:
        draws: (B, 2, stretches), uniform in [0, 1): they decide width and start.
        lengths: (B,), what a stretch must lie within.
        widest: (B,), the greatest width.

    Returns:
        bool (B, size).
    """
    width = (draws[:, 0] * (widest[:, None] + 1)).long()  # (B, stretches)
    start = (draws[:, 1] * (lengths[:, None] - width + 1)).long()
    position = torch.arange(size, device=lengths.device)
    inside = (position >= start[..., None]) & (position < (start + width)[..., None])  # (B, stretches, size)
    return inside.any(1)
