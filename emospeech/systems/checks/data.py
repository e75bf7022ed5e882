"""Checks of what a recipe hears: corpora, recordings, and what is done to training clips."""

from collections.abc import Mapping
from typing import Any

from emospeech.config import Choice
from emospeech.config.words import HERE
from emospeech.corpora import CORPORA
from emospeech.data.examples.augment import EFFECTS, sounds_in
from emospeech.runtime.errors import UserError
from emospeech.systems.checks.words import choice, folder_fault


def root_fault(name: str, data: Mapping[str, Any]) -> str | None:
    corpus = CORPORA.get(data.get("corpus") or "")
    fault = None if corpus and corpus.makes_itself else folder_fault(name, data)
    return f"{fault}; give the corpus's folder as {HERE}=…" if fault else None


def sounds_fault(folder: str | None, _: Mapping[str, Any]) -> str | None:
    try:
        if folder is not None:
            sounds_in(folder)
    except UserError as error:
        return str(error)
    return None


def effect_fault(value: Choice, section: Mapping[str, Any]) -> str | None:
    folder = value.options.get("folder")
    fault = sounds_fault(folder, section) if isinstance(folder, str) else None
    return f"{value.name}: {fault}" if fault else choice("effect", EFFECTS, [])(value, section)
