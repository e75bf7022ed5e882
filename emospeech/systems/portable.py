"""The model folder that can leave the machine: whole in itself or by ids of the Hub, its files known by their content.

It is the model folder of `saved` under another number. Encoders that lie in it are named `./encoders/<name>`, and
`files` in its config.json has the SHA-256 of each file that is read.
"""

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

FORMAT = 3  # of the folder
MODEL_TYPE = "emospeech"  # what its config.json calls itself
INSIDE = "./"  # begins the names of what lies in it
FILES = "files"
CALIBRATION = "calibration"
SHA256 = re.compile(r"[0-9a-f]{64}")


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
    found = [fault for name, sha in listed(stored, config).items() if (fault := _fault(folder / name, name, sha))]
    if found:
        raise faults_of(f"the model in {folder} is damaged or not whole", found)
    encoders = stored.get("encoders")
    if not isinstance(encoders, dict):
        raise UserError(f"{config} is damaged: it has no encoders")
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
