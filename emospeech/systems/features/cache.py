"""Frozen encoders' states for a run: computed where missing, then read by every epoch."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from emospeech.config import Cache
from emospeech.encoders.store import extraction, keys, room
from emospeech.encoders.store.dataset import Stored
from emospeech.encoders.store.extraction import Memory, Packing
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import Packed
from emospeech.encoders.store.reader import Item, Reader, bf16_is_native
from emospeech.encoders.store.room import Choice
from emospeech.runtime.console import progress, say
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import WorkError, some
from emospeech.runtime.files import write_json
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.features import layer_weights, planning
from emospeech.systems.features.planning import Wish, flat
from emospeech.systems.features.sources import Source

REPAIRS = 2  # times that damaged shards are computed anew before the disk is given up


def _recorded(record: Path | None) -> dict[str, Any]:
    """What a run chose when it began; nothing if it begins now."""
    if record is None or not record.is_file():
        return {}
    known: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
    return known


def in_bf16(cache: Cache, device: Any) -> bool:
    """Whether frozen encoders compute in bfloat16 on a device."""
    return cache.precision == "bf16" or (cache.precision == "auto" and bf16_is_native(device))


@dataclass
class Kept:
    """One modality: where its states come from and go, and those that are here."""

    source: Source
    into: FeatureSet | Memory
    packing: Packing
    weights: Tensor | None = None  # of the layers, where their sum is kept
    entries: dict[str, Packed] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        return self.source.layers if self.weights is None else 1


class FeatureCache:
    """The states of a run's frozen encoders. Every process of the run makes one, and calls it at the same points.

    Args:
        cache: the recipe's words.
        sources: by modality, those whose encoder is frozen.
        accelerator: of the run.
        augmented: whether training clips have augmented views.
    """

    def __init__(self, cache: Cache, sources: Mapping[str, Source], accelerator: Any, augmented: bool) -> None:
        self.cache, self.sources, self.accelerator, self.augmented = cache, sources, accelerator, augmented
        self.root = planning.folder_of(cache)
        self.device = accelerator.device
        self.bf16 = in_bf16(cache, self.device)
        self.encoders = {kind: source.identity() for kind, source in sources.items()}
        self.choice: Choice | None = None
        self.weights: Tensor | None = None  # of the layers whose sum is kept
        self.kept: dict[str, Kept] = {}
        self.held = ExitStack()  # sets in use, which nobody prunes

    # -------------------------------------------------------------- preparing

    def prepare(self, train: pd.DataFrame, others: Sequence[pd.DataFrame], record: Path | None = None) -> None:
        """Have the states of all rows; says how large they are and where they go before any work.

        Args:
            record: where a run keeps what was chosen, so that a resumption does the same, whatever room there is.

        Raises:
            UserError: if there is no room for them.
            WorkError: if the disk is full or keeps nothing.
        """
        wish = Wish(train, others)
        if self.choice is None:
            known = on_main(lambda: _recorded(record))
            self.choice = self._planned(wish, known)
            if self.choice.variant.mode == "mixed":
                weights = known.get("layer_weights")
                self.weights = self._layer_weights(train) if weights is None else torch.tensor(weights)
            if record is not None and not known:
                on_main(lambda: self._record(record))
            self.kept = {kind: self._place(source) for kind, source in self.sources.items()}
        for kind, kept in self.kept.items():
            self._fill(kept, wish.keys(kept.source, self._views(kind)))

    def add(self, manifest: pd.DataFrame) -> None:
        """Have the states of further rows, which are only predicted."""
        for kept in self.kept.values():
            self._fill(kept, list(dict.fromkeys(flat(kept.source.keys(manifest)))))

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
            free = room.free(self.root, writable, self.device, room.processes_here())
            choice, passed = room.choose(wanted, demand, free, missing)
            return choice, planning.described(choice, passed, demand, self.sources, free, self.root)

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
        into: FeatureSet | Memory = Memory(self._lies_on())
        if self.choice.written:
            about = {
                "encoder": source.name,
                "layers": 1 if weights is not None else source.layers,
                "width": source.width,
            }
            into = FeatureSet(self.root, self._identity(source, weights), about)
            self.held.enter_context(into.use())
        return Kept(source, into, Packing(self.cache.dtype, source.stride(self.cache)), weights)

    def _lies_on(self) -> Any:
        return self.device if self.choice is not None and self.choice.device == "cuda" else "cpu"

    # ---------------------------------------------------------------- filling

    def _fill(self, kept: Kept, wanted: Sequence[str]) -> None:
        """Compute what is missing and have all of it here; damaged shards are named and computed anew."""
        new = [key for key in wanted if key not in kept.entries]
        if on_main(lambda: not new):  # the same on every process: all have the same rows
            return
        if isinstance(kept.into, Memory):
            self._extract(kept, new)
            kept.entries = kept.into.entries
            return
        for _ in range(REPAIRS):
            self._check(kept.into, new)
            self._extract(kept, new)
            found, _ = kept.into.load(new, verify=False)
            if missing := [key for key in new if key not in found]:
                continue
            kept.entries |= {key: packed.to(self._lies_on()) for key, packed in found.items()}
            return
        raise WorkError(f"{kept.into.path} does not keep what is written into it: {some(missing)} are missing")

    def _check(self, into: FeatureSet, wanted: Sequence[str]) -> None:
        """Every byte that will be read, once a run, by the main process."""

        def checked() -> list[str]:
            there = into.index()
            with progress("checking stored features (MB)", sum(there.get(key, 0) for key in wanted) >> 20) as bar:
                _, damaged = into.load(wanted, verify=True, bar=bar)
            return damaged

        for sentence in on_main(checked):
            say(sentence)

    def _extract(self, kept: Kept, wanted: Sequence[str]) -> None:
        source = kept.source
        if kept.weights is not None and isinstance(kept.into, FeatureSet):
            layered, into, weights = FeatureSet(self.root, self._identity(source)), kept.into, kept.weights
            on_main(lambda: layer_weights.sum_stored(layered, into, wanted, weights, kept.packing))
        there = kept.into.index()
        missing = [source.item(key) for key in wanted if key not in there]
        self.accelerator.wait_for_everyone()  # all have looked before the first one writes
        if not missing:
            return
        total = round(sum(item.length for item in missing))
        say(
            f"extracting {source.kind} with {source.name}: {len(missing)} utterances, {total} {source.unit}"
            f"; {len(wanted) - len(missing)} are there"
        )
        source.encoder.to(self.device)
        encode, budget = source.encode(kept.weights), source.budget(self.device)
        reader = Reader(encode, self.device, self.bf16, budget, source.pad_value)
        alone = isinstance(kept.into, Memory)  # what is in memory, no other process sees
        share = (0, 1) if alone else (self.accelerator.process_index, self.accelerator.num_processes)
        with progress(f"extracting {source.kind} ({source.unit})", total) as bar:
            extraction.extract(
                missing,
                reader,
                kept.into,
                kept.packing,
                lambda item: planning.item_bytes(source, kept.layers, item, self.cache),
                bar,
                share,
            )
        self.accelerator.wait_for_everyone()

    # --------------------------------------------------------- their sum alone

    def _layer_weights(self, train: pd.DataFrame) -> Tensor:
        """Learned once, and kept beside the features for every seed and ablation."""
        source, (labels, path) = self.sources["speech"], self._sampled(train)
        known, sample = on_main(lambda: self._known_weights(path)), list(labels)
        if known is not None:
            return known
        say(f"cache.mode=mixed: learning the weights of {source.layers} layers on {len(sample)} training clips")
        memory = Memory(self._lies_on())
        found, _ = FeatureSet(self.root, self._identity(source)).load(sample)
        memory.add({key: packed.to(memory.device) for key, packed in found.items()})
        kept = Kept(source, memory, Packing(self.cache.dtype, source.stride(self.cache)), entries=dict(memory.entries))
        self._fill(kept, sample)
        states = [kept.entries[key] for key in sample]
        crop = self.crop_frames(layer_weights.CROP_SECONDS)
        weights = layer_weights.learned(states, [labels[key] for key in sample], crop or 1)
        if self.choice is not None and self.choice.written:
            on_main(lambda: write_json(path, {"encoder": source.name, "weights": weights.tolist()}))
        return weights

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

    @staticmethod
    def _known_weights(path: Path) -> Tensor | None:
        return torch.tensor(json.loads(path.read_text(encoding="utf-8"))["weights"]) if path.is_file() else None

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
