"""Checks of how a recipe trains."""

import importlib.util
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from emospeech.config import Loss, Optimizer, Train
from emospeech.systems.checks.words import choice, tried
from emospeech.systems.fitting.plan import OPTIMIZERS, build_optimizer
from emospeech.systems.parts import from_scratch
from emospeech.training.losses import LOSSES
from emospeech.training.switches import compiler_fault


def trackers_fault(names: Sequence[str], _: Mapping[str, Any]) -> str | None:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} is not installed; pip install 'emospeech[{absent[0]}]'" if absent else None


def optimizer_fault(value: Optimizer, _: Mapping[str, Any]) -> str | None:
    """Tried on one parameter: torch checks names and ranges itself."""
    if value.name not in OPTIMIZERS:
        return f"unknown optimizer {value.name!r}; known: {', '.join(OPTIMIZERS)}"
    parameters = list(inspect.signature(OPTIMIZERS[value.name]).parameters.values())[1:]  # the first: what is trained
    known = {p.name: p.default for p in parameters if p.name not in ("lr", "weight_decay")}
    unknown = [name for name in value.options if name not in known]
    if unknown:
        return f"{value.name}: unknown option {', '.join(unknown)}; known: lr, weight_decay, {', '.join(known)}"
    for name, given in value.options.items():
        if not _alike(given, known[name]):
            return f"{value.name}: {name}: should be like its default {known[name]!r}, got {given!r}"
    return tried(value.name, build_optimizer, [value, [torch.nn.Parameter(torch.zeros(1))]], {})


def _alike(given: Any, default: Any) -> bool:
    """Whether an option is of its default's kind: a flag, a number, or so many numbers."""
    if isinstance(default, bool) or isinstance(given, bool):
        return isinstance(given, bool) and isinstance(default, bool | None)
    if isinstance(default, tuple):
        return isinstance(given, list) and len(given) == len(default) and all(map(_alike, given, default))
    return isinstance(given, int | float) or (given is None and default is None)


def loss_fault(value: Loss, section: Mapping[str, Any]) -> str | None:
    fault = choice("loss", LOSSES, [[1.0, 1.0], [3, 1]])(value, section)
    if fault:
        return fault
    if LOSSES[value.name].corrects_counts and value.class_weights.name != "none":
        return (
            f"{value.name} corrects for rare classes itself, and class_weights {value.class_weights.name} would do so "
            "a second time; give class_weights: none with it (train.loss.class_weights=none)"
        )
    return None


def precision_fault(name: str, _: Mapping[str, Any]) -> str | None:
    if name == "fp16" and not torch.cuda.is_available():
        return "fp16 needs a GPU, and none is here; give fp32, or bf16"
    return None


def compile_fault(wanted: bool, _: Mapping[str, Any]) -> str | None:
    return compiler_fault() if wanted else None


def train_fault(train: Train, recipe: Mapping[str, Any]) -> str | None:
    """What the other sections leave no place for."""
    return _never_trained(train) if recipe.get("system") == "classical" else _mixup_fault(train, recipe)


def _never_trained(train: Train) -> str | None:
    """What only a network has; a classical system is fitted to each training row once."""
    asked = {
        f"sampler: {train.sampler.name}": train.sampler.name != "none",
        "balanced_stage": train.balanced_stage is not None,
        "mixup": train.mixup is not None,
        "gradient_checkpointing": train.gradient_checkpointing,
    }
    given = ", ".join(name for name, wanted in asked.items() if wanted)
    return f"{given}: for networks alone, and this system is classical; leave it out" if given else None


def _mixup_fault(train: Train, recipe: Mapping[str, Any]) -> str | None:
    """Mixup of what cannot be mixed."""
    if train.mixup is None:
        return None
    speech, mixes = recipe.get("speech"), "mixup: it mixes waveforms and their labels"
    if recipe.get("text") is not None:
        return f"{mixes}, and a transcript cannot be mixed; give text: null, or take it back (train.mixup=null)"
    frozen = speech is not None and not from_scratch(speech) and speech.train.name == "frozen"
    if frozen and recipe.get("cache") is not None:
        return f"{mixes}, and the states of frozen speech are stored of single clips; give cache: null"
    return None
