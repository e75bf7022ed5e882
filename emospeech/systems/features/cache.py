"""Frozen encoders' states for a run: computed where missing, then read by every epoch."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from emospeech.config import Cache
from emospeech.encoders.store import keys, room
from emospeech.encoders.store.dataset import Stored
from emospeech.encoders.store.extraction import Memory
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.reader import Item, bf16_is_native
from emospeech.encoders.store.room import Choice, Room
from emospeech.runtime.console import say
from emospeech.runtime.distributed import local_world_size, on_main
from emospeech.runtime.files import write_json
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.features import layer_weights, planning
from emospeech.systems.features.kept import Kept, Machine
from emospeech.systems.features.planning import Wish, flat
from emospeech.systems.features.sources import Source

_IN_MEMORY: dict[str, Memory] = {}  # of the last run of this program, by a set's name: its other seeds read them too


def _recorded(record: Path | None) -> dict[str, Any]:
    """What a run chose when it began; nothing if it begins now."""
    if record is None or not record.is_file():
        return {}
    known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return known


def _with_own(free: Room) -> Room:
    """What is free, and what features in memory hold: they are used again, or make room."""
    held = {"cpu": 0.0, "cuda": 0.0}
    for memory in _IN_MEMORY.values():
        held[torch.device(memory.device).type] += sum(memory.index().values())
    return replace(free, host=free.host + held["cpu"], gpu=free.gpu + held["cuda"])


def _forget_all_but(used: Sequence[Any]) -> None:
    for name in [name for name, memory in _IN_MEMORY.items() if memory not in used]:
        del _IN_MEMORY[name]


def in_bf16(cache: Cache, device: Any) -> bool:
    """Whether frozen encoders compute in bfloat16 on a device."""
    return cache.precision == "bf16" or (cache.precision == "auto" and bf16_is_native(device))


class FeatureCache:
    """The states of a run's frozen encoders. Every process of the run makes one, and calls it at the same points.

    Args:
        cache: the recipe's words.
        sources: by modality, those whose encoder is frozen.
        accelerator: of the run.
        augmented: whether training clips have augmented views.
    """

    def __init__(self, cache: Cache, sources: Mapping[str, Source], accelerator: Any, augmented: bool) -> None:
        self.cache, self.sources, self.augmented = cache, sources, augmented
        self.root = planning.folder_of(cache)
        self.device = accelerator.device
        self.bf16 = in_bf16(cache, self.device)
        self.machine = Machine(self.device, self.bf16, accelerator.process_index, accelerator.num_processes)
        self.encoders = {kind: source.identity() for kind, source in sources.items()}
        self.choice: Choice | None = None
        self.weights: Tensor | None = None  # of the layers whose sum is kept
        self.kept: dict[str, Kept] = {}
        self.reads_only = False
        self.held = ExitStack()  # sets in use, which nobody prunes

    # -------------------------------------------------------------- preparing

    def prepare(self, wish: Wish, record: Path | None = None, like: Path | None = None) -> None:
        """Have the states of all rows; says how large they are and where they go before any work.

        Args:
            record: where a run keeps what was chosen, so that a resumption does the same, whatever room there is.
            like: such a record of another run, for one that is to do as that did.

        Raises:
            UserError: if there is no room for them.
            WorkError: if the disk is full or keeps nothing.
        """
        if self.choice is None:
            known = on_main(lambda: _recorded(record) or _recorded(like))
            self.choice = self._planned(wish, known)
            if self.choice.variant.mode == "mixed":
                weights = known.get("layer_weights")
                self.weights = self._layer_weights(wish.train) if weights is None else torch.tensor(weights)
            if record is not None:
                on_main(lambda: self._record(record))
            self.kept = {kind: self._place(source) for kind, source in self.sources.items()}
            _forget_all_but([kept.into for kept in self.kept.values()])
        for kind, kept in self.kept.items():
            kept.fill(wish.keys(kept.source, self._views(kind)))

    def open(self, weights: Tensor | None) -> None:
        """Read what earlier runs keep on disk, and compute nothing: for a model that is trained.

        Args:
            weights: of its speech encoder's layers (layers,), whose sum may be what is kept; None: it takes one layer.
        """
        self.reads_only = True
        if self.cache.write is False:
            return
        for kind, source in self.sources.items():
            for each in (weights, None) if kind == "speech" and weights is not None else (None,):
                if kind not in self.kept and on_main(self._set(source, each).path.is_dir):
                    self.kept[kind] = self._on_disk(source, each)
        if len(self.kept) < len(self.sources):
            self.kept = {}

    def add(self, manifest: pd.DataFrame) -> np.ndarray:
        """Have the states of further rows, which are only predicted.

        Returns:
            bool (rows,): whether a row's are here. All are, unless nothing is to be computed.
        """
        rows = {kind: kept.source.keys(manifest) for kind, kept in self.kept.items()}
        here = np.full(len(manifest), bool(self.kept))
        if self.reads_only and self.kept:
            index = on_main(lambda: {kind: set(kept.into.index()) for kind, kept in self.kept.items()})
            for kind, keys_of_rows in rows.items():
                here &= [found is None or index[kind].issuperset(found) for found in keys_of_rows]
        for kind, kept in self.kept.items():
            wanted = [found for found, is_here in zip(rows[kind], here, strict=True) if is_here]
            kept.fill(list(dict.fromkeys(flat(wanted))))
        return here

    @property
    def augments(self) -> bool:
        """Whether training hears augmented speech: views of it are stored, or speech is not."""
        return "speech" not in self.sources or self._views("speech") > 1

    def _views(self, kind: str) -> int:
        return self.choice.variant.views if self.choice is not None and kind == "speech" else 1

    def _record(self, record: Path) -> None:
        assert self.choice is not None
        variant, weights = self.choice.variant, None if self.weights is None else self.weights.tolist()
        write_json(record, {"mode": variant.mode, "views": variant.views, "layer_weights": weights})

    def _planned(self, wish: Wish, known: Mapping[str, Any]) -> Choice:
        wanted = self.cache.model_copy(update={key: known[key] for key in ("mode", "views") if key in known})
        speech, text = (self.sources.get(kind) for kind in ("speech", "text"))
        demand = planning.demand(speech, text, wish, self.cache, self.augmented)

        def there(source: Source, mode: str) -> Mapping[str, int]:
            weights = None
            if mode == "mixed" and source is speech:
                weights = self._known_weights(self._sampled(wish.train)[1])
                if weights is None:
                    return {}
            return FeatureSet(self.root, self._identity(source, weights)).index()

        missing = planning.lacking(self.sources, wish, self.cache, there)

        def choose() -> tuple[Choice, list[str]]:
            sets = [FeatureSet(self.root, self._identity(source)) for source in self.sources.values()]
            writable = self.cache.write is not False and all(one.writable() for one in sets)
            free = _with_own(room.free(self.root, writable, self.device, local_world_size()))
            choice, passed = room.choose(wanted, demand, free, missing)
            lines = planning.described(choice, passed, demand, self.sources, free, self.root)
            return choice, lines + planning.without_effect(self.cache, demand)

        choice, lines = on_main(choose)
        for line in lines:
            say(line)
        return choice

    def _identity(self, source: Source, weights: Tensor | None = None) -> dict[str, Any]:
        reading = source.reading if weights is None else {**source.reading, "summed_by": weights.tolist()}
        precision = "bf16" if self.bf16 else "fp32"
        stride = source.stride(self.cache)
        return keys.identity(source.kind, self.encoders[source.kind], reading, self.cache.dtype, stride, precision)

    def _place(self, source: Source) -> Kept:
        assert self.choice is not None
        weights = self.weights if source.kind == "speech" else None
        in_memory = {"cpu": "cpu", "cuda": self.device}.get(self.choice.device)
        if not self.choice.written:
            name = f"{self._set(source, weights).path.name} {in_memory}"
            memory = _IN_MEMORY.setdefault(name, Memory(in_memory or "cpu"))
            return Kept(source, memory, self.cache, self.machine, weights=weights)
        return self._on_disk(source, weights, in_memory)

    def _on_disk(self, source: Source, weights: Tensor | None, in_memory: Any = None) -> Kept:
        into = self._set(source, weights)
        self.held.enter_context(into.use())
        layered = None if weights is None else self._set(source, None)
        return Kept(source, into, self.cache, self.machine, in_memory, weights, layered)

    def _set(self, source: Source, weights: Tensor | None) -> FeatureSet:
        about = {"encoder": source.name, "layers": source.layers if weights is None else 1, "width": source.width}
        return FeatureSet(self.root, self._identity(source, weights), about)

    # --------------------------------------------------------- their sum alone

    def _layer_weights(self, train: pd.DataFrame) -> Tensor:
        """Learned once, by the main process, and kept beside the features for every seed and ablation."""
        source, (labels, path) = self.sources["speech"], self._sampled(train)

        def learned() -> Tensor:
            known = self._known_weights(path)
            if known is not None:
                return known
            say(f"cache.mode=mixed: learning the weights of {source.layers} layers on {len(labels)} training clips")
            crop = self.crop_frames(layer_weights.CROP_SECONDS) or 1
            layered = FeatureSet(self.root, self._identity(source))
            stored = {key: layer_weights.crop(packed, crop, key) for key, packed in layered.load(labels)[0].items()}
            memory = layer_weights.CroppedMemory(crop, stored)
            if missing := [key for key in labels if key not in stored]:
                Kept(source, memory, self.cache, self.machine).compute(missing)
            states = [memory.entries[key] for key in labels]
            weights = layer_weights.learned(states, list(labels.values()), self.device)
            if self.choice is not None and self.choice.written:
                write_json(path, {"encoder": source.name, "weights": weights.tolist()})
            return weights

        return on_main(learned)

    def _sampled(self, train: pd.DataFrame) -> tuple[dict[str, str], Path]:
        """The labels of a sample of training clips, by key; and where the weights learned on it are kept."""
        source = self.sources["speech"]
        labels = {
            found[0]: str(label)
            for found, label in zip(source.keys(train), train[MAIN_TASK], strict=True)
            if found is not None and isinstance(label, str)
        }
        sample = {key: labels[key] for key in layer_weights.chosen(labels, self.cache.sample)}
        return sample, self.root / "layer_weights" / f"{keys.digest([self._identity(source), sample])[:16]}.json"

    def _known_weights(self, path: Path) -> Tensor | None:
        """Those that were kept; a file that is none is as none."""
        try:
            weights = torch.tensor(json.loads(path.read_text(encoding="utf-8"))["weights"], dtype=torch.float32)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        fits = weights.shape == (self.sources["speech"].layers,) and bool(torch.isfinite(weights).all())
        return weights if fits else None

    # ---------------------------------------------------------------- reading

    def stored(self, kind: str, manifest: pd.DataFrame, views: bool = False) -> Stored | None:
        """The states of each row; None: this modality is not stored.

        `views`: with the augmented ones.
        """
        if kind not in self.kept:
            return None
        kept = self.kept[kind]
        rows = kept.source.keys(manifest, self._views(kind) if views else 1)
        states = [None if found is None else tuple(kept.entries[key] for key in found) for found in rows]
        return Stored(states, kept.layers, kept.source.width)

    def crop_frames(self, seconds: float | None) -> int | None:
        """A crop of speech, in frames as they are kept."""
        source = self.sources.get("speech")
        if seconds is None or source is None:
            return None
        return -(-source.states(Item("", seconds, lambda: torch.empty(0))) // source.stride(self.cache))
