"""The log-mel spectrogram and its masks."""

import numpy as np
import pytest
import torch

from emospeech.encoders.masks import drawn_by
from emospeech.encoders.spectrogram.mel import HOP, WINDOW, LogMel
from emospeech.encoders.spectrogram.specaugment import LONGEST_TIME_MASK, SpecAugment
from emospeech.runtime.errors import UserError

FRAMES = [300, 20, 4]  # of a batch of utterances: the longest time masks are of 10, 4 and 0 frames


def test_log_mel_against_a_plain_numpy_transform():
    rng = np.random.default_rng(0)
    waveform = rng.standard_normal(4000).astype(np.float32) * 0.1
    layer = LogMel(bands=20, normalise=False)
    ours, mask = layer(torch.tensor(waveform)[None], torch.ones(1, 4000, dtype=torch.bool))
    frames = (4000 - WINDOW) // HOP + 1
    assert ours.shape == (1, frames, 20)
    assert mask.all()
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    for k in (0, frames // 2, frames - 1):
        power = np.abs(np.fft.rfft(waveform[k * HOP : k * HOP + WINDOW] * window, 512)) ** 2
        np.testing.assert_allclose(ours[0, k], np.log(power @ layer.filters.numpy() + 1e-6), rtol=0, atol=1e-3)


def test_log_mel_sees_the_pitch_of_a_sine():
    time = torch.arange(16_000) / 16_000
    layer = LogMel(bands=64, normalise=False)
    peaks = []
    for pitch in (300, 1000, 4000):
        mel, _ = layer(torch.sin(2 * np.pi * pitch * time)[None], torch.ones(1, 16_000, dtype=torch.bool))
        band = int(mel.mean(1).argmax())
        peaks.append(int(layer.filters[:, band].argmax()) * 16_000 / 512)
    np.testing.assert_allclose(peaks, (300, 1000, 4000), rtol=0.1)


def test_log_mel_normalised_forgets_the_level():
    waveform = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    mask = torch.ones(1, 8000, dtype=torch.bool)
    loud, quiet = (LogMel(normalise=True)(gain * waveform, mask)[0] for gain in (1.0, 0.5))
    torch.testing.assert_close(loud, quiet, rtol=0, atol=0.05)


def mels(padding=0, bands=16):
    """Random spectrograms of FRAMES frames, 0 past the end, and their mask."""
    mask = torch.arange(max(FRAMES) + padding) < torch.tensor(FRAMES)[:, None]
    values = torch.randn(3, max(FRAMES), bands, generator=torch.Generator().manual_seed(0)) + 5
    return torch.nn.functional.pad(values, (0, 0, 0, padding)) * mask[..., None], mask


def masked(augment, seed=0, **shape):
    mel, mask = mels(**shape)
    with drawn_by(range(100 * seed, 100 * seed + len(mel)), augment):
        return augment.train()(mel, mask), mel, mask


def test_masks_are_off_in_evaluation_and_unless_asked_for():
    mel, mask = mels()
    assert SpecAugment(2, 10, 2, 4).eval()(mel, mask) is mel
    assert SpecAugment(0, 10, 0, 4).train()(mel, mask) is mel


def test_masked_values_are_the_mean_of_the_utterance_and_the_end_stays_0():
    out, mel, mask = masked(SpecAugment(2, 10, 2, 4))
    changed = out != mel
    assert changed.any((1, 2)).all()
    for b, frames in enumerate(FRAMES):
        torch.testing.assert_close(out[b][changed[b]], mel[b, :frames].mean().expand(int(changed[b].sum())))
    assert not out[~mask].any()


def test_draws_do_not_depend_on_padding():
    once, _, mask = masked(SpecAugment(2, 10, 2, 4))
    again = masked(SpecAugment(2, 10, 2, 4), padding=70)[0]
    torch.testing.assert_close(again[:, : mask.shape[1]], once)
    assert not torch.equal(once, masked(SpecAugment(2, 10, 2, 4), seed=1)[0])


def test_a_frequency_mask_goes_through_the_whole_utterance():
    out, mel, _ = masked(SpecAugment(0, 10, 1, 4), seed=2)
    hidden = (out != mel)[0]
    assert torch.equal(hidden, hidden[:1].expand_as(hidden))
    assert 1 <= hidden[0].sum() <= 4


@pytest.mark.parametrize(("frames", "widest"), [(100, 5), (20, 4), (4, 0)])
def test_time_masks_are_uniform_within_the_utterance(frames, widest):
    """Widths 0 … 5, or a fifth of the utterance; contiguous; both ends are reached."""
    utterances = 6000
    assert widest == min(5, int(LONGEST_TIME_MASK * frames))
    mask = torch.arange(120).expand(utterances, -1) < frames
    mel = torch.ones(utterances, 120, 2) * mask[..., None]
    mel[..., 1] *= 3  # so that the mean, 2, is neither value
    augment = SpecAugment(1, 5, 0, 0).train()
    with drawn_by(range(utterances), augment):
        hidden = (augment(mel, mask) != mel).any(2)  # (utterances, time)
    widths = hidden.sum(1)
    shares = torch.bincount(widths, minlength=6) / utterances
    expected = torch.tensor([1 / (widest + 1) if width <= widest else 0.0 for width in range(6)])
    torch.testing.assert_close(shares, expected, rtol=0, atol=4 * 0.5 / utterances**0.5)
    edges = hidden.int().diff(dim=1, prepend=torch.zeros(utterances, 1, dtype=torch.int)).eq(1).sum(1)
    assert torch.equal(edges, (widths > 0).long()), "one stretch"
    assert hidden[:, :frames].any(0).all() == (widest > 0)
    assert not hidden[:, frames:].any()


def test_masks_that_cannot_be_are_refused():
    with pytest.raises(UserError, match=r"time_masks = 1\.5, frequency_mask_bands = -3: should be a whole number"):
        SpecAugment(1.5, 5, 0, -3)
