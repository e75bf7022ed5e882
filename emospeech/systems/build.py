"""From a recipe to a System, and from a run folder back to one: here the recipe's words meet the code behind them."""

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from emospeech import config
from emospeech.config import Recipe
from emospeech.corpora import CORPORA
from emospeech.data.augment import EFFECTS, sounds_in
from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.runtime.errors import UserError
from emospeech.systems.base import System
from emospeech.systems.neural import NeuralSystem
from emospeech.systems.parts import layers_fault, speech_fault, speech_options_fault, text_fault, text_options_fault
from emospeech.systems.saved import check_encoder, read_model
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES
from emospeech.training.schedules import SCHEDULES

Check = Callable[[Any, Mapping[str, Any]], str | None]


def one_of(kind: str, known: Iterable[str]) -> Check:
    """A check for a name, or a list of names."""
    names = list(known)

    def check(value: Any, _: Mapping[str, Any]) -> str | None:
        wrong = [one for one in (value if isinstance(value, list) else [value]) if one not in names]
        return f"unknown {kind} {', '.join(map(repr, wrong))}; known: {', '.join(names)}" if wrong else None

    return check


def folder_fault(name: str, _: Mapping[str, Any]) -> str | None:
    return None if Path(name).expanduser().is_dir() else f"no folder {name!r}"


def root_fault(name: str, data: Mapping[str, Any]) -> str | None:
    corpus = CORPORA.get(data.get("corpus", ""))
    fault = None if corpus and corpus.makes_itself else folder_fault(name, data)
    return f"{fault}; give the corpus's folder as data.root=…" if fault else None


def sounds_fault(folder: str | None, _: Mapping[str, Any]) -> str | None:
    try:
        if folder is not None:
            sounds_in(folder)
    except UserError as error:
        return str(error)
    return None


def trackers_fault(names: Sequence[str], _: Mapping[str, Any]) -> str | None:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} is not installed; pip install 'emospeech[{absent[0]}]'" if absent else None


CHECKS: config.Checks = {
    "corpus": one_of("corpus", CORPORA),
    "root": root_fault,
    "speech encoder": speech_fault,
    "speech options": speech_options_fault,
    "layers": layers_fault,
    "text encoder": text_fault,
    "text options": text_options_fault,
    "sounds": sounds_fault,
    "trackers": trackers_fault,
    "augment effects": one_of("effect", EFFECTS),
    "fusion": one_of("fusion", FUSIONS),
    "mixer": one_of("mixer", MIXERS),
    "pooling": one_of("pooling", POOLINGS),
    "loss": one_of("loss", LOSSES),
    "class weights": one_of("class weights", CLASS_WEIGHTS),
    "schedule": one_of("schedule", SCHEDULES),
}


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe, every word of it checked before any work.

    Raises:
        UserError: with every fault.
    """
    return config.load(path, overrides, CHECKS)


def build(recipe: Recipe, tasks: Mapping[str, Sequence[str]]) -> System:
    """The system that a recipe names, unfitted."""
    return NeuralSystem(recipe, tasks)


def load(folder: Path) -> System:
    """The fitted system of a run folder, or of a model folder.

    Raises:
        UserError: if there is none, or it is damaged.
    """
    if not folder.is_dir():
        raise UserError(f"no run folder {folder}")
    inside = folder / "model"
    path = inside if inside.is_dir() or not (folder / "config.json").exists() else folder
    saved = read_model(path)
    revisions = {name: entry["revision"] for name, entry in saved.encoders.items()}
    system = NeuralSystem(saved.recipe, saved.tasks, revisions)
    for name, entry in saved.encoders.items():
        check_encoder(name, entry, system.pretrained(name), path)
    system.assemble(saved.tokenizer)
    try:
        system.ready().load_trained_state(saved.weights)
    except ValueError as error:
        raise UserError(f"the weights in {path} are of another model: {error}") from None
    return system
