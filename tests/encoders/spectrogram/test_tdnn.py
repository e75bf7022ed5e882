"""Pitch and loudness against signals that are known, and a time-delay net against torch's own operations."""

import math

import pytest
import torch

from emospeech.encoders.spectrogram.mel import HOP, WINDOW, LogMel
from emospeech.encoders.spectrogram.pitch import Prosody
from emospeech.encoders.spectrogram.tdnn import LogMelTDNN, TimeConv, TimeNorm, means
from emospeech.runtime.errors import UserError

RATE = 16_000


def voice(height, seconds=0.5, partials=8):
    """A buzz of equal harmonics, (1, samples)."""
    time = torch.arange(int(seconds * RATE)) / RATE
    return 0.05 * sum(torch.sin(2 * math.pi * height * k * time) for k in range(1, partials + 1))[None]


def prosody(waveform, length=None, stride=1):
    mask = (torch.arange(waveform.shape[1]) < (length or waveform.shape[1]))[None]
    mel, valid = LogMel(8)(waveform, mask)
    _, valid = means(mel, valid, stride)
    return Prosody(stride)(waveform, mask, valid), valid


@pytest.mark.parametrize("height", [80.0, 110.0, 200.0, 333.0, 440.0])
def test_the_height_of_a_buzz(height):
    found, _ = prosody(voice(height))
    middle = found[0, 5:-5]
    assert (middle[:, 1] > 0.9).all()
    octaves = middle[:, 0] / middle[:, 1]
    torch.testing.assert_close(octaves, torch.full_like(octaves, math.log2(height / 100)), rtol=0, atol=0.03)


def test_noise_is_no_voice():
    noise = 0.1 * torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    found, _ = prosody(noise)
    assert found[0, 3:-3, 1].mean() < 0.4
    assert found[0, :, 3].mean() == pytest.approx(4 * 0.5, abs=0.05)  # every second sample


def test_loudness_is_of_the_frame_against_the_utterance():
    sound = voice(150.0)
    sound[:, RATE // 4 :] *= 10
    found, _ = prosody(sound)
    loud = found[0, :, 2]
    assert loud.mean().item() == pytest.approx(0, abs=1e-5)
    assert (loud[-8:-3].mean() - loud[3:8].mean()).item() == pytest.approx(2 * math.log(10), abs=0.1)
    again, _ = prosody(sound / 4)
    torch.testing.assert_close(again[..., :2], found[..., :2], rtol=0, atol=0.02)


@pytest.mark.parametrize("stride", [2, 3, 6])
def test_groups_are_heard_around_their_middle(stride):
    """A voice that glides, and grows louder, evenly: a group's is the mean of its frames'."""
    time = torch.arange(RATE) / RATE
    phase = 2 * math.pi * (150 * time + 40 * time**2)
    sound = (0.01 + 0.05 * time) * sum(torch.sin(k * phase) for k in range(1, 6))
    each, valid = prosody(sound[None])
    expected, _ = means(each, valid, stride)
    found, _ = prosody(sound[None], stride=stride)
    assert found.shape == expected.shape
    torch.testing.assert_close(found[:, 3:-3], expected[:, 3:-3], rtol=0, atol=0.05)


@pytest.mark.parametrize("stride", [1, 2])
def test_what_lies_past_the_end_is_not_heard(stride):
    sound = voice(120.0)
    alone, _ = prosody(sound, stride=stride)
    beside, valid = prosody(torch.cat([sound, torch.ones(1, 4000)], dim=1), sound.shape[1], stride)
    torch.testing.assert_close(beside[:, : alone.shape[1]], alone)
    assert not beside[~valid].any()


@pytest.mark.parametrize("samples", [WINDOW, WINDOW + HOP])
def test_silence_and_the_shortest_clip(samples):
    found, valid = prosody(torch.zeros(1, samples))
    assert found.isfinite().all()
    assert found.shape == (1, valid.sum(), Prosody.size)


def test_means_of_true_frames_by_hand():
    frames = torch.tensor([[[1.0], [3.0], [5.0]], [[2.0], [0.0], [0.0]]])
    found, mask = means(frames, torch.tensor([[True, True, True], [True, False, False]]), 2)
    assert found[..., 0].tolist() == [[2.0, 5.0], [2.0, 0.0]]
    assert mask.tolist() == [[True, True], [True, False]]


@torch.no_grad()
def test_a_convolution_over_time_against_torch():
    torch.manual_seed(0)
    layer = TimeConv(3, 4, kernel=3, dilation=2).eval()
    layer.norm.running_mean.normal_()
    x, mask = torch.randn(2, 3, 9), torch.arange(9) < torch.tensor([[9], [4]])
    out = layer(x * mask[:, None], mask)
    norm = layer.norm
    for row, length in enumerate((9, 4)):
        plain = torch.nn.functional.conv1d(
            x[row : row + 1, :, :length], layer.convolution.weight, padding=2, dilation=2
        )
        plain = (plain - norm.running_mean[:, None]) / (norm.running_var[:, None] + norm.eps).sqrt()
        torch.testing.assert_close(out[row : row + 1, :, :length], plain.relu())
    assert not out[1, :, 4:].any()


def test_gradients_do_not_depend_on_the_order_in_memory():
    """A batch without padding goes through torch's own batch norm."""
    found = []
    for x in (torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0)).transpose(1, 2), None):
        x = found[0][0].contiguous() if x is None else x
        norm = TimeNorm(5).train()
        (norm(x, torch.ones(2, 7, dtype=torch.bool)) * torch.arange(70.0).view(2, 5, 7)).sum().backward()
        found.append((x, norm.weight.grad))
    torch.testing.assert_close(found[0][1], found[1][1])


def test_size_by_hand():
    """Input norm, a layer over 5 frames, three over 3; norms have two numbers a channel."""
    encoder = LogMelTDNN(width=16, bands=20)
    convolutions = 5 * 24 * 16 + 3 * 3 * 16 * 16
    assert sum(p.numel() for p in encoder.parameters()) == convolutions + 2 * 24 + 4 * 2 * 16
    assert LogMelTDNN(width=16, bands=20, pitch=False).norm.num_features == 20


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"dilations": [1, 0]}, "dilations.1 should be 1 or more, got 0"),
        ({"width": 0, "stride": 0}, "width should be 1 or more, got 0; stride should be 1 or more, got 0"),
        ({"dropout": 1.0}, "dropout should be at least 0 and below 1, got 1.0"),
    ],
)
def test_sizes_that_cannot_be(options, wanted):
    with pytest.raises(UserError) as error:
        LogMelTDNN(**options)
    assert str(error.value) == wanted
