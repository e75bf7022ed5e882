"""From the rows of a manifest to the batches of a network."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from emospeech.config import Recipe
from emospeech.data import audio
from emospeech.data.examples.augment import Augmenter
from emospeech.data.examples.batching import Ticket, evaluation_order
from emospeech.data.examples.dataset import Batch, Collate, Preprocessor, UtteranceDataset
from emospeech.data.examples.mixup import Mixup
from emospeech.encoders.store.dataset import WHOLE, Drawing, StoredDataset
from emospeech.encoders.store.prefetch import ahead, fetched, pinned
from emospeech.runtime.interrupt import unheard
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.features.cache import FeatureCache

Dataset = UtteranceDataset | StoredDataset
STORED_BATCH = 32  # rows evaluated at once from stored features
MOST_SECONDS = 240.0  # of sound that are heard at once
MANY, FEW = 64, 16  # texts, and clips for a small encoder


@dataclass(frozen=True)
class Evaluated:
    """Rows to evaluate, as often as need be."""

    count: int  # of rows that are this process's
    batches: Callable[[], Iterable[Batch]]


@dataclass(frozen=True)
class Feed:
    """What a recipe asks of its rows, and what its encoders take."""

    recipe: Recipe
    preprocess: Preprocessor | None  # the speech encoder's own
    tokenizer: Any
    load: Callable[[str], np.ndarray]  # the waveform of a path
    on_gpu: bool
    slow_speech: bool = False  # whether speech goes through a large encoder
    cache: FeatureCache | None = None  # where the states of frozen encoders come from

    def for_training(
        self,
        manifest: pd.DataFrame,
        tasks: Mapping[str, Sequence[str]],
        augment: Augmenter | None,
        weights: Sequence[float] | None = None,
    ) -> Dataset:
        """Labelled rows, cropped, augmented and mixed as the recipe says.

        `weights`: how often an epoch takes each row; None: all the same.
        """
        speech, mixup = self.recipe.speech, self.recipe.train.mixup
        crop = speech.crop_seconds if speech is not None else None
        rows = self._dataset(
            manifest,
            labels=tasks,
            soft_labels=soft_labels(self.recipe),
            crop_seconds=crop,
            augment=augment,
            mixup=mixup and Mixup(mixup.alpha, mixup.probability, weights),
        )
        if self.cache is None:
            return rows
        probability = augment.probability if augment is not None else 0.0
        draw = Drawing(self.cache.crop_frames(crop), probability, self.recipe.train.seed)
        return StoredDataset(
            rows,
            self.cache.stored("speech", manifest, views=True),
            self.cache.stored("text", manifest),
            draw,
        )

    def heard_whole(self, manifest: pd.DataFrame) -> Dataset:
        """Whole clips, without labels."""
        rows = self._dataset(manifest)
        if self.cache is None:
            return rows
        return StoredDataset(rows, self.cache.stored("speech", manifest), self.cache.stored("text", manifest), WHOLE)

    def _dataset(self, manifest: pd.DataFrame, **training: Any) -> UtteranceDataset:
        return UtteranceDataset(
            manifest,
            preprocess=None if self._is_stored("speech") else self.preprocess,
            tokenize=None if self._is_stored("text") else self.tokenizer,
            seed=self.recipe.train.seed,
            load=self.load,
            may_lack=self.recipe.may_lack,
            **training,
        )

    @property
    def _hears(self) -> bool:
        """Whether an encoder hears the speech of each batch."""
        return self.preprocess is not None and not self._is_stored("speech")

    def _is_stored(self, kind: str) -> bool:
        return self.cache is not None and kind in self.cache.kept

    def batches(self, dataset: Dataset, order: Iterable[list[Ticket]]) -> Iterable[Batch]:
        """The batches of an order."""
        if not isinstance(dataset, StoredDataset):
            return self._loader(dataset, order)
        collate = self._collate()
        if self._hears and self.recipe.train.workers:  # sound is decoded all the same
            plain = self._loader(dataset.rows, order)
            made = (dataset.with_states(batch, tickets) for batch, tickets in zip(plain, order, strict=True))
        else:
            made = (dataset.batch(tickets, collate) for tickets in order)
        return ahead(made, pinned if self.on_gpu else fetched)

    def _loader(self, dataset: UtteranceDataset, order: Any) -> Iterable[Batch]:
        workers = self.recipe.train.workers
        loader: Any = DataLoader(
            dataset,
            batch_sampler=order,
            collate_fn=self._collate(),
            generator=torch.Generator(),  # else its first draw is from the one that dropout draws from
            num_workers=workers,
            pin_memory=self.on_gpu,
            # fork would copy torch's thread pools in a state they cannot leave
            multiprocessing_context="spawn" if workers else None,
        )
        return _Unheard(loader) if workers else loader

    def _collate(self) -> Collate:
        return Collate(self.tokenizer.pad_id if self.tokenizer is not None else 0)

    def to_evaluate(self, manifest: pd.DataFrame, rank: int, world_size: int) -> "Evaluated":
        """A manifest made ready: batches of like lengths, as large as serves the device."""
        wanted = self.recipe.train.eval_batch_size
        size, budget = (wanted, math.inf) if isinstance(wanted, int) else self._fast_batch()
        order = evaluation_order(self.lengths(manifest), size, rank, world_size, budget)
        dataset = self.heard_whole(manifest)
        return Evaluated(sum(map(len, order)), lambda: self._evaluation_batches(dataset, order))

    def _evaluation_batches(self, dataset: Dataset, order: Sequence[list[Ticket]]) -> Iterable[Batch]:
        if isinstance(dataset, StoredDataset) or self.recipe.train.workers:
            return self.batches(dataset, order)
        collate = self._collate()
        # sound is decoded while the network works on the batch before
        made = (collate([dataset[ticket] for ticket in tickets]) for tickets in order)
        return ahead(made, lambda batch: batch)

    def _fast_batch(self) -> tuple[int, float]:
        """Rows, and length: a large speech encoder on a CPU is fastest with one clip at a time, a GPU with many."""
        if not self._hears:
            return (MANY if self.preprocess is None else STORED_BATCH), math.inf
        if self.on_gpu:
            return MANY, MOST_SECONDS
        return (1 if self.slow_speech else FEW), MOST_SECONDS

    def lengths(self, manifest: pd.DataFrame) -> list[float]:
        """How much each row is to read: seconds, or without speech characters."""
        if self.preprocess is None:
            return [float(len(text)) for text in manifest["transcription"]]
        known = zip(manifest["duration"], manifest["audio"], strict=True)
        return [
            float(seconds) if pd.notna(seconds) else (0.0 if pd.isna(path) else audio.duration(path) or 0.0)
            for seconds, path in known
        ]


def soft_labels(recipe: Recipe) -> dict[str, str]:
    """Task -> the manifest's column of votes, where the recipe names one."""
    column = recipe.data.soft_labels
    return {} if column is None else {MAIN_TASK: column}


@dataclass(frozen=True)
class _Unheard:
    """Batches whose workers leave signals to the main process: Ctrl-C and Slurm reach a whole group of processes, and
    the one that trains must still get its batches, to stop in order."""

    loader: Iterable[Batch]

    def __iter__(self) -> Iterator[Batch]:
        with unheard():
            return iter(self.loader)
