"""From what a network says of rows to predictions, and to what steers its fit."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from emospeech.runtime.errors import WorkError, some
from emospeech.systems.base import MAIN_TASK, as_predictions
from emospeech.training import evaluation

Found = Mapping[str, Mapping[int, Tensor]]  # task -> row -> probabilities (classes,)


def chances(found: Found, manifest: pd.DataFrame) -> dict[str, np.ndarray]:
    """Task -> probabilities (rows, classes), in manifest order.

    Raises:
        WorkError: naming the clips of which some are not finite.
    """
    every = {task: np.stack([rows[k].numpy() for k in range(len(manifest))]) for task, rows in found.items()}
    sound = np.all([np.isfinite(values).all(axis=1) for values in every.values()], axis=0)
    wrong = manifest["id"][~sound].tolist()
    if wrong:
        raise WorkError(f"the network gives no numbers for {len(wrong)} of {len(manifest)} clips: {some(wrong)}")
    return every


def predictions(
    manifest: pd.DataFrame, every: Mapping[str, np.ndarray], tasks: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The table of `System.predict`.

    Args:
        every: task -> probabilities (rows, classes).
    """
    further = {task: (every[task].tolist(), names) for task, names in tasks.items() if task != MAIN_TASK}
    return as_predictions(manifest["id"].tolist(), every[MAIN_TASK].tolist(), tasks[MAIN_TASK], further)


def steering(found: Found, dev: pd.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """Scores of the main task on dev rows, each of which has a label of it."""
    return evaluation.steering(chances(found, dev)[MAIN_TASK], dev[MAIN_TASK].tolist(), labels)
