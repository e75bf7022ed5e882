"""How large a recipe's features will be and how they are kept: decided by the room there is, and said aloud."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from emospeech.config import Cache
from emospeech.encoders.store.packed import bytes_per_frame
from emospeech.encoders.store.reader import Item
from emospeech.encoders.store.room import Choice, Demand, Room, Variant, size
from emospeech.runtime.errors import UserError
from emospeech.systems.features.sources import Rows, Source


def folder_of(cache: Cache) -> Path:
    """Where a recipe's features lie."""
    named = cache.folder or os.environ.get("EMOSPEECH_CACHE") or "~/.cache/emospeech"
    try:
        return Path(named).expanduser()
    except RuntimeError as error:  # no such user
        raise UserError(f"cache.folder: {named}: {error}") from None


@dataclass(frozen=True)
class Wish:
    """The rows whose states a run wants."""

    augmented: Sequence[pd.DataFrame]  # with augmented views: the training rows, and those that a refit adds
    others: Sequence[pd.DataFrame]

    @property
    def train(self) -> pd.DataFrame:
        return self.augmented[0]

    def keys(self, source: Source, views: int) -> list[str]:
        """All different keys, in the order of the rows."""
        found = [key for rows in self.augmented for key in flat(source.keys(rows, views))]
        found += [key for rows in self.others for key in flat(source.keys(rows))]
        return list(dict.fromkeys(found))


def flat(rows: Rows) -> list[str]:
    return [key for found in rows if found is not None for key in found]


def demand(speech: Source | None, text: Source | None, wish: Wish, cache: Cache, augmented: bool) -> Demand:
    """What it would take to keep all of it."""
    frames = [0, 0]
    if speech is not None:
        augmented_keys = dict.fromkeys(key for rows in wish.augmented for key in flat(speech.keys(rows)))
        parts = wish.keys(speech, 1), augmented_keys
        both, train = (sum(speech.states(speech.item(key)) for key in part) for part in parts)
        frames = [train, both - train]
    text_bytes = 0
    if text is not None:
        text_bytes = sum(item_bytes(text, 1, text.item(key), cache) for key in wish.keys(text, 1))
    layers, width = (speech.layers, speech.width) if speech is not None else (1, 0)
    rows = sum(map(len, (*wish.augmented, *wish.others)))
    return Demand(frames[0], frames[1], layers, width, text_bytes, rows, augmented)


def item_bytes(source: Source, layers: int, item: Item, cache: Cache) -> int:
    """What one utterance takes."""
    return -(-source.states(item) // source.stride(cache)) * bytes_per_frame(cache.dtype, layers, source.width)


def lacking(
    sources: Mapping[str, Source], wish: Wish, cache: Cache, there: Callable[[Source, str], Collection[str]]
) -> Callable[[Variant], float]:
    """A function that tells the bytes of a variant that are not on disk.

    Args:
        there: source and mode -> the keys that are on disk.
    """

    def count(variant: Variant) -> float:
        total = 0
        for kind, source in sources.items():
            known, layers = there(source, variant.mode), 1 if variant.mode == "mixed" else source.layers
            views = variant.views if kind == "speech" else 1
            missing = [key for key in wish.keys(source, views) if key not in known]
            total += sum(item_bytes(source, layers, source.item(key), cache) for key in missing)
        return total

    return count


def described(
    choice: Choice, passed: Iterable[Variant], wanted: Demand, kinds: Iterable[str], room: Room, folder: Path
) -> list[str]:
    """What was chosen, and what there was no room for, as lines for people."""
    variant = choice.variant
    views = f", {variant.views} views of each training clip" if variant.views > 1 else ""
    stride = f", means of {variant.stride} frames" if variant.stride > 1 else ""
    free = f"{size(room.disk)} free" if room.disk else "which cannot be written"
    place = f"in {folder} ({free})" if choice.written else "in memory, for this run alone"
    read = {"disk": "read as a memory map", "cpu": "held in memory", "cuda": "held on the GPU"}[choice.device]
    lines = [
        f"stored features of frozen encoders ({', '.join(kinds)}): {_layers(variant, wanted)}{variant.dtype}{stride}"
        f"{views}, {wanted.utterances} utterances, {size(variant.bytes(wanted))} {place}, {read}"
    ]
    lines += [
        f"  no room for {_layers(other, wanted)}views: {other.views}: {size(other.bytes(wanted))}" for other in passed
    ]
    if wanted.augmented and variant.views == 1:
        lines.append("  one view of each clip: the recipe's augmentation is left out (cache.views)")
    return lines


def without_effect(cache: Cache, wanted: Demand) -> list[str]:
    """Words of a recipe that change nothing in it."""
    notes = []
    if isinstance(cache.views, int) and cache.views > 1 and not wanted.augmented:
        notes.append(f"  note: cache.views={cache.views} has no effect: nothing augments frozen speech")
    if cache.mode == "mixed" and wanted.layers == 1:
        notes.append("  note: cache.mode=mixed has no effect: there are not several layers to sum")
    return notes


def _layers(variant: Variant, wanted: Demand) -> str:
    if wanted.layers == 1:
        return ""
    return f"{wanted.layers} layers, " if variant.mode == "layers" else f"the sum of {wanted.layers} layers, "
