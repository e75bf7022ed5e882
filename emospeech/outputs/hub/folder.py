"""The files of an exported model folder, card and ONNX graphs aside."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emospeech import __version__
from emospeech.config import Recipe
from emospeech.encoders import checkpoint
from emospeech.outputs.hub import encoders, remote, scrub
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import as_json, content_hash, refuse_existing
from emospeech.systems import portable
from emospeech.systems.base import MAIN_TASK, System
from emospeech.systems.classical.features import FITTED
from emospeech.systems.classical.saved import ESTIMATOR
from emospeech.systems.parts import from_scratch
from emospeech.systems.saved import CONFIG, TOKENIZER, WEIGHTS
from emospeech.systems.vectors.images import KIND as DEEP_SPECTRUM

# system -> what it calls itself where a checkpoint of transformers names its class, and the file of what was trained
KINDS: Mapping[str, tuple[str, str]] = {
    "neural": ("EmotionNetwork", WEIGHTS),
    "classical": ("ClassicalSystem", ESTIMATOR),
}
TOLD = ("format", "emospeech", "tasks", "id2label", "encoders", "recipe", "started_from")  # of config.json, told anew


@dataclass(frozen=True)
class Written:
    """What was put into a folder."""

    config: Mapping[str, Any]  # the content of config.json
    notes: Sequence[str]  # what its reader should know, for a person
    learned_words: bool  # whether words of training transcripts can be read from it

    @property
    def encoders(self) -> Mapping[str, Mapping[str, Any]]:
        """By kind, those that the system uses."""
        return {kind: entry for kind, entry in self.config["encoders"].items() if entry}

    @property
    def recipe(self) -> Mapping[str, Any]:
        return self.config["recipe"]


def refuse(folder: Path, overwrite: bool) -> None:
    """Before any work: may an export go there?

    Raises:
        UserError: if something is there that was not asked to be replaced, or is no export.
    """
    if not folder.exists():
        refuse_existing(folder)  # its parent must be one that can be written
    elif not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder")
    elif any(folder.iterdir()) and not overwrite:
        raise UserError(f"{folder} exists already; name another folder, or replace it with --overwrite")
    elif any(folder.iterdir()) and not is_export(folder):
        raise UserError(f"{folder} is no exported model, so it is not replaced; remove it yourself, or name another")


def is_export(folder: Path) -> bool:
    try:
        stored = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(stored, dict) and stored.get("model_type") == portable.MODEL_TYPE


def write(folder: Path, model: Path, system: System, calibration: Mapping[str, Any] | None, whole: bool) -> Written:
    """Fill a folder from the model folder of a run.

    Args:
        system: loaded from `model`.
        calibration: temperature, and fitted_to, whose predictions it fits; None: there is none.
        whole: whether pre-trained encoders that have a Hub id are copied, too.

    Raises:
        UserError: if an encoder cannot be loaded.
    """
    stored = json.loads((model / CONFIG).read_text(encoding="utf-8"))
    architecture, trained = KINDS[system.recipe.system]
    shutil.copyfile(model / trained, folder / trained)
    told = _encoders(folder, stored["encoders"], whole)
    recipe = scrub.recipe(_renamed(stored["recipe"], stored["encoders"], told), partial(_on_hub, told))
    _beside(folder, model, system, recipe, told)
    labels = list(system.tasks[MAIN_TASK])
    config: dict[str, Any] = {
        "model_type": portable.MODEL_TYPE,
        "architectures": [architecture],
        "format": portable.FORMAT,
        "emospeech": __version__,
        "trained_by_emospeech": stored["emospeech"],
        "id2label": dict(enumerate(labels)),
        "label2id": {label: number for number, label in enumerate(labels)},
        "tasks": {task: list(names) for task, names in system.tasks.items()},
        portable.VERSION: portable.version_of(model),
        portable.CALIBRATION: calibration,
        "encoders": told,
        "recipe": recipe,
        **{key: value for key, value in stored.items() if key not in TOLD},
        portable.FILES: hashes(folder),
    }
    config[portable.OWN] = portable.own_hash(config)
    (folder / CONFIG).write_text(as_json(config), encoding="utf-8")
    return Written(config, _notes(stored["recipe"], recipe), _learned_words(system.recipe))


def hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of all that is read from a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: content_hash(path) for name, path in named.items() if name not in portable.UNTOLD}


def _encoders(folder: Path, stored: Mapping[str, Any], whole: bool) -> dict[str, Any]:
    """Those of a model folder as an exported one names them; what must lie in it is copied into it."""
    told: dict[str, Any] = {}
    for kind, entry in stored.items():
        made_by_seed = bool(entry) and entry["name"] == encoders.RANDOM
        if entry and not made_by_seed and (whole or encoders.is_local(entry)):
            copy = encoders.copied(kind, entry, folder, told)
            told[f"{kind.split(' ')[0]} {copy['name']}" if kind.startswith(DEEP_SPECTRUM) else kind] = copy
        else:
            told[kind] = entry
    return told


def _on_hub(encoders: Mapping[str, Any], name: str) -> bool:
    """Whether it was loaded from the Hub: as an encoder, or as the cache's own record says of a Whisper."""
    of_run = {entry["name"] for entry in encoders.values() if entry and entry["revision"]}
    if name in of_run or not remote.REPOSITORY.fullmatch(name):
        return name in of_run
    try:
        return not Path(name).exists() and checkpoint.commit(name, None) is not None
    except ValueError:  # of a name that the Hub does not take
        return False


def _renamed(recipe: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe in which encoders have the names under which the exported folder knows them."""
    names = {old["name"]: new["name"] for old, new in zip(before.values(), after.values(), strict=True) if old}
    found = json.loads(json.dumps(recipe))
    for kind in ("speech", "text"):
        if found.get(kind) and before.get(kind):
            found[kind]["encoder"] = after[kind]["name"]
    for one in (found.get("classical") or {}).get("features", ()):
        options = one.get("options") or one
        if options.get("weights") in names:
            options["weights"] = names[options["weights"]]
    return found


def _beside(folder: Path, model: Path, system: System, recipe: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    """Tokenizer and preprocessor where tools of the Hub look for them."""
    if (model / TOKENIZER).is_dir():
        for path in sorted((model / TOKENIZER).iterdir()):
            shutil.copyfile(path, folder / path.name)
        encoders.as_elsewhere(folder / "tokenizer_config.json")
    speech = told.get("speech")
    if speech and recipe["speech"]:
        name = speech["name"]
        where = str(folder / name) if name.startswith(portable.INSIDE) else name
        encoders.save_extractor(where, speech["revision"], folder)


def _learned_words(recipe: Recipe) -> bool:
    """A tokenizer of its own, or a table of words."""
    if recipe.classical is not None and recipe.system == "classical":
        return any(one.name in FITTED for one in recipe.classical.features)
    return recipe.text is not None and from_scratch(recipe.text)


def _notes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Sequence[str]:
    text = after.get("text") or {}
    if text.get("transcripts", "provided") != "provided" and text["whisper"]["model"] == scrub.ELSEWHERE:
        return [
            f"the Whisper model {before['text']['whisper']['model']} is of this machine, and not in its cache of the "
            "Hub, so it is not exported: elsewhere give transcripts"
        ]
    return []
