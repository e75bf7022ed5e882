"""Encoders that a recipe lets train: checked before any work, made from those that were loaded, given their rates."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from emospeech.config import Recipe
from emospeech.encoders.finetuning.modes import Mode, mode
from emospeech.encoders.finetuning.tuning import rates, sound, tune, words
from emospeech.models.classifier import EmotionNetwork
from emospeech.runtime.errors import UserError, gather
from emospeech.systems.fitting.plan import Group

Settings = Any  # the section `speech.train` or `text.train`


def settings_of(recipe: Recipe, modality: str) -> Settings:
    return getattr(recipe, modality).train


def frozen(recipe: Recipe, loaded: Mapping[str, Any]) -> dict[str, Any]:
    """Of the pre-trained parts, those that do not train."""
    return {name: part for name, part in loaded.items() if _mode(recipe, name) is None}


def _mode(recipe: Recipe, modality: str) -> Mode | None:
    wanted = settings_of(recipe, modality)
    return mode(wanted.name, wanted.options)


def check(recipe: Recipe, loaded: Mapping[str, Any]) -> None:
    """Whether what is to train is there.

    Raises:
        UserError: with every fault.
    """
    gather("the recipe", [partial(_check, recipe, name, part) for name, part in loaded.items()])


def _check(recipe: Recipe, modality: str, part: Any) -> None:
    wanted, encoder = _mode(recipe, modality), _encoder(part)
    if wanted is None:
        return
    try:
        wanted.check(encoder)
        if settings_of(recipe, modality).layer_decay < 1 and not encoder.blocks:
            raise UserError("layer_decay: its transformer blocks are not found; leave layer_decay out")
    except UserError as error:
        raise UserError(f"{modality}.train: {getattr(recipe, modality).encoder}: {error}") from None


def prepared(recipe: Recipe, modality: str, part: Any) -> Any:
    """A pre-trained part as a fit takes it: as it is, or where it trains a copy, ready to.

    The part that was loaded stays what it was, for the next fit. Draws adapters from torch's generator.
    """
    wanted = None if part is None else _mode(recipe, modality)
    if wanted is None:
        return part
    settings, encoder = settings_of(recipe, modality), copy.deepcopy(_encoder(part))
    if modality == "speech":
        tune(encoder, wanted, sound(encoder), settings.spec_augment, settings.layerdrop)
        return encoder
    tune(encoder, wanted, words())
    return replace(part, encoder=encoder)


def _encoder(part: Any) -> Any:
    return getattr(part, "encoder", part)


def groups(recipe: Recipe, network: EmotionNetwork) -> list[Group]:
    """All that trains: head and encoders from scratch first, then a group for each rate of a pre-trained encoder."""
    slow: list[Group] = []
    for modality, encoder in _tuned(network).items():
        settings = settings_of(recipe, modality)
        rate = recipe.train.optimizer.lr if settings.lr is None else settings.lr
        slow += [{"params": each, "lr": lr} for lr, each in rates(encoder, rate, settings.layer_decay).items()]
    known = {id(parameter) for group in slow for parameter in group["params"]}
    rest = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    return [{"params": rest}, *slow]


def _tuned(network: EmotionNetwork) -> dict[str, Any]:
    encoders = {"speech": network.speech, "text": network.text}
    return {name: encoder for name, encoder in encoders.items() if hasattr(encoder, "tuned")}


def told(recipe: Recipe, network: EmotionNetwork) -> str:
    """How much of which encoder trains, for the line that begins a fit; empty: of none."""
    lines = []
    for modality, encoder in _tuned(network).items():
        sizes = [p.numel() for p in encoder.parameters()]
        trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
        lines.append(f"{modality} {settings_of(recipe, modality).name} {trained:,} of {sum(sizes):,}")
    return "; ".join(lines)
