"""Switches of a whole fit: on inside, as before after, and the same numbers."""

import os
from contextlib import suppress

import pytest
import torch

from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS
from emospeech.encoders.text.subword import SubwordTransformer
from emospeech.training import switches


def settings():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    )


def test_deterministic_inside_and_as_before_after(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = settings()
    with switches.deterministic(True):
        assert settings() == (True, False, False, ":4096:8")
    assert settings() == before


def test_what_was_set_before_comes_back_also_after_an_error(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        before = settings()
        with suppress(ZeroDivisionError), switches.deterministic(True):
            assert settings()[:3] == (True, False, False)
            raise ZeroDivisionError
        assert settings() == before == (True, True, True, ":16:8")
    finally:
        torch.use_deterministic_algorithms(False)


def test_an_operation_without_a_deterministic_algorithm_fails():
    with switches.deterministic(True), pytest.raises(RuntimeError, match="deterministic"):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))


def test_not_wanted_changes_nothing():
    before = settings()
    with switches.deterministic(False):
        assert settings() == before


def test_a_missing_compiler_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CXX", "ccache-of-nobody g++")
    assert "there is no ccache-of-nobody g++; install g++" in switches.compiler_fault()
    monkeypatch.setenv("CXX", "sh -c")  # any program that is there
    assert switches.compiler_fault() is None
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert "there is no g++" in switches.compiler_fault()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert switches.compiler_fault() is None


def test_compiled_keeps_names_and_takes_any_size(monkeypatch):
    """The graphs alone: `aot_eager` needs no compiler. Numbers with the real one: tests/systems/test_switches.py."""
    network = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.GELU())
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda *args, **options: compiled(*args, backend="aot_eager", **options))
    names = list(network.state_dict())
    inputs = [torch.randn(rows, 4, generator=torch.Generator().manual_seed(rows)) for rows in (5, 2, 9)]
    expected = [network.forward(x) for x in inputs]
    switches.compile_in_place([network, None])
    assert list(network.state_dict()) == names
    for x, wanted in zip(inputs, expected, strict=True):
        torch.testing.assert_close(network(x), wanted)


def test_a_part_that_does_not_compile_is_left_alone():
    part = torch.nn.Linear(2, 2)
    part.compiles = False
    switches.compile_in_place([part])
    assert part._compiled_call_impl is None


NETS = {"log_mel_cnn": [4, 8], "log_mel_vgg": [4, 8], "log_mel_resnet34": [4, 4, 4, 4]}


@pytest.mark.parametrize("name", NETS)
def test_recomputed_speech_nets_are_the_same_training(name):
    """Losses, gradients, and what batch norm remembers, over a few steps with dropout and padding."""
    mask = torch.arange(8000) < torch.tensor([[8000], [5000], [3000]])
    waveforms = torch.randn(3, 8000, generator=torch.Generator().manual_seed(1)) * mask
    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        net = SPECTROGRAM_ENCODERS[name](width=8, bands=16, channels=NETS[name], dropout=0.3)
        if recompute:
            switches.recompute_in_place([net, None])
        results.append(_steps(net, waveforms, mask))
    _assert_same(*results)


def test_a_recomputed_transformer_is_the_same_training():
    tokens = torch.randint(5, 40, (3, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.arange(12) < torch.tensor([[12], [7], [3]])
    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        net = SubwordTransformer(40, 16, width=8, depth=2, heads=2, dropout=0.3)
        if recompute:
            switches.recompute_in_place([net])
        results.append(_steps(net, tokens, mask))
    _assert_same(*results)


def test_recomputing_keeps_less():
    """Counted as the numbers saved for the backward pass."""
    waveforms, mask = torch.randn(2, 16_000), torch.ones(2, 16_000, dtype=torch.bool)
    saved = []
    for recompute in (False, True):
        net = SPECTROGRAM_ENCODERS["log_mel_vgg"](width=8, bands=16, channels=[8, 8, 8])
        if recompute:
            switches.recompute_in_place([net])
        count = [0]

        def pack(tensor, count=count):
            count[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            net.train()(waveforms, mask)
        saved.append(count[0])
    assert saved[1] < 0.5 * saved[0]


def _steps(net, inputs, mask):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    losses = []
    for step in range(3):
        torch.manual_seed(step)
        states, valid = net.train()(inputs, mask)
        valid = valid if states.ndim == 3 else valid[:, None]
        loss = (states * valid[..., None]).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, net.state_dict()


def _assert_same(one, other):
    assert one[0] == pytest.approx(other[0], rel=1e-6)
    assert one[1].keys() == other[1].keys()
    for name in one[1]:
        torch.testing.assert_close(one[1][name], other[1][name])
