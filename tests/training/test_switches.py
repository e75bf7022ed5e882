"""Switches of a whole fit: on inside, as before after, and the same numbers."""

import os
from contextlib import suppress

import pytest
import torch

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
