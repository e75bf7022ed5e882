"""Whether networks can be averaged: the same parts, which give the same numbers the same meaning."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emospeech.config import Recipe
from emospeech.runtime.errors import UserError, faults, some
from emospeech.runtime.files import content_hash, folder_hash
from emospeech.systems.saved import WEIGHTS, SavedModel, read_config, read_model
from emospeech.training.averaging import differences

# how a network is trained does not matter, what it is does
SECTIONS = ("speech", "text", "model")
FREE = ("speech.augment", "speech.crop_seconds", "speech.train", "text.train")
FREE_OPTIONS = ("dropout", "token_dropout", "time_masks", "frequency_masks")  # of any part: heard in training alone


@dataclass(frozen=True)
class Member:
    """A network that is to be averaged."""

    run: Path
    folder: Path  # of the model
    model: SavedModel

    @property
    def sha256(self) -> str:
        return content_hash(self.folder / WEIGHTS)


def read(run: Path) -> Member:
    """
    Raises:
        UserError: if there is no network, it is damaged, or its weights have no mean.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    saved = read_config(folder)
    if saved.recipe.system != "neural":
        raise UserError(
            f"{run}: system {saved.recipe.system} has no weights that could be averaged; emospeech ensemble takes it"
        )
    if adapted := [name for name in saved.encoders if _mode(saved.recipe, name) == "lora"]:
        raise UserError(
            f"{run}: {', '.join(adapted)} trained by lora: what an adapter adds is a product of two matrices, and the "
            "mean of products is not the product of means; emospeech ensemble takes it"
        )
    return Member(run, folder, read_model(folder, saved))


def _mode(recipe: Recipe, modality: str) -> str:
    return str(getattr(recipe, modality).train.name)


def require(first: Member, other: Member) -> None:
    """
    Raises:
        UserError: with all that differs.
    """
    if found := list(_different(first, other)):
        raise faults(f"{first.run} and {other.run} cannot be averaged", found)


def _different(first: Member, other: Member) -> Iterator[str]:
    one, two = first.model, other.model
    tasks = [{f"task {task}": ", ".join(labels) for task, labels in model.tasks.items()} for model in (one, two)]
    encoders = [{f"{name} encoder": _identity(it) for name, it in model.encoders.items()} for model in (one, two)]
    shapes = [_shape(model) for model in (one, two)]
    for mine, its in (tasks, encoders, shapes):
        for key in dict.fromkeys([*mine, *its]):
            if mine.get(key) != its.get(key):
                yield f"{key}: {mine.get(key, 'none')}, and {its.get(key, 'none')}"
    if (wrong := differences(one.weights, two.weights)) and shapes[0] == shapes[1]:
        yield f"weights: {some(wrong)}"
    if _vocabulary(one) != _vocabulary(two):
        yield "tokenizer: they number words differently, as they learned them of different transcripts"


def _shape(model: SavedModel) -> dict[str, Any]:
    """Dotted key -> value, of what decides what a network is."""
    recipe = model.recipe
    plain = recipe.model_dump()
    for name in model.encoders:
        plain[name]["encoder"] = "pre-trained"  # told by its identity, for its folder may have moved
    flat = dict(pair for name in SECTIONS for pair in _flat(plain[name], name))
    stride = 1 if recipe.cache is None else recipe.cache.frame_stride
    return {key: value for key, value in flat.items() if not _is_free(key)} | {"cache.frame_stride": stride}


def _is_free(key: str) -> bool:
    return key.rpartition(".")[2] in FREE_OPTIONS or any(f"{key}.".startswith(f"{free}.") for free in FREE)


def _flat(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping) or not value:
        yield where, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{where}.{key}")


def _vocabulary(model: SavedModel) -> str | None:
    return folder_hash(model.tokenizer) if model.tokenizer.is_dir() else None


def _identity(entry: Mapping[str, str | None]) -> str:
    """Of a pre-trained encoder: its content, where that was written down, else its name and revision."""
    known = entry["sha256"]
    return f"SHA-256 {known}" if known else f"{entry['name']} at revision {entry['revision']}"
