"""What a recipe needs from elsewhere: fetched where there is network, then loaded as on a machine without it."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from emospeech import config
from emospeech.config import Recipe, Speech, Text
from emospeech.config.sections.modalities import Whisper
from emospeech.encoders import checkpoint, hub
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.store.room import size
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.encoders.transcribe.backends import choose
from emospeech.encoders.transcribe.openai_whisper import OpenAICheckpoint
from emospeech.experiments.rows.transcripts import PROVIDED
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, gather
from emospeech.systems import tuning
from emospeech.systems.checks import CHECKS

# what a recipe names of data need not be on this machine yet
WORDS = {kind: check for kind, check in CHECKS.items() if kind not in ("root", "sounds", "augment effect")}
PICTURES = "deep_spectrum"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


@dataclass(frozen=True)
class Need:
    """Something that a recipe loads and does not make."""

    what: str  # a key of `LOADERS`
    name: str  # a Hub id, a folder or file, or a size of openai-whisper
    how: str  # what its loader takes, as JSON

    @property
    def local(self) -> Path | None:
        path = Path(self.name).expanduser()
        return path if path.exists() else None


@dataclass(frozen=True)
class Here:
    """It, on this machine."""

    need: Need
    path: Path  # its folder, or file
    revision: str | None
    note: str = ""

    @property
    def setting(self) -> str:
        """What must be set where it is to be found; empty where the recipe names its place."""
        from huggingface_hub import constants

        if self.need.local is not None:
            return ""
        return f"HF_HOME={constants.HF_HOME}" if self.revision else f"XDG_CACHE_HOME={self.path.parents[1]}"

    def line(self) -> str:
        revision = f"revision {self.revision}" if self.revision else "local" if self.need.local else "by its checksum"
        files = [self.path] if self.path.is_file() else [path for path in self.path.rglob("*") if path.is_file()]
        note = f" ({self.note})" if self.note else ""
        total = size(sum(path.stat().st_size for path in files))
        return f"{self.need.what}  {self.need.name}  {revision}  {total}  in {self.path}  loads offline{note}"


def run(path: Path, overrides: Sequence[str] = (), grid: Path | None = None) -> Iterator[str]:
    """Fetch what a recipe needs, of each row of a benchmark or grid too, and load it offline; give the lines to print.

    Raises:
        UserError: if the recipe is wrong, or with all that cannot be fetched, or does not load offline.
    """
    wanted = needs(path, overrides, grid)
    if not wanted:
        yield f"nothing to fetch: {path} trains from scratch all that it is made of"
        return
    here = gather("not everything can be had", [partial(have, need) for need in wanted])
    with without_network() as load:
        for one in here:
            say(f"loading offline: {one.need.what} {one.need.name}")
        gather("not everything loads offline", [partial(load, need) for need in wanted])
    yield from (one.line() for one in here)
    if settings := list(dict.fromkeys(one.setting for one in here if one.setting)):
        yield f"on machines without network: {' '.join(['HF_HUB_OFFLINE=1', *settings])}"


# ------------------------------------------------------------------------------------------------- what is needed


def needs(path: Path, overrides: Sequence[str] = (), grid: Path | None = None) -> list[Need]:
    """Each thing that a recipe loads, once; of a benchmark, of all its rows and probed encoders; or of a grid's rows.

    Raises:
        UserError: with every fault of the recipe.
    """
    if grid is not None:
        recipes, found = list(config.load_ablation(path, grid, overrides, WORDS).rows.values()), list[Need]()
    else:
        recipes, found = _of_recipe(path, overrides)
    for recipe in recipes:
        for one in tuning.heard(recipe):
            found += _needs(one)
    return list(dict.fromkeys(found))


def _of_recipe(path: Path, overrides: Sequence[str]) -> tuple[list[Recipe], list[Need]]:
    """The recipes behind one, and what it needs beside them."""
    recipes: list[Recipe] = []
    probed: list[Need] = []
    if config.compares(path, overrides):
        asked = config.load_benchmark(path, overrides, WORDS)
        recipes += asked.rows.values()
        if asked.benchmark.layerwise is not None:
            probed = [_speech(Speech(encoder=name)) for name in asked.benchmark.layerwise.encoders]
    try:
        alone = config.load_seeds(path, overrides, WORDS)
        recipes += [alone] if isinstance(alone, Recipe) else alone[:1]  # seeds differ in nothing else
    except UserError:  # what its rows change need not be a recipe
        if not recipes:
            raise
    return recipes, probed


def _needs(recipe: Recipe) -> Iterator[Need]:
    """Of one system."""
    features = None if recipe.system == "neural" or recipe.classical is None else recipe.classical.features
    named = ["speech", "text"] if features is None else [one.name for one in features]
    if recipe.speech is not None and "speech" in named:
        if recipe.speech.encoder not in OWN_SPEECH:
            yield _speech(recipe.speech)
        elif recipe.speech.encoder == PICTURES:
            yield from _pictures(recipe.speech.options or {})
    for one in features or []:
        if one.name == PICTURES:
            yield from _pictures({key: value for key, value in one.options.items() if key not in ("layer", "seed")})
    if recipe.text is not None and "text" in named and recipe.text.encoder not in SUBWORD_ENCODERS:
        yield Need("text encoder", recipe.text.encoder, _as_json(recipe.text, "encoder", "level", "max_tokens"))
    if recipe.text is not None and recipe.reads and recipe.text.transcripts != PROVIDED:
        yield Need("whisper", recipe.text.whisper.model, _as_json(recipe.text.whisper, "model", "backend"))


def _speech(speech: Speech) -> Need:
    return Need("speech encoder", speech.encoder, _as_json(speech, "encoder", "layers"))


def _pictures(options: Mapping[str, Any]) -> Iterator[Need]:
    if options.get("weights") is not None:
        yield Need("VGG-16 weights", options["weights"], json.dumps(options, sort_keys=True))


def _as_json(section: Any, *names: str) -> str:
    text: str = section.model_dump_json(include=set(names))
    return text


# ---------------------------------------------------------------------------------------------------- fetching it


def have(need: Need) -> Here:
    """Fetch it, where it does not lie here already.

    Raises:
        UserError: if it cannot be had.
    """
    if need.local is not None:
        return Here(need, need.local, None)
    say(f"fetching: {need.what} {need.name}")
    if need.what == "whisper":
        asked = json.loads(need.how)
        whisper = choose(asked["model"], asked["backend"])
        if isinstance(whisper, OpenAICheckpoint):
            return Here(need, whisper.fetch(), None)
    try:
        note = hub.fetch(need.name)
    except UserError as error:
        raise UserError(f"{need.what} {error}") from None
    folder = hub.cached(need.name)
    if folder is None:
        raise UserError(
            f"{need.what} {need.name}: it was fetched, but the Hub's cache does not know it; is it damaged?"
        )
    return Here(need, folder, checkpoint.commit(need.name, None), note)


# ------------------------------------------------------------------------------------------------ loading offline


def _load_speech(how: str) -> None:
    from emospeech.systems.parts import build_speech

    build_speech(Speech.model_validate_json(how))


def _load_text(how: str) -> None:
    from emospeech.systems.parts import build_text

    build_text(Text.model_validate_json(how))


def _load_whisper(how: str) -> None:
    asked = Whisper.model_validate_json(how)
    choose(asked.model, asked.backend).load("cpu")


def _load_pictures(how: str) -> None:
    from emospeech.encoders.deepspectrum.encoder import DeepSpectrum

    DeepSpectrum(**json.loads(how)).initial()


# what is needed -> how training loads it
LOADERS = {
    "speech encoder": _load_speech,
    "text encoder": _load_text,
    "VGG-16 weights": _load_pictures,
    "whisper": _load_whisper,
}


@contextmanager
def without_network() -> Iterator[Any]:
    """Gives a function that loads a need in a process that reaches no network; it raises what loading raises."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    def load(need: Need) -> None:
        try:
            pool.submit(_load, need).result()
        except UserError as error:
            raise UserError(f"{need.what} {need.name}: {error}") from None
        except BrokenProcessPool:
            raise UserError(
                f"{need.what} {need.name}: the process that loaded it died; is there memory for it?"
            ) from None

    former = {name: os.environ.get(name) for name in OFFLINE}
    os.environ.update(OFFLINE)  # the new process reads it as it starts
    try:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _cut_off) as pool:
            yield load
    finally:
        for name, value in former.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _load(need: Need) -> None:
    LOADERS[need.what](need.how)


def _cut_off() -> None:
    """From now on this process reaches no other machine."""
    import sys

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.getaddrinfo", "socket.connect") and not isinstance(arguments[-1], str):
            raise OSError("it wants the network, though all of it should be on this machine")

    sys.addaudithook(refuse)
