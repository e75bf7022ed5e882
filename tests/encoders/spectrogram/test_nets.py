"""Convolutional nets on the spectrogram: masked layers against torch's own, shapes and counts by hand, padding."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from emospeech.encoders.masks import drawn_by
from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS
from emospeech.encoders.spectrogram.masked import MaskedBatchNorm, MaskedConv, MaskedMaxPool
from emospeech.encoders.spectrogram.mel import HOP, WINDOW
from emospeech.encoders.spectrogram.resnet import BasicBlock, LogMelResNet34
from emospeech.encoders.spectrogram.vgg import LogMelVGG, VGGBlock
from emospeech.runtime.errors import UserError

SMALL = {
    "log_mel_cnn": {"channels": (4, 6, 8)},
    "log_mel_vgg": {"channels": (4, 6, 8)},
    "log_mel_resnet34": {"channels": (4, 4, 6, 8)},
    "log_mel_tdnn": {"dilations": (1, 2)},
}
SHRINK = {**dict.fromkeys(SMALL, 8), "log_mel_tdnn": 2}  # frames to one state
SAMPLES = [400, 24_001, 9_137, 5_000]


@pytest.fixture(params=SMALL)
def name(request):
    return request.param


def small(name, seed=0, **options):
    torch.manual_seed(seed)
    return SPECTROGRAM_ENCODERS[name](**{"width": 8, "bands": 20, "dropout": 0.0} | SMALL[name] | options)


def batch(samples=SAMPLES, padding=0):
    """Clips beside noise: what lies past the end must not matter, be it 0 or not."""
    generator = torch.Generator().manual_seed(0)
    waveforms = torch.randn(len(samples), max(samples) + padding, generator=generator) * 0.1
    for row, length in enumerate(samples):
        clip = torch.randn(length, generator=torch.Generator().manual_seed(length)) * 0.1
        waveforms[row, :length] = clip * torch.linspace(0.1, 3, length)
    return waveforms, torch.arange(waveforms.shape[1]) < torch.tensor(samples)[:, None]


def as_after_training(module):
    """Batch norms with statistics, weights and biases of their own."""
    torch.manual_seed(1)
    for part in module.modules():
        if isinstance(part, MaskedBatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(part.weight, 0.5, 1.5)
            torch.nn.init.normal_(part.bias)
    return module.eval()


def plain(layer, x, relu=True):
    """A masked convolution as torch's own operations, where nothing is masked."""
    kernel, norm = layer.convolution.weight, layer.norm
    x = F.conv2d(x, kernel, stride=layer.stride, padding=kernel.shape[-1] // 2)
    x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False)
    return x.relu() if relu else x


def test_every_net_is_tried_here():
    assert list(SMALL) == list(SPECTROGRAM_ENCODERS)


def test_contract(name):
    encoder = small(name).eval()
    states, mask = encoder(*batch())
    assert (encoder.frozen, encoder.depth, encoder.width) == (False, 1, 8)
    assert states.shape == (len(SAMPLES), 1, mask.shape[1], 8)
    frames = [(n - WINDOW) // HOP + 1 for n in SAMPLES]
    assert mask.sum(1).tolist() == [math.ceil(n / SHRINK[name]) for n in frames]
    assert mask.dtype == torch.bool


def test_the_shortest_clip(name):
    encoder = small(name).eval()
    waveform = torch.tensor(encoder.preprocess(np.zeros(3, dtype=np.float32)))
    states, mask = encoder(waveform[None], torch.ones(1, len(waveform), dtype=torch.bool))
    assert states.shape == (1, 1, 1, 8)
    assert mask.tolist() == [[True]]


@torch.no_grad()
@pytest.mark.parametrize("normalise", [True, False])
def test_a_batch_and_each_clip_alone(name, normalise):
    encoder = as_after_training(small(name, normalise=normalise))
    waveforms, mask = batch()
    together, valid = encoder(waveforms, mask)
    for row, length in enumerate(SAMPLES):
        alone, _ = encoder(waveforms[row : row + 1, :length], mask[row : row + 1, :length])
        torch.testing.assert_close(together[row, :, valid[row]], alone[0], rtol=0, atol=1e-4)
    assert together[1, 0].std(0).mean() > 1e-2, "states that do not depend on the clip prove nothing"


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("samples", [SAMPLES, [400, 24_001], [8000, 8000]])
def test_padding_does_not_reach_training(name, samples, normalise):
    """States, running statistics and gradients in training mode."""
    results = []
    for padding in (0, 16_000):
        encoder = small(name, normalise=normalise).train()
        states, valid = encoder(*batch(samples, padding))
        states[:, 0][valid].square().sum().backward()
        gradients = {f"gradient of {key}": value.grad for key, value in encoder.named_parameters()}
        gradients.pop("gradient of input.scale", None)  # a batch norm follows: it is 0, but for rounding
        results.append({"states": states[:, 0][valid], **encoder.state_dict(), **gradients})
    for key, value in results[0].items():
        torch.testing.assert_close(value, results[1][key], rtol=1e-3, atol=1e-4, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.parametrize("mode", [True, False])
def test_padded_samples_have_no_gradient(name, mode):
    encoder = small(name, normalise=False).train(mode)  # normalised, a clip of one window is all 0
    waveforms, mask = batch()
    waveforms.requires_grad_()
    states, _ = encoder(waveforms, mask)
    (states * torch.randn_like(states)).sum().backward()
    assert not waveforms.grad[~mask].any()
    assert all(row[:WINDOW].any() for row in waveforms.grad)


def test_half_precision_with_padding(name):
    encoder = small(name).train()
    with torch.autocast("cpu", torch.bfloat16):
        states, valid = encoder(*batch())
    full, _ = small(name).train()(*batch())
    both = torch.stack([states.float()[:, 0][valid].flatten(), full[:, 0][valid].flatten()])
    assert torch.corrcoef(both)[0, 1] > 0.98


def test_spectrogram_masks_work_in_training_alone(name):
    encoder = small(name, time_masks=2, time_mask_frames=30, frequency_masks=1, frequency_mask_bands=8).train()
    draws = []
    for seed in (0, 0, 1):
        with drawn_by(range(100 * seed, 100 * seed + len(SAMPLES)), encoder):
            draws.append(encoder(*batch())[0])
    torch.testing.assert_close(draws[0], draws[1])
    assert not torch.allclose(draws[0], draws[2], atol=1e-3)
    torch.testing.assert_close(encoder.eval()(*batch())[0], encoder(*batch())[0])


def test_overfits_a_few_tones(name):
    """Twelve clips of different lengths, silence and then one of three pitches: told apart after some steps."""
    generator = torch.Generator().manual_seed(0)
    lengths, pitches = torch.arange(12) * 300 + 6000, torch.arange(12) % 3
    time = torch.arange(10_000) / 16_000
    tones = torch.sin(2 * torch.pi * torch.tensor([300.0, 900.0, 2700.0])[pitches, None] * time) * (time > 0.15)
    waveforms = 0.3 * tones + 0.003 * torch.randn(12, 10_000, generator=generator)
    mask = torch.arange(10_000) < lengths[:, None]
    encoder = small(name)
    network = torch.nn.ModuleList([encoder, torch.nn.Linear(8, 3)]).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)

    def logits():
        states, valid = encoder(waveforms, mask)
        return network[1]((states[:, 0] * valid[..., None]).sum(1) / valid.sum(1, keepdim=True))

    for _ in range(25):
        optimizer.zero_grad()
        F.cross_entropy(logits(), pitches).backward()
        optimizer.step()
    with torch.no_grad():
        assert torch.equal(network.eval() and logits().argmax(1), pitches)


def test_batch_norm_over_true_frames_by_hand():
    torch.manual_seed(0)
    x, mask = torch.randn(2, 3, 5, 4) + 2, torch.arange(5) < torch.tensor([[5], [2]])
    norm = MaskedBatchNorm(3).train()
    true = torch.cat([x[0], x[1, :, :2]], dim=1).flatten(1)  # (channels, true frames x bands)
    out = norm(x, mask)
    torch.testing.assert_close(norm.running_mean, 0.1 * true.mean(1))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * true.var(1))
    expected = (x - true.mean(1)[:, None, None]) / (true.var(1, correction=0)[:, None, None] + 1e-5).sqrt()
    torch.testing.assert_close(out[0], expected[0])
    torch.testing.assert_close(out[1, :, :2], expected[1, :, :2])


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "stride", "relu"), [(3, 1, True), (3, 2, True), (3, 2, False), (1, 2, False)])
def test_masked_convolution_against_torch(kernel, stride, relu):
    layer = as_after_training(MaskedConv(3, 5, kernel=kernel, stride=stride, relu=relu))
    x, mask = torch.randn(2, 3, 9, 7), torch.arange(9) < torch.tensor([[9], [4]])
    out, valid = layer(x * mask[:, None, :, None], mask)
    torch.testing.assert_close(out[:1], plain(layer, x[:1], relu))
    short = plain(layer, x[1:, :, :4], relu)
    torch.testing.assert_close(out[1:, :, : short.shape[2]], short)
    assert not out[1:, :, short.shape[2] :].any()
    assert valid.sum(1).tolist() == [math.ceil(9 / stride), short.shape[2]]


def test_max_pool_keeps_the_last_half_window():
    x = torch.tensor([[1.0, 3.0, 2.0, 0.5, 4.0], [5.0, 1.0, 7.0, 0.0, 0.0]])[:, None, :, None]
    out, mask = MaskedMaxPool()(x, torch.arange(5) < torch.tensor([[5], [3]]))
    assert out[:, 0, :, 0].tolist() == [[3.0, 2.0, 4.0], [5.0, 7.0, 0.0]]
    assert mask.tolist() == [[True, True, True], [True, True, False]]


@torch.no_grad()
def test_vgg_block_against_torch():
    block = as_after_training(VGGBlock(2, 3))
    x = torch.randn(1, 2, 7, 5)
    out, mask = block(x, torch.ones(1, 7, dtype=torch.bool))
    torch.testing.assert_close(out, F.max_pool2d(plain(block.second, plain(block.first, x)), 2, ceil_mode=True))
    assert out.shape == (1, 3, 4, 3)
    assert mask.shape == (1, 4)


@torch.no_grad()
@pytest.mark.parametrize(("inputs", "stride"), [(3, 1), (3, 2), (2, 1), (2, 2)])
def test_basic_block_against_torch(inputs, stride):
    block = as_after_training(BasicBlock(inputs, 3, stride))
    x = torch.randn(1, inputs, 7, 6)
    out, _ = block(x, torch.ones(1, 7, dtype=torch.bool))
    shortcut = x if (inputs, stride) == (3, 1) else plain(block.shortcut, x, relu=False)
    expected = torch.relu(plain(block.second, plain(block.first, x), relu=False) + shortcut)
    torch.testing.assert_close(out, expected)


@torch.no_grad()
@pytest.mark.parametrize("blocks", [1, 2, 4])
@pytest.mark.parametrize("frames", [1, 16, 17])
def test_vgg_frames(blocks, frames):
    encoder = LogMelVGG(width=8, bands=10, channels=[2] * blocks).eval()
    samples = WINDOW + (frames - 1) * HOP
    states, mask = encoder(torch.randn(1, samples), torch.ones(1, samples, dtype=torch.bool))
    assert states.shape == (1, 1, math.ceil(frames / 2**blocks), 8)
    assert mask.all()


def test_resnet34_by_hand():
    """He et al. 2016, table 1, at half its channels on 100 frames of 64 bands, with no stride before stage 2."""
    encoder = LogMelResNet34().eval()
    convolutions = [m for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [sum(m.kernel_size == (k, k) for m in convolutions) for k in (3, 1)] == [33, 3]
    weights = 9 * (32 + 6 * 32**2 + 32 * 64 + 7 * 64**2 + 64 * 128 + 11 * 128**2 + 128 * 256 + 5 * 256**2)
    shortcuts = 32 * 64 + 64 * 128 + 128 * 256
    norms = 2 * (7 * 32 + 9 * 64 + 13 * 128 + 7 * 256)
    linear, scale = 256 * 8 * 128 + 128, 1
    assert weights + shortcuts + norms + linear + scale == 5_585_633
    assert sum(p.numel() for p in encoder.parameters()) == 5_585_633

    shapes = []
    for last in (0, 3, 7, 13, 16):  # the first convolution, and the last block of each stage
        encoder.blocks[last].register_forward_hook(lambda *call: shapes.append(tuple(call[-1][0].shape)))
    samples = WINDOW + 99 * HOP
    states, _ = encoder(torch.randn(1, samples), torch.ones(1, samples, dtype=torch.bool))
    assert shapes == [(1, 32, 100, 64), (1, 32, 100, 64), (1, 64, 50, 32), (1, 128, 25, 16), (1, 256, 13, 8)]
    assert states.shape == (1, 1, 13, 128)


@pytest.mark.parametrize(
    ("name", "channels", "wanted"),
    [
        ("log_mel_cnn", [], "one number above 0 for each block, got []"),
        ("log_mel_vgg", [8, 0], "one number above 0 for each block, got [8, 0]"),
        ("log_mel_resnet34", [8, 8, 8], "4 numbers above 0, got [8, 8, 8]"),
    ],
)
def test_channels_that_cannot_be(name, channels, wanted):
    with pytest.raises(UserError) as error:
        SPECTROGRAM_ENCODERS[name](channels=channels)
    assert str(error.value) == f"channels should be {wanted}"
