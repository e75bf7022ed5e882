"""The model folder that can leave the machine: whole in itself or by ids of the Hub, its files known by their content.

It is the model folder of `saved` under another number. Encoders that lie in it are named `./encoders/<name>`, and
`files` in its config.json has the SHA-256 of each file that is read, and `sha256` that of all else config.json says.
Against damage and mistakes: whoever changes a folder on purpose can write new ones.
"""

import hashlib
import json
import logging
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from emospeech.encoders.checkpoint import HUB_ID
from emospeech.runtime.errors import UserError, faults_of
from emospeech.runtime.files import content_hash
from emospeech.systems.base import MAIN_TASK

FORMAT = 3  # of the folder
MODEL_TYPE = "emospeech"  # what its config.json calls itself
INSIDE = "./"  # begins the names of what lies in it
FILES = "files"
CALIBRATION = "calibration"
OWN = "sha256"  # of config.json itself, this key aside
VERSION = "version"
SHA256 = re.compile(r"[0-9a-f]{64}")
UNTOLD = ("README.md", "config.json")  # files that `files` does not name: one may be edited, the other tells of all
READ = (".json", ".safetensors", ".skops", ".model", ".bin", ".pt", ".jinja")  # what loaders look for, told or not
WORDS = ("vocab.txt", "merges.txt")  # of tokenizers
ONNX = "onnx"  # not read on load


def inside(name: str) -> bool:
    """Whether a name is a relative path that stays within its folder.

    >>> [inside(name) for name in ("encoders/speech/config.json", "../x", "/etc/passwd", "a/../../x", "")]
    [True, False, False, False, False]
    """
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def listed(stored: Mapping[str, Any], where: object) -> Mapping[str, str]:
    """The files that a folder says it has, and their SHA-256.

    Raises:
        UserError: if that is no such list, or names what is outside the folder.
    """
    files = stored.get(FILES)
    sound = isinstance(files, dict) and all(
        inside(name) and isinstance(sha, str) and SHA256.fullmatch(sha) for name, sha in files.items()
    )
    if not sound or not files:
        raise UserError(f"{where} is damaged: its {FILES!r} should map names of files in the folder to their SHA-256")
    return files


def opened(folder: Path, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The content of config.json as `saved` reads it: names of what lies in the folder made whole paths.

    Raises:
        UserError: if a file is missing or another than it was, or an encoder is named by a path of some machine.
    """
    config = folder / "config.json"
    files = listed(stored, config)
    found = [fault for name, sha in files.items() if (fault := _fault(folder / name, name, sha))]
    found += [f"{name} is no file that was exported: {FILES!r} does not name it" for name in _strays(folder, files)]
    if found:
        raise faults_of(f"the model in {folder} is damaged or not whole", found)
    encoders = stored.get("encoders")
    if not isinstance(encoders, dict):
        raise UserError(f"{config} is damaged: it has no encoders")
    if fault := _disagreement(stored):
        raise UserError(f"{config} is damaged: {fault}")
    resolved = {}
    for kind, entry in encoders.items():
        if entry and not _nameable(entry["name"]):
            raise UserError(f"{config}: the {kind} encoder {entry['name']!r} is neither in the folder nor a Hub id")
        resolved[_resolved(folder, kind)] = entry and {**entry, "name": _resolved(folder, entry["name"])}
    recipe = json.loads(json.dumps(stored["recipe"]), object_hook=lambda one: _resolved_values(folder, one))
    return {**stored, "encoders": resolved, "recipe": recipe}


def _fault(path: Path, name: str, sha256: str) -> str | None:
    if not path.is_file():
        return f"{name} is missing"
    if content_hash(path) != sha256:
        return f"{name} is not the file that was exported: its SHA-256 differs"
    return None


def _strays(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Files that a loader would read, but that nobody has exported."""
    found = []
    for path in folder.rglob("*"):
        within = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in within.parts)
        if hidden or within.parts[0] == ONNX or within.as_posix() in (*UNTOLD, *files):
            continue
        if (path.suffix in READ or path.name in WORDS) and path.is_file():
            found.append(within.as_posix())
    return sorted(found)


def _disagreement(stored: Mapping[str, Any]) -> str | None:
    """What of config.json does not fit the rest of it; None: it is as it was written."""
    labels = stored["tasks"][MAIN_TASK]
    by_number = {str(number): label for number, label in enumerate(labels)}
    by_label = {label: number for number, label in enumerate(labels)}
    if stored.get("id2label") != by_number or stored.get("label2id") != by_label:
        return f"its 'tasks', 'id2label' and 'label2id' do not name the same labels in the same order: {labels}"
    if stored.get(CALIBRATION) is not None and (fault := _not_calibration(stored[CALIBRATION])):
        return fault
    if stored.get(OWN) != own_hash(stored):
        return f"it is not as it was exported: its {OWN!r} differs"
    return None


def own_hash(config: Mapping[str, Any]) -> str:
    """SHA-256 of what a config.json says, the hash itself aside; order and layout of the file do not count."""
    plain = json.loads(json.dumps({key: value for key, value in config.items() if key != OWN}))
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def version_of(folder: Path) -> str:
    """A hash of what decides the answers of a model folder: weights, tokenizer, labels, encoders. An exported one
    brings that of its run.

    Raises:
        OSError, ValueError: if there is no config.json that can be read.
    """
    stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if isinstance(told := stored.get(VERSION), str):
        return told
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    files = {name: content_hash(path) for name, path in names.items() if path.suffix in READ or path.name in WORDS}
    encoders = [
        [kind.split(" ")[0], entry["revision"] or entry["sha256"] or entry["name"]]
        for kind, entry in stored["encoders"].items()
        if entry
    ]
    own = {name: sha for name, sha in files.items() if name not in UNTOLD and not name.startswith(f"{ONNX}/")}
    deciding = {"files": own, "tasks": stored["tasks"], "encoders": sorted(encoders)}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _nameable(name: str) -> bool:
    return inside(name) if name.startswith(INSIDE) else bool(HUB_ID.fullmatch(name))


def _resolved(folder: Path, name: str) -> str:
    """`./encoders/text` as a path, also behind the name of a feature that it is of; all else as it is."""
    before, space, last = name.rpartition(" ")
    if not last.startswith(INSIDE) or not inside(last):
        return name
    return f"{before}{space}{(folder / last).resolve()}"


def _resolved_values(folder: Path, section: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _resolved(folder, value) if isinstance(value, str) and value.startswith(INSIDE) else value
        for key, value in section.items()
    }


@contextmanager
def unwarned() -> Iterator[None]:
    """Within it, transformers does not say that our config.json, beside a tokenizer, is of no model that it knows."""
    logger = logging.getLogger("transformers.configuration_utils")
    former, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = former


def calibration_of(config: Path) -> tuple[float, str] | None:
    """The temperature that a model folder brings, and whose predictions it fits; None where it brings none, or is no
    such folder.

    Raises:
        UserError: if what it brings is none.
    """
    try:
        stored = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    calibration = stored.get(CALIBRATION) if isinstance(stored, dict) else None
    if calibration is None:
        return None
    if fault := _not_calibration(calibration):
        raise UserError(f"{config} is damaged: {fault}")
    return float(calibration["temperature"]), calibration["fitted_to"]


def _not_calibration(told: Any) -> str | None:
    """Why this is no temperature with whose predictions it fits; None where it is one."""
    value = told.get("temperature") if isinstance(told, dict) else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        return f"its {CALIBRATION!r} should have a temperature above 0, got {value!r}"
    if not isinstance(told.get("fitted_to"), str):
        return f"its {CALIBRATION!r} should say under 'fitted_to' what the temperature fits"
    return None
