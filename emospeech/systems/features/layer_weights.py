"""Layer weights learned on a sample, so that a small disk need hold their sum alone (`cache.mode: mixed`)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from emospeech.config import Model
from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.extraction import UNIT_ITEMS, Memory, Packing
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import Packed, pack
from emospeech.models.build import build_classifier
from emospeech.runtime.console import progress

STEPS = 500
BATCH = 16
RATE = 1e-3
CROP_SECONDS = 5.5  # the winner's
TASK = "label"


def chosen(labels: Mapping[str, str], count: int) -> list[str]:
    """Keys of a sample, of each class in turn as long as there are any; it depends on the clips, not on their order.

    >>> chosen({"b": "joy", "a": "joy", "c": "fear", "d": "joy"}, 3)
    ['c', 'a', 'b']
    """
    by_label: dict[str, list[str]] = {}
    for key in sorted(labels):
        by_label.setdefault(labels[key], []).append(key)
    ranked = sorted((rank, label, key) for label, of in by_label.items() for rank, key in enumerate(of))
    return [key for _, _, key in ranked[:count]]


def crop(states: Packed, frames: int, key: str) -> Packed:
    """A stretch of at most so many frames, in memory of its own; which one, the clip's key decides."""
    start = int(key[:8], 16) % max(states.frames - frames + 1, 1)
    return states.cut(start, min(frames, states.frames)).copied("cpu")


class CroppedMemory(Memory):
    """Keeps a crop of each clip: a sample of whole ones would take a small machine's memory."""

    def __init__(self, frames: int, entries: Mapping[str, Packed]) -> None:
        super().__init__()
        self.frames, self.entries = frames, dict(entries)

    def add(self, entries: Mapping[str, Packed]) -> None:
        super().add({key: crop(packed, self.frames, key) for key, packed in entries.items()})


def learned(states: Sequence[Packed], labels: Sequence[str], device: Any = "cpu") -> Tensor:
    """Raw weights (layers,) of the layers' sum, as a head of the default kind learns them from speech alone.

    The same for every recipe, seed and ablation, so that their features are the same.

    Args:
        states: a crop of each clip of the sample, all layers.
        device: on which it is learned.
    """
    layers, _, width = states[0].values.shape
    names = sorted(set(labels))
    targets = torch.tensor([names.index(label) for label in labels])
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = build_classifier(Model(), {TASK: names}, (layers, width), None).to(device).train()
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=RATE)
        with progress("learning layer weights", STEPS) as bar:
            for _ in range(STEPS):
                rows = rng.choice(len(states), min(BATCH, len(states)), replace=False)
                batch = PackedStates(tuple(states[row].to(device) for row in rows))
                logits = classifier(Features(batch, batch.mask(), None, None))[TASK]
                loss = torch.nn.functional.cross_entropy(logits, targets[rows].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                bar(note=f"loss {loss.item():.3f}")
    return classifier.layer_mix.state_dict()["weights"].cpu()


def sum_stored(layered: FeatureSet, into: FeatureSet, wanted: Sequence[str], weights: Tensor, packing: Packing) -> None:
    """Keep the sums of what is stored with all its layers: those clips need not be heard again."""
    there, able = into.index(), layered.index()
    missing = [key for key in wanted if key not in there and key in able]
    for first in range(0, len(missing), UNIT_ITEMS):
        found, _ = layered.load(missing[first : first + UNIT_ITEMS])
        sums = {key: torch.einsum("l,ltd->td", weights, packed.states())[None] for key, packed in found.items()}
        if sums:
            into.add({key: pack(states, packing.dtype) for key, states in sums.items()})
