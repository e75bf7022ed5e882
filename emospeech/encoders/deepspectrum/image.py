"""From waveform to the image of its mel spectrogram."""

import numpy as np
import torch
from torch import Tensor, nn

from emospeech.data.audio import SAMPLE_RATE, at_least
from emospeech.encoders.deepspectrum import colours
from emospeech.encoders.spectrogram.mel import power, whole_frames
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.runtime.errors import UserError

WINDOW = 512  # samples = 32 ms: the power of two that holds DeepSpectrum's 25 ms
HOP = WINDOW // 2
SCALE = "slaney"  # of mel, and how its bands are weighted, as librosa does
MOST_BANDS = 190  # of the mel scale that all hold a frequency of the transform
QUIETEST = 1e-10  # of a mel band's energy, before the logarithm
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's red, green and blue, in [0, 1]


class MelDecibels(nn.Module):
    """Mel spectrogram in dB on the scale of Slaney, as librosa's: Hann windows of 32 ms every 16 ms, no padding.

    Each frame sees true samples only.
    """

    filters: Tensor  # (WINDOW // 2 + 1, bands)
    window: Tensor  # (WINDOW,)
    centres: Tensor  # (bands,), Hz

    def __init__(self, bands: int) -> None:
        """
        Raises:
            UserError: if there are too many bands.
        """
        super().__init__()
        from transformers.audio_utils import hertz_to_mel, mel_filter_bank, mel_to_hertz

        if not 1 <= bands <= MOST_BANDS:
            raise UserError(f"bands should be 1 to {MOST_BANDS}, got {bands}: narrower ones would hold no frequency")
        filters = mel_filter_bank(
            WINDOW // 2 + 1, bands, 0.0, SAMPLE_RATE / 2, SAMPLE_RATE, norm=SCALE, mel_scale=SCALE
        )
        self.register_buffer("filters", torch.tensor(filters, dtype=torch.float32), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        centres = mel_to_hertz(np.linspace(0, hertz_to_mel(SAMPLE_RATE / 2, SCALE), bands + 2)[1:-1], SCALE)
        self.register_buffer("centres", torch.tensor(centres, dtype=torch.float32), persistent=False)

    def forward(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """waveforms (B, samples), mask (B, samples) -> (B, frames, bands) in dB, mask (B, frames)."""
        frames = waveforms.float().unfold(1, WINDOW, HOP) * self.window  # (B, frames, WINDOW)
        mel = 10 * torch.log10((power(frames, WINDOW) @ self.filters).clamp(min=QUIETEST))
        return mel, whole_frames(mask, mel.shape[1], WINDOW, HOP)


class SpectrogramImage(nn.Module):
    """The mel spectrogram as a square picture, low frequencies at the bottom, a whole clip from left to right.

    Each clip by itself: its dB from quietest to loudest become 0 to 1, then colours, then `size` x `size` pixels
    (triangular filters as wide as the reduction: bilinear, with antialiasing), then ImageNet's normalisation.

    Source: Amiriparian et al. 2017, deep spectrum features (doi 10.21437/Interspeech.2017-434), in mel bands.
    """

    table: Tensor  # (256, 3), normalised
    down: Tensor  # (size, bands)

    def __init__(
        self,
        colour_map: str,
        size: int,
        bands: int,
        range_db: float | None,
        augment: SpecAugment | None = None,
        normalise: bool = False,
    ) -> None:
        """
        Args:
            colour_map: `grey`, or one of matplotlib's.
            size: pixels of a side.
            range_db: what lies so far below a clip's loudest becomes as quiet as that; None: nothing does.
            augment: masks on the spectrogram in training.
            normalise: take each clip's mean per band away before, and with it the channel.

        Raises:
            UserError: if there is no such colour map, or a number cannot be.
        """
        super().__init__()
        if range_db is not None and range_db <= 0:
            raise UserError(f"range_db should be above 0, or null for the whole range, got {range_db}")
        self.mel = MelDecibels(bands)
        self.size, self.range_db, self.augment, self.normalise = size, range_db, augment, normalise
        shown = (colours.table(colour_map) - torch.tensor(MEAN)) / torch.tensor(DEVIATION)
        self.register_buffer("table", shown, persistent=False)
        # highest frequency first, as rows of a picture lie
        self.register_buffer("down", resizing(torch.tensor([bands]), bands, size)[0].flip(1), persistent=False)

    def forward(self, waveforms: Tensor, mask: Tensor) -> Tensor:
        """waveforms (B, samples), mask (B, samples) -> float32 (B, 3, size, size), normalised."""
        with torch.autocast(waveforms.device.type, enabled=False):  # energies do not fit into half precision
            mel, valid = self.mel(waveforms, mask)
            mel = self._clear(mel, valid)
            if self.augment is not None:
                mel = self.augment(mel * valid[..., None], valid)
            levels = self._levels(mel, valid)  # (B, frames, bands)
            shown = nn.functional.embedding(levels, self.table)  # (B, frames, bands, 3)
            across = resizing(valid.sum(1), mel.shape[1], self.size)  # (B, size, frames)
            wide = torch.bmm(across, shown.flatten(2)).unflatten(2, (-1, 3))  # (B, size, bands, 3)
            return torch.einsum("bwfc,hf->bchw", wide, self.down).contiguous()

    def _clear(self, mel: Tensor, valid: Tensor) -> Tensor:
        """dB (B, frames, bands) within the range below a clip's loudest, and without its mean per band if wanted."""
        true = valid[..., None]
        if self.range_db is not None:
            mel = mel.maximum(mel.masked_fill(~true, -torch.inf).amax((1, 2), keepdim=True) - self.range_db)
        return mel - (mel * true).sum(1, keepdim=True) / true.sum(1, keepdim=True) if self.normalise else mel

    def _levels(self, mel: Tensor, valid: Tensor) -> Tensor:
        """dB (B, frames, bands) -> places in the table: 0 at a clip's quietest, 255 at its loudest; silence is 0."""
        true = valid[..., None]
        loudest = mel.masked_fill(~true, -torch.inf).amax((1, 2), keepdim=True)
        quietest = mel.masked_fill(~true, torch.inf).amin((1, 2), keepdim=True)
        spread = (loudest - quietest).clamp(min=1e-6)
        places = ((mel - quietest) / spread).clamp(0, 1) * colours.COLOURS
        return places.long().clamp(max=colours.COLOURS - 1)


def resizing(lengths: Tensor, longest: int, size: int) -> Tensor:
    """Weights (B, size, longest) that turn the first `lengths` (B,) of a row's values into `size`; each sum to 1.

    Pixel i stands for the values around (i + 0.5) length / size, weighted by a triangle of half-width 1, or where there
    are fewer pixels than values, length / size: bilinear interpolation with antialiasing, as PIL's.

    >>> resizing(torch.tensor([2]), 2, 4)[0, :, 0].tolist()
    [1.0, 0.75, 0.25, 0.0]
    """
    step = lengths[:, None, None].float() / size
    centre = (torch.arange(size, device=lengths.device)[None, :, None] + 0.5) * step
    place = torch.arange(longest, device=lengths.device) + 0.5
    weights = (1 - (place - centre).abs() / step.clamp(min=1)).clamp(min=0)  # (B, size, longest)
    weights = weights * (place < lengths[:, None, None])
    return weights / weights.sum(2, keepdim=True)


def at_least_a_window(waveform: np.ndarray) -> np.ndarray:
    """(time,) -> (time,): as it is, but long enough for one window."""
    return at_least(waveform, WINDOW)
