"""Layer weights learned on a sample, so that a small disk need hold their sum alone (`cache.mode: mixed`)."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from emospeech.config import Model
from emospeech.encoders.features import Features, PackedStates
from emospeech.encoders.store.extraction import UNIT_ITEMS, Packing
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


def learned(states: Sequence[Packed], labels: Sequence[str], crop_frames: int) -> Tensor:
    """Raw weights (layers,) of the layers' sum, as the recipe's own head learns them from speech alone.

    The same for every seed and ablation: they draw from a generator of their own.

    Args:
        states: of each clip of the sample, all layers.
        crop_frames: of a training crop; longer clips are cut.
    """
    layers, _, width = states[0].values.shape
    names = sorted(set(labels))
    targets = torch.tensor([names.index(label) for label in labels])
    rng = np.random.default_rng(0)
    device = states[0].values.device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        classifier = build_classifier(Model(), {TASK: names}, (layers, width), None).to(device).train()
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=RATE)
        with progress("learning layer weights", STEPS) as bar:
            for _ in range(STEPS):
                rows = rng.choice(len(states), min(BATCH, len(states)), replace=False)
                batch = PackedStates(tuple(_cut(states[row], crop_frames, rng) for row in rows))
                logits = classifier(Features(batch, batch.mask(), None, None))[TASK]
                loss = torch.nn.functional.cross_entropy(logits, targets[rows].to(device))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                bar(note=f"loss {loss.item():.3f}")
    return classifier.layer_mix.state_dict()["weights"].cpu()


def sum_stored(layered: FeatureSet, into: FeatureSet, wanted: Sequence[str], weights: Tensor, packing: Packing) -> None:
    """Keep the sums of what is stored with all its layers: those clips need not be heard again."""
    there = into.index()
    missing = [key for key in wanted if key not in there and key in layered.index()]
    for first in range(0, len(missing), UNIT_ITEMS):
        found, _ = layered.load(missing[first : first + UNIT_ITEMS])
        sums = {key: torch.einsum("l,ltd->td", weights, packed.states())[None] for key, packed in found.items()}
        if sums:
            into.add({key: pack(states, packing.dtype) for key, states in sums.items()})


def _cut(states: Packed, frames: int, rng: np.random.Generator) -> Packed:
    if states.frames <= frames:
        return states
    return states.cut(int(rng.integers(states.frames - frames + 1)), frames)
