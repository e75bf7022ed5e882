"""Pictures of spectrograms: against librosa, PIL's and matplotlib's own; padding, silence, short clips."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emospeech.encoders.deepspectrum import colours
from emospeech.encoders.deepspectrum.image import (
    DEVIATION,
    HOP,
    MEAN,
    WINDOW,
    MelDecibels,
    SpectrogramImage,
    at_least_a_window,
    resizing,
)
from emospeech.encoders.masks import drawn_by
from emospeech.encoders.spectrogram.specaugment import SpecAugment
from emospeech.runtime.errors import UserError


def tones(samples, seed=0):
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 16_000
    return (0.3 * np.sin(2 * np.pi * 700 * time) + 0.01 * rng.standard_normal(samples)).astype(np.float32)


def whole(waveform):
    inputs = torch.as_tensor(waveform)[None]
    return inputs, torch.ones_like(inputs, dtype=torch.bool)


def shown(image):
    """Red, green and blue in [0, 1] (size, size, 3), without ImageNet's normalisation."""
    return image[0].permute(1, 2, 0) * torch.tensor(DEVIATION) + torch.tensor(MEAN)


def test_decibels_are_librosas():
    import librosa

    waveform = tones(9000)
    ours, valid = MelDecibels(128)(*whole(waveform))
    stft = librosa.stft(waveform, n_fft=WINDOW, hop_length=HOP, center=False)
    mel = librosa.feature.melspectrogram(S=np.abs(stft) ** 2, sr=16_000, n_mels=128)
    theirs = librosa.power_to_db(mel, ref=1.0, top_db=None)
    assert ours.shape == (1, (9000 - WINDOW) // HOP + 1, 128)
    assert valid.all()
    np.testing.assert_allclose(ours[0].T, theirs, atol=0.05)  # float32 against float64


def test_centres_are_librosas():
    import librosa

    expected = librosa.mel_frequencies(66, fmin=0, fmax=8000)[1:-1]
    np.testing.assert_allclose(MelDecibels(64).centres, expected, rtol=1e-5)


@pytest.mark.parametrize(("length", "size"), [(155, 64), (20, 64), (64, 64), (1, 32), (300, 33)])
def test_resizing_is_bilinear_with_antialiasing(length, size):
    values = torch.rand(1, 1, length, length, generator=torch.Generator().manual_seed(0))
    weights = resizing(torch.tensor([length]), length + 7, size)[0]
    assert not weights[:, length:].any()
    ours = weights[:, :length] @ values[0, 0] @ weights[:, :length].T
    expected = F.interpolate(values, (size, size), mode="bilinear", antialias=True)[0, 0]
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-5)


def test_the_picture_as_a_plot_would_be():
    """dB scaled by hand, matplotlib's own colours, torch's own resizing; low frequencies at the bottom."""
    import matplotlib

    waveform = tones(20_000)
    mel = MelDecibels(40)(*whole(waveform))[0][0].T.flip(0).numpy()  # highest first
    mel = np.maximum(mel, mel.max() - 60)
    coloured = matplotlib.colormaps["viridis"]((mel - mel.min()) / (mel.max() - mel.min()))[..., :3]
    picture = torch.tensor(coloured, dtype=torch.float32).permute(2, 0, 1)[None]
    expected = F.interpolate(picture, (48, 48), mode="bilinear", antialias=True)[0].permute(1, 2, 0)
    ours = shown(SpectrogramImage("viridis", 48, 40, 60.0)(*whole(waveform)))
    assert (ours - expected).abs().mean() < 1e-3  # a value on the border of two colours may fall to the other
    torch.testing.assert_close(ours, expected, rtol=0, atol=0.03)
    assert ours[30:].mean() > ours[:18].mean()  # the tone is of 700 Hz


def test_colours_at_the_ends():
    viridis = colours.table("viridis")
    assert viridis.shape == (256, 3)
    torch.testing.assert_close(viridis[0], torch.tensor([0.267004, 0.004874, 0.329415]))
    torch.testing.assert_close(viridis[-1], torch.tensor([0.993248, 0.906157, 0.143936]))
    torch.testing.assert_close(colours.table("grey")[:, 0], torch.arange(256) / 255)
    with pytest.raises(UserError, match=r"unknown colours 'virids'; known: grey, viridis, magma.* and matplotlib's"):
        colours.table("virids")


@pytest.mark.parametrize(("range_db", "normalise"), [(None, False), (80.0, False), (None, True), (30.0, True)])
def test_padding_and_neighbours_change_nothing(range_db, normalise):
    clips = [tones(length, seed) for seed, length in enumerate((512, 30_000, 9_137))]
    image = SpectrogramImage("viridis", 48, 64, range_db, normalise=normalise)
    junk = torch.randn(3, 33_000, generator=torch.Generator().manual_seed(0)) * 10  # past the ends
    mask = torch.zeros(3, 33_000, dtype=torch.bool)
    for row, clip in enumerate(clips):
        junk[row, : len(clip)] = torch.as_tensor(clip)
        mask[row, : len(clip)] = True
    together = image(junk, mask)
    for row, clip in enumerate(clips):
        torch.testing.assert_close(together[row], image(*whole(clip))[0], rtol=0, atol=1e-5)


def test_level_does_not_matter_and_range_is_cut():
    waveform = tones(8000)
    image = SpectrogramImage("grey", 32, 32, 30.0)
    torch.testing.assert_close(image(*whole(waveform)), image(*whole(waveform / 4)), rtol=0, atol=0.03)
    silent_end = np.concatenate([waveform, np.zeros(8000, np.float32)])
    assert shown(image(*whole(silent_end)))[:, 20:].max() < 1e-5  # the quietest there is
    wide = SpectrogramImage("grey", 32, 32, None)
    assert shown(wide(*whole(silent_end)))[:, :12].mean() > shown(image(*whole(silent_end)))[:, :12].mean()


def test_normalised_forgets_the_channel():
    """A filter whose gain hardly changes within a band shifts each band's dB, and with it its mean."""
    rng = np.random.default_rng(0)
    noise = (rng.standard_normal(16_000) * np.linspace(0.01, 0.3, 16_000)).astype(np.float32)
    filtered = noise.copy()
    filtered[1:] -= 0.5 * noise[:-1]
    distances = []
    for normalise in (False, True):
        image = SpectrogramImage("grey", 32, 32, None, normalise=normalise)
        distances.append((image(*whole(noise)) - image(*whole(filtered))).abs().mean())
    assert distances[1] < 0.3 * distances[0]


def test_silence_is_the_lowest_colour():
    for waveform in (np.zeros(3000, np.float32), at_least_a_window(np.zeros(0, np.float32))):
        image = SpectrogramImage("viridis", 32, 16, 80.0)(*whole(waveform))
        lowest = ((colours.table("viridis")[0] - torch.tensor(MEAN)) / torch.tensor(DEVIATION))[:, None, None]
        torch.testing.assert_close(image[0], lowest.expand(3, 32, 32))


def test_masks_only_while_training():
    image = SpectrogramImage("grey", 32, 32, 80.0, SpecAugment(1, 40, 1, 8))
    inputs = whole(tones(20_000))
    with drawn_by([0], image):
        masked = image.train()(*inputs)
    assert not torch.equal(masked, image.eval()(*inputs))
    assert torch.equal(image.eval()(*inputs), image(*inputs))


def test_half_precision_around_it_changes_nothing():
    image, inputs = SpectrogramImage("viridis", 32, 32, 80.0), whole(tones(8000))
    with torch.autocast("cpu", torch.bfloat16):
        inside = image(*inputs)
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, image(*inputs))


def test_what_cannot_be():
    with pytest.raises(UserError, match="bands should be 1 to 190, got 400"):
        MelDecibels(400)
    with pytest.raises(UserError, match="range_db should be above 0, or null"):
        SpectrogramImage("grey", 32, 32, 0.0)
