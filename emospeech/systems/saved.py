"""The model folder: config.json with labels, recipe and encoder revisions; model.safetensors; tokenizer/."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from emospeech import __version__
from emospeech.config import Recipe, validate
from emospeech.encoders import checkpoint
from emospeech.models.classifier import EmotionNetwork
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import replacing_folder, write_json, write_text
from emospeech.systems import portable
from emospeech.systems.base import MAIN_TASK

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer"
FORMAT = 2  # of the folder


@dataclass(frozen=True)
class Saved:
    """What the config.json of any system's model folder tells."""

    recipe: Recipe  # pre-trained encoders named as they were found in training
    tasks: Mapping[str, Sequence[str]]
    encoders: Mapping[str, Mapping[str, str | None]]  # by modality, pre-trained ones only: name, revision, sha256


@dataclass(frozen=True)
class SavedModel(Saved):
    """What the model folder of a network holds."""

    weights: Mapping[str, Tensor]
    tokenizer: Path


def save_model(
    folder: Path,
    recipe: Recipe,
    tasks: Mapping[str, Sequence[str]],
    network: EmotionNetwork,
    models: Mapping[str, Any],
    tokenizer: Any,
) -> None:
    """Write the folder, whole or not at all; pre-trained encoders are named, and what trained of them is copied.

    Args:
        models: by modality the pre-trained ones, as they were loaded.
    """
    encoders = {
        name: checkpoint.identity(part.encoder, models[name]) if part and name in models else None
        for name, part in (("speech", recipe.speech), ("text", recipe.text))
    }
    with replacing_folder(folder) as temporary:
        begun = {"started_from": getattr(network.speech, "started_from", None)}  # told, and needed no more
        write_json(temporary / CONFIG, described(recipe, tasks, encoders) | begun)
        weights = {key: value.contiguous().cpu() for key, value in network.trained_state().items()}
        (temporary / WEIGHTS).write_bytes(to_bytes(weights, metadata={"format": "pt"}))
        if tokenizer is not None:
            tokenizer.tokenizer.save_pretrained(temporary / TOKENIZER)


def described(recipe: Recipe, tasks: Mapping[str, Sequence[str]], encoders: Mapping[str, Any]) -> dict[str, Any]:
    """The content of config.json."""
    return {
        "format": FORMAT,
        "emospeech": __version__,
        "tasks": {task: list(names) for task, names in tasks.items()},
        "id2label": dict(enumerate(tasks[MAIN_TASK])),
        "encoders": dict(encoders),
        "recipe": recipe.model_dump(),
    }


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    with replacing_folder(folder) as temporary:
        tokenizer.tokenizer.save_pretrained(temporary)


def read_config(folder: Path) -> Saved:
    """What `described` tells.

    Raises:
        UserError: if the folder is no model, or damaged.
    """
    require(folder, CONFIG)
    stored = _undamaged(folder, lambda: json.loads((folder / CONFIG).read_text(encoding="utf-8")))
    told = stored.get("format") if isinstance(stored, dict) else None
    if told not in (FORMAT, portable.FORMAT):
        raise UserError(
            f"{folder / CONFIG} has format {told!r}; this version reads formats {FORMAT} and {portable.FORMAT}"
        )
    if told == FORMAT and portable.FILES in stored:
        raise UserError(
            f"{folder / CONFIG} is damaged: it has {portable.FILES!r}, as exported models have, which are of format "
            f"{portable.FORMAT}, and not {FORMAT}"
        )
    try:
        return _saved(portable.opened(folder, stored) if told == portable.FORMAT else stored, folder)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder / CONFIG} is damaged: {error!r}") from None


def _saved(stored: Mapping[str, Any], folder: Path) -> Saved:
    encoders = {name: entry for name, entry in stored["encoders"].items() if entry}
    for name, entry in encoders.items():
        if name in stored["recipe"]:
            stored["recipe"][name]["encoder"] = entry["name"]
    recipe = validate(stored["recipe"], f"the recipe in {folder / CONFIG}")
    tasks = {task: tuple(names) for task, names in stored["tasks"].items()}
    return Saved(recipe, {MAIN_TASK: tasks.pop(MAIN_TASK), **tasks}, encoders)


def tokenizer_of(folder: Path) -> Path:
    """Where a model folder has its tokenizer: in a folder of its own, or beside all else, as the Hub has it."""
    return folder / TOKENIZER if (folder / TOKENIZER).is_dir() else folder


def read_model(folder: Path, saved: Saved) -> SavedModel:
    """The inverse of `save_model`, encoders not yet loaded.

    Raises:
        UserError: if weights are missing, or damaged.
    """
    require(folder, WEIGHTS)
    weights = _undamaged(folder, lambda: load_file(folder / WEIGHTS))
    return SavedModel(saved.recipe, saved.tasks, saved.encoders, weights, tokenizer_of(folder))


def require(folder: Path, name: str) -> None:
    """
    Raises:
        UserError: if a model folder lacks a file.
    """
    if not (folder / name).is_file():
        raise UserError(f"{folder} holds no trained model: no {name} in it. Has its training finished?")


def _undamaged(folder: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except Exception as error:  # JSON's and safetensors' own errors
        raise UserError(f"the model in {folder} is damaged: {error}") from None


def check_encoder(modality: str, entry: Mapping[str, str | None], model: Any, folder: Path) -> None:
    """
    Raises:
        UserError: if a local checkpoint is no longer the one that the model was trained on.
    """
    if entry["sha256"] not in (None, checkpoint.identity(str(entry["name"]), model)["sha256"]):
        raise UserError(
            f"the {modality} encoder in {entry['name']} has changed since {folder} was trained on it; "
            "put the original checkpoint back, or train again"
        )


def write_metrics(history: Sequence[Mapping[str, float]], path: Path) -> None:
    """All validations so far; written anew each time, so that a resumed run has no line twice."""
    write_text(path, "".join(json.dumps(dict(entry)) + "\n" for entry in history))
