"""Vectors of frozen encoders: states pooled over time, of speech all layers from one pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from emospeech.config import Cache, Text
from emospeech.encoders import checkpoint
from emospeech.encoders.pooled import STATISTICS, pooled_speech, pooled_text
from emospeech.encoders.speech import load_speech
from emospeech.encoders.speech.layers import ALL, Layers, layer_numbers
from emospeech.encoders.speech.long import WINDOW
from emospeech.encoders.store import keys
from emospeech.encoders.store.reader import Item, Reader
from emospeech.runtime.errors import faults
from emospeech.systems.features.cache import in_bf16
from emospeech.systems.features.sources import speech_budget, text_budget
from emospeech.systems.parts import build_text
from emospeech.systems.vectors.kept import Kept, kept
from emospeech.systems.vectors.sound import Sounds

KIND = "pooled"  # of the sets in a store


def pooled_layers(
    manifest: pd.DataFrame,
    encoder: str,
    cache: Cache | None,
    revision: str | None = None,
    layers: Sequence[int] | None = None,
) -> np.ndarray:
    """Mean and standard deviation over time of hidden states, all computed in one pass and kept.

    Args:
        encoder: by Hub id or folder.
        cache: of the recipe; None: in memory alone.
        layers: as in transformers' hidden_states; None: all, 0 to n.

    Returns:
        float32 (rows, layers, 2, D), in the order of the rows.

    Raises:
        UserError: if the encoder cannot be loaded or lacks a layer, or clips cannot be heard, which it names.
    """
    source = PooledSpeech(encoder, revision, cache)
    into, found = source.have(manifest)
    count = source.count(into, found)
    numbers = layer_numbers(list(range(count + 1)) if layers is None else list(layers), count, encoder)
    rows = into.rows(found, numbers or (), len(STATISTICS))
    return rows.reshape(len(rows), -1, len(STATISTICS), source.width(into, found))


class _Frozen:
    """A frozen encoder, loaded when there is something to compute; a source of vectors, see `kept.Source`."""

    kind: str

    def __init__(self, name: str, revision: str | None, cache: Cache | None) -> None:
        self.name, self.revision, self.cache = str(Path(name).expanduser()), revision, cache
        self.what = f"{self.kind} with {name}"
        self.precise = cache or Cache()  # where nothing is kept, encoders compute as they do otherwise
        self._which: dict[str, Any] | None = None
        self._loaded: Any = None

    def _load(self) -> Any:
        raise NotImplementedError

    def _encoder(self) -> Any:
        """Of what is loaded, the encoder itself."""
        raise NotImplementedError

    def _reading(self) -> Mapping[str, Any]:
        raise NotImplementedError

    def loaded(self) -> Any:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def identity(self) -> Mapping[str, Any]:
        """Known without loading the encoder, where it is a folder or the Hub's cache tells its commit."""
        if self._which is None:
            self._which = self._found()
        bf16 = in_bf16(self.precise, own_device())
        return keys.identity(KIND, self._which, self._reading(), "fp32", 1, "bf16" if bf16 else "fp32")

    def _found(self) -> dict[str, Any]:
        folder = Path(self.name).is_dir()
        found = self.recorded()
        return {"sha256": found["sha256"]} if folder else dict(found)

    def recorded(self) -> Mapping[str, str | None]:
        """What a saved model must tell to find the same weights again: name, revision, sha256."""
        if Path(self.name).is_dir():
            return checkpoint.identity(self.name, None)
        commit = checkpoint.commit(self.name, self.revision)
        if commit is not None:
            return {"name": self.name, "revision": commit, "sha256": None}
        return checkpoint.identity(self.name, self._encoder().model)

    def about(self) -> Mapping[str, Any]:
        """Of the loaded encoder."""
        encoder = self._encoder()
        layers = getattr(encoder, "depth", 1)
        return {"encoder": f"{self.name} ({self.kind})", "layers": layers, "width": encoder.width}

    def width(self, into: Kept, keys_of_rows: Sequence[str]) -> int:
        return int(into.entries[keys_of_rows[0]].values.shape[2])


def own_device() -> torch.device:
    from accelerate import PartialState

    device: torch.device = PartialState().device
    return device


class PooledSpeech(_Frozen):
    """Mean and deviation over time of all hidden states and of the output, by clip: (n + 2, 2, D)."""

    kind, unit = "speech", Sounds.unit

    def __init__(self, name: str, revision: str | None, cache: Cache | None) -> None:
        super().__init__(name, revision, cache)
        self.sounds = Sounds()

    def have(self, manifest: pd.DataFrame) -> tuple[Kept, list[str]]:
        """The keys of the rows, and what holds their vectors."""
        into = kept(self, self.cache)
        return into, self.sounds.have(into, self, manifest)

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.sounds.forget()
        kept(self, self.cache).forget()

    @staticmethod
    def count(into: Kept, keys_of_rows: Sequence[str]) -> int:
        """Layers that the encoder has."""
        return int(into.entries[keys_of_rows[0]].values.shape[0]) - 2

    def _load(self) -> Any:
        return load_speech(self.name, ALL, self.revision)

    def _encoder(self) -> Any:
        return self.loaded()

    def _reading(self) -> Mapping[str, Any]:
        return {"layers": ALL, "statistics": list(STATISTICS), "window": WINDOW}

    def item(self, key: str) -> Item:
        read = self.sounds.waveform(key)
        return Item(key, self.sounds.seconds(key), lambda: torch.as_tensor(self.loaded().preprocess(read())))

    @contextmanager
    def reading(self, count: int) -> Iterator[Reader]:
        device = own_device()
        encoder = self.loaded().to(device)
        yield Reader(pooled_speech(encoder), device, in_bf16(self.precise, device), speech_budget(device))


class PooledText(_Frozen):
    """The mean over a text's states: (1, 1, D); at the level of sentences over its windows, of which most have one."""

    kind, unit = "text", "tokens"

    def __init__(self, wanted: Text, revision: str | None, cache: Cache | None) -> None:
        super().__init__(wanted.encoder, revision, cache)
        self.wanted = wanted
        self.texts: dict[str, str] = {}

    def have(self, manifest: pd.DataFrame) -> tuple[Kept, list[str]]:
        """The keys of the rows, and what holds their vectors."""
        into = kept(self, self.cache)
        found = self._keys(manifest)
        into.have(found, self)
        return into, found

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.texts.clear()
        kept(self, self.cache).forget()

    def _keys(self, manifest: pd.DataFrame) -> list[str]:
        texts = manifest["transcription"]
        absent = [f"id {id}" for id in manifest["id"][texts.isna()]]
        if absent:
            title = f"{len(absent)} of {len(manifest)} rows have no transcription; transcribe them, or remove them"
            raise faults(title, absent, limit=10)
        found = [keys.digest([text]) for text in texts]
        self.texts |= dict(zip(found, texts, strict=True))
        return found

    def _load(self) -> Any:
        return build_text(self.wanted, revision=self.revision)

    def _encoder(self) -> Any:
        return self.loaded().encoder

    def _reading(self) -> Mapping[str, Any]:
        return {"level": self.wanted.level, "max_tokens": self.wanted.max_tokens, "statistics": ["mean"]}

    def item(self, key: str) -> Item:
        ids = self.loaded().tokenizer(self.texts[key])
        return Item(key, len(ids), partial(torch.as_tensor, ids, dtype=torch.long))

    @contextmanager
    def reading(self, count: int) -> Iterator[Reader]:
        device, part = own_device(), self.loaded()
        encode = pooled_text(part.encoder.to(device))
        bf16 = in_bf16(self.precise, device)
        yield Reader(encode, device, bf16, text_budget(device), float(part.tokenizer.pad_id))


class SpeechFeatures:
    """Layers of a recipe's speech encoder, pooled, end to end. See `ClipFeatures`."""

    needs: Literal["audio"] = "audio"

    def __init__(self, source: PooledSpeech, layers: Layers, statistics: Sequence[str]) -> None:
        self.source, self.layers, self.statistics = source, layers, statistics
        self.names: Sequence[str] = ()

    def of(self, manifest: pd.DataFrame) -> np.ndarray:
        """See `ClipFeatures.of`."""
        into, found = self.source.have(manifest)
        numbers = layer_numbers(self.layers, self.source.count(into, found), self.source.name)
        width = self.source.width(into, found)
        rows = into.rows(found, (-1,) if numbers is None else numbers, len(STATISTICS))
        chosen = [STATISTICS.index(one) for one in self.statistics]
        self.names = [
            f"speech:{layer}_{one}_{k}"
            for layer in numbers or ("last",)
            for one in self.statistics
            for k in range(width)
        ]
        return rows.reshape(len(rows), -1, len(STATISTICS), width)[:, :, chosen].reshape(len(rows), -1)

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.source.forget()


class TextFeatures:
    """A recipe's text encoder, pooled. See `ClipFeatures`."""

    needs: Literal["transcription"] = "transcription"

    def __init__(self, source: PooledText) -> None:
        self.source = source
        self.names: Sequence[str] = ()

    def of(self, manifest: pd.DataFrame) -> np.ndarray:
        """See `ClipFeatures.of`."""
        into, found = self.source.have(manifest)
        self.names = [f"text:mean_{k}" for k in range(self.source.width(into, found))]
        return into.rows(found)

    def forget(self) -> None:
        """See `ClipFeatures.forget`."""
        self.source.forget()
