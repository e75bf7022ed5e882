"""What of a recipe may leave the machine: no path of it, and nobody's name."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from emospeech.systems.portable import INSIDE

ELSEWHERE = "not_exported"  # stands where a path of the machine stood
PATHS = ("root", "groups", "file", "train_file", "dev_file", "folder", "impulse_folder", "noise_folder")
PEOPLE = ("dev_speakers", "test_speakers")
DEFAULTS: Mapping[str, Any] = {"runs_dir": "runs"}
KEPT = ("label_map", "labels")  # their keys and values are words for classes
LOCAL = re.compile(r"[/~\\]|\.{1,2}([/\\]|$)|[A-Za-z]:[/\\]|\w+://")
WHISPER = re.compile(r"(tiny|base|small|medium|large|turbo)(\.en|-v\d|-v\d-turbo)?")  # sizes that OpenAI has published
SUFFIX = re.compile(r"\.(pt|pth|bin|safetensors|ckpt|csv|wav|json|ya?ml)$")


def recipe(plain: Mapping[str, Any], on_hub: Callable[[str], bool] | None = None) -> dict[str, Any]:
    """A recipe as plain values, without paths, speakers' names, or keys that were to be tuned.

    Args:
        on_hub: whether owner/name was loaded from the Hub; if not, it is a folder, which may be seen from elsewhere
            alone. None: nobody knows, and it goes only where there is such a folder.

    >>> recipe({"runs_dir": "/home/me/runs", "data": {"root": "/data/secret", "split": {"dev_speakers": ["Ana"]}}})
    {'runs_dir': 'runs', 'data': {'root': 'not_exported', 'split': {'dev_speakers': []}}}
    """
    found = {key: DEFAULTS.get(key, _scrubbed(key, value, on_hub or _not_here)) for key, value in plain.items()}
    if found.get("tune") is not None:
        found["tune"] = None
    if found.get("cache"):
        found["cache"] = {**found["cache"], "folder": None}  # elsewhere it is that machine's own
    whisper = (found.get("text") or {}).get("whisper") or {}
    if (model := whisper.get("model")) and "/" not in model and not WHISPER.fullmatch(model):
        whisper["model"] = ELSEWHERE  # a folder's name, without a slash
    return found


def _not_here(name: str) -> bool:
    return not Path(name).exists()


def _scrubbed(key: str, value: Any, on_hub: Callable[[str], bool]) -> Any:
    if key in KEPT:
        return value
    if key in PEOPLE:
        return []
    if isinstance(value, dict):
        return {one: _scrubbed(one, inner, on_hub) for one, inner in value.items()}
    if isinstance(value, list):
        return [_scrubbed(key, one, on_hub) for one in value]
    if isinstance(value, str) and (key in PATHS or is_local(value, on_hub)):
        return ELSEWHERE
    return value


def is_local(value: str, on_hub: Callable[[str], bool] = _not_here) -> bool:
    """Whether a word of a recipe is a place on some machine; `./` is within an exported folder.

    >>> [is_local(one) for one in ("/data/x", "~/x", "../x", "models/a.pt", "large-v3", "facebook/hubert-base")]
    [True, True, True, True, False, False]
    """
    if value.startswith(f"{INSIDE}encoders/"):
        return False
    written_as_one = LOCAL.match(value) or SUFFIX.search(value) or value.count("/") > 1
    return bool(written_as_one) or ("/" in value and not on_hub(value))
