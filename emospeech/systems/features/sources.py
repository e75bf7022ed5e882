"""What a store keeps for a recipe: the keys of each row's states, and how missing ones are computed."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from emospeech.config import Augment, Cache, Speech, Text
from emospeech.data import audio
from emospeech.data.examples.augment import EFFECTS, SOUND_FILES, Augmenter
from emospeech.encoders import checkpoint
from emospeech.encoders.store import keys
from emospeech.encoders.store.reader import Item
from emospeech.systems.features.clips import Clips

Rows = list[tuple[str, ...] | None]  # by row of a manifest: its keys, the clip's and its views'; None: it has none
Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class SpeechSource:
    """Clips, and their augmented views, as the speech encoder hears them.

    Args:
        encoder: frozen.
        wanted: the recipe's `speech`.
        load: gives the waveform of a path, at the level that the recipe names.
        augmenter: makes the views; None: there are none.
        may_lack: a row without audio has no speech; else it is a second of silence.
    """

    kind, unit = "speech", "s of sound"
    pad_value = 0.0

    def __init__(
        self,
        encoder: Any,
        wanted: Speech,
        load: Callable[[str], np.ndarray],
        augmenter: Augmenter | None,
        may_lack: bool,
    ) -> None:
        self.encoder, self.load, self.augmenter, self.may_lack = encoder, load, augmenter, may_lack
        self.name = wanted.encoder
        self.level = wanted.gain_dbfs
        self.effects = effects_of(wanted.augment) if wanted.augment else {}
        self.layers, self.width = encoder.depth, encoder.width
        self.reading: dict[str, Any] = {"layers": wanted.layers}
        if hasattr(encoder, "windows"):  # how longer recordings are heard
            self.reading["window"] = encoder.windows.size
        self.clips = Clips()
        self.made_of: dict[str, tuple[str | None, int]] = {}  # key -> path and view

    def keys(self, manifest: pd.DataFrame, views: int = 1) -> Rows:
        return [self._of_row(path, views) for path in self.clips.note(manifest)]

    def _of_row(self, path: str | None, views: int) -> tuple[str, ...] | None:
        if path is None and self.may_lack:
            return None
        clip = self.clips.key(path)
        if path is not None and self.level is not None:
            clip = keys.at_level(clip, self.level)
        found = tuple(keys.of_view(clip, self.effects, view) for view in range(views))
        self.made_of |= {key: (path, view) for view, key in enumerate(found)}
        return found

    def item(self, key: str) -> Item:
        path, view = self.made_of[key]
        return Item(key, self.clips.length(path), partial(self._input, path, view, key))

    def _input(self, path: str | None, view: int, key: str) -> Tensor:
        waveform = audio.load_or_silence(path, self.load)
        if view and self.augmenter is not None:
            # by content and view alone: every seed, fold and ablation hears the same views
            waveform = self.augmenter.altered(waveform, None, np.random.default_rng(int(key[:16], 16)))
        return torch.as_tensor(self.encoder.preprocess(waveform))

    def states(self, item: Item) -> int:
        """How many states an item has, before any stride."""
        return int(self.encoder.frames(round(item.length * audio.SAMPLE_RATE)))

    def encode(self, weights: Tensor | None = None) -> Encode:
        """What computes states (B, layers, frames, width); with weights (layers,), their sum (B, 1, frames, width)."""
        if weights is None:
            return self.encoder

        def summed(inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            states, valid = self.encoder(inputs, mask)
            return torch.einsum("l,bltd->btd", weights.to(states.device), states.float())[:, None], valid

        return summed

    def stride(self, cache: Cache) -> int:
        return cache.frame_stride

    def budget(self, device: torch.device) -> float:
        return speech_budget(device)

    def identity(self) -> Mapping[str, str | None]:
        """Which weights the encoder has."""
        return checkpoint.identity(self.name, self.encoder.model)


class TextSource:
    """Transcripts as the text encoder reads them."""

    kind, unit = "text", "tokens"

    def __init__(self, encoder: Any, tokenizer: Any, wanted: Text, may_lack: bool) -> None:
        self.encoder, self.tokenizer, self.may_lack = encoder, tokenizer, may_lack
        self.name = wanted.encoder
        self.layers, self.width = 1, encoder.width
        self.pad_value = float(tokenizer.pad_id)
        self.reading = {"level": wanted.level, "window": tokenizer.max_tokens}
        self.tokens: dict[str, Sequence[int]] = {}
        self.of_text: dict[str, str] = {}  # transcript -> key

    def keys(self, manifest: pd.DataFrame, views: int = 1) -> Rows:
        return [self._of_row(text) for text in manifest["transcription"]]

    def _of_row(self, text: Any) -> tuple[str, ...] | None:
        if pd.isna(text) and self.may_lack:
            return None
        if text not in self.of_text:
            ids = self.tokenizer(str(text))
            self.of_text[text] = keys.of_tokens(ids)
            self.tokens[self.of_text[text]] = ids
        return (self.of_text[text],)

    def item(self, key: str) -> Item:
        ids = self.tokens[key]
        return Item(key, len(ids), lambda: torch.as_tensor(ids, dtype=torch.long))

    def states(self, item: Item) -> int:
        """How many states an item has."""
        return int(self.encoder.states(int(item.length)))

    def encode(self, weights: Tensor | None = None) -> Encode:
        """What computes states (B, 1, tokens, width)."""

        def one_layer(inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
            states, valid = self.encoder(inputs, mask)
            return states[:, None], valid

        return one_layer

    def stride(self, cache: Cache) -> int:
        return 1

    def budget(self, device: torch.device) -> float:
        return text_budget(device)

    def identity(self) -> Mapping[str, str | None]:
        """Which weights the encoder has."""
        return checkpoint.identity(self.name, self.encoder.model)


Source = SpeechSource | TextSource


def speech_budget(device: torch.device) -> float:
    """Seconds heard at once, padding included: one clip at a time is fastest on a CPU."""
    return 0.0 if device.type == "cpu" else 240.0


def text_budget(device: torch.device) -> float:
    """Tokens read at once, padding included: on a CPU too, texts share the reading of the weights."""
    return 512.0 if device.type == "cpu" else 16_384.0


def effects_of(wanted: Augment) -> Mapping[str, Any]:
    """All that decides what augmentation does to a clip; how often it does so is drawn in training."""
    if wanted.plain:
        plain = wanted.model_dump(exclude={"apply", "effects", "probability"})
        plain |= {key: _recorded(plain[key]) for key in ("impulse_folder", "noise_folder")}
        return {"effects": [effect.name for effect in wanted.effects], **plain}
    effects = [[effect.name, _options(effect.name, wanted.options(effect))] for effect in wanted.effects]
    shares = wanted.probabilities if wanted.apply == "each" else None  # they decide which effects meet
    return {"apply": wanted.apply, "effects": effects, "probabilities": shares}


def _options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All of an effect's, defaults too, which another version may change."""
    known = inspect.signature(EFFECTS[name]).parameters
    options = {option: given.get(option, parameter.default) for option, parameter in known.items()}
    return {option: _recorded(value) if option == "folder" else value for option, value in options.items()}


def _recorded(folder: str | None) -> list[list[Any]] | None:
    return recordings(Path(folder).expanduser()) if folder else None


def recordings(folder: Path) -> list[list[Any]]:
    """Names and sizes of the sounds below a folder; collections of noise are too large to be read for this."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SOUND_FILES]
    return sorted([path.relative_to(folder).as_posix(), path.stat().st_size] for path in found)
