"""Stores of made-up states, and the way from them to batches that training takes."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import network
import pandas as pd
import torch

from emospeech.data.examples.batching import TrainingOrder
from emospeech.data.examples.dataset import Collate, UtteranceDataset
from emospeech.encoders.store.dataset import WHOLE, Drawing, Stored, StoredBatch, StoredDataset
from emospeech.encoders.store.folder import FeatureSet
from emospeech.encoders.store.packed import Packed, pack
from emospeech.encoders.store.prefetch import ahead, fetched
from emospeech.labels import EMOSPEECH2024

SHARD = 12  # clips of a shard: what extraction writes at once, of 9.2 s each


def key(row: int) -> str:
    return f"{row:064x}"


def feature_set(folder: Path, kind: str, name: str) -> FeatureSet:
    return FeatureSet(folder, {"kind": kind, "benchmark": name})


def fill(sets: Mapping[str, FeatureSet], layers: int, frames: Sequence[int], width: int, shard: int = SHARD) -> None:
    """Random states into several sets, by dtype; rows are alike as far as they reach, which costs readers the same."""
    drawn = torch.randn(layers, max(frames), width)
    for first in range(0, len(frames), shard):
        rows = range(first, min(first + shard, len(frames)))
        for dtype, into in sets.items():
            into.add({key(row): pack(drawn[:, : frames[row]], dtype) for row in rows})


def entries(of: FeatureSet, count: int, device: Any = "cpu") -> list[Packed]:
    """The states of all rows, as views of mapped files or on a GPU."""
    found, complaints = of.load([key(row) for row in range(count)], verify=False)
    assert not complaints, complaints
    return [found[key(row)].to(device) if str(device) != "cpu" else found[key(row)] for row in range(count)]


def manifest(labels: Iterable[str]) -> pd.DataFrame:
    """Rows whose states are stored: nothing but labels is looked at."""
    return pd.DataFrame({network.TASK: list(labels)}).assign(audio="", transcription="")


def dataset(
    speech: Sequence[Sequence[Packed]], text: Sequence[Packed] | None, draw: Drawing, labelled: bool = True
) -> StoredDataset:
    """As training makes it; `speech`: the views of each row."""
    rows = manifest(EMOSPEECH2024[row % 6] for row in range(len(speech)))
    plain = UtteranceDataset(rows, labels={network.TASK: EMOSPEECH2024} if labelled else None)
    layers, _, width = speech[0][0].values.shape
    words = None if text is None else Stored([(one,) for one in text], 1, int(text[0].values.shape[2]))
    return StoredDataset(plain, Stored(speech, layers, width), words, draw)


def crops(frames: int | None, probability: float = 0.0) -> Drawing:
    return WHOLE if frames is None else Drawing(frames, probability)


def batches(of: StoredDataset, order: Iterable[Any]) -> Iterator[StoredBatch]:
    """Made ahead in a thread, pages fetched, as the feed of the neural system does."""
    return ahead((of.batch(tickets, Collate(network.PAD)) for tickets in order), fetched)


def endless(of: StoredDataset, rows: int, size: int = network.BATCH) -> Iterator[StoredBatch]:
    return batches(of, TrainingOrder(rows, size, seed=0, last_step=1 << 40))


def epoch(of: StoredDataset, rows: int, size: int = network.BATCH) -> Iterator[StoredBatch]:
    return batches(of, TrainingOrder(rows, size, seed=0, last_step=-(-rows // size)))


def step_over(step: Callable[[Sequence[Any]], float], source: Iterator[Any]) -> Callable[[], float]:
    """Draw a batch, and train on it."""
    return lambda: step(list(itertools.islice(source, 1)))
