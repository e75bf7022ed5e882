"""From the rows of a manifest to the batches of a network."""

import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch.utils.data import DataLoader

from emospeech.config import Recipe
from emospeech.data import audio
from emospeech.data.augment import Augmenter
from emospeech.data.dataset import Batch, Collate, Preprocessor, UtteranceDataset
from emospeech.systems.base import MAIN_TASK


@dataclass(frozen=True)
class Feed:
    """What a recipe asks of its rows, and what its encoders take."""

    recipe: Recipe
    preprocess: Preprocessor | None  # the speech encoder's own
    tokenizer: Any
    load: Callable[[str], np.ndarray]  # the waveform of a path
    pin_memory: bool

    def for_training(
        self, manifest: pd.DataFrame, tasks: Mapping[str, Sequence[str]], augment: Augmenter | None
    ) -> UtteranceDataset:
        """Labelled rows, cropped and augmented as the recipe says."""
        speech = self.recipe.speech
        crop = speech.crop_seconds if speech is not None else None
        return self._dataset(
            manifest, labels=tasks, soft_labels=soft_labels(self.recipe), crop_seconds=crop, augment=augment
        )

    def heard_whole(self, manifest: pd.DataFrame) -> UtteranceDataset:
        """Whole clips, without labels."""
        return self._dataset(manifest)

    def _dataset(self, manifest: pd.DataFrame, **training: Any) -> UtteranceDataset:
        return UtteranceDataset(
            manifest,
            preprocess=self.preprocess,
            tokenize=self.tokenizer,
            seed=self.recipe.train.seed,
            load=self.load,
            may_lack=self.recipe.may_lack,
            **training,
        )

    def batches(self, dataset: UtteranceDataset, order: Any) -> Iterable[Batch]:
        """The batches of an order."""
        workers = self.recipe.train.workers
        return DataLoader(
            dataset,
            batch_sampler=order,
            collate_fn=Collate(self.tokenizer.pad_id if self.tokenizer is not None else 0),
            num_workers=workers,
            pin_memory=self.pin_memory,
            # fork would copy torch's thread pools in a state they cannot leave
            multiprocessing_context="spawn" if workers else None,
            worker_init_fn=_leave_signals_to_the_main_process if workers else None,
        )

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


def _leave_signals_to_the_main_process(worker: int) -> None:
    """Ctrl-C reaches a whole group of processes; the one that trains must still get its batches to stop in order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
