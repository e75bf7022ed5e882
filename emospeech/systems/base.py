"""The contract that neural nets, classical pipelines and ensembles share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from emospeech.config import Recipe

MAIN_TASK = "label"  # the manifest's column that scores and submissions are about


class System(Protocol):
    """Fit on manifests, predict manifests, save to and load from a folder."""

    @property
    def recipe(self) -> Recipe:
        """What it was built from."""

    @property
    def tasks(self) -> Mapping[str, Sequence[str]]:
        """Task -> its labels, in the order of the probability columns."""

    @property
    def needs_audio(self) -> bool: ...

    @property
    def needs_text(self) -> bool: ...

    @property
    def needs_dev(self) -> bool:
        """Whether a first fit must be steered by a dev set."""

    @property
    def may_lack(self) -> bool:
        """Whether a row may lack the one or the other, though the system hears and reads."""

    @property
    def parameters(self) -> int | None:
        """How many numbers gradients train; None before a fit, and of what has none such."""

    def fit(self, train: pd.DataFrame, dev: pd.DataFrame | None, folder: Path) -> None:
        """Train; working files and checkpoints go to `folder`, from which an interrupted fit goes on.

        Without `dev`, train afresh for as long as the fit before it, which had one, found best.
        """

    def extract(
        self,
        augmented: Sequence[pd.DataFrame],
        others: Sequence[pd.DataFrame],
        folder: Path | None = None,
        like: Path | None = None,
    ) -> bool:
        """Compute ahead, and keep, what fitting and predicting would compute of these rows; whether there is such.

        Args:
            augmented: rows that training augments: the training rows, then those that a refit adds.
            others: rows that are only predicted.
            folder: of the run, which keeps how it is done for its resumption.
            like: of another run, to do as that did.
        """

    def predict(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """`id`, `label`, `p_<class>` …; of each further task `<task>`, `p_<task>_<class>` …: same ids, same order."""

    def forget(self) -> None:
        """Let go of what memory holds of rows that were fitted or predicted: of a server's callers nothing stays."""

    def save(self, folder: Path) -> None:
        """Write the model, whole or not at all."""

    def hardware(self) -> dict[str, Any]:
        """What it runs on, for the run's record."""


def must_hear(system: System) -> bool:
    """Whether a row without audio cannot be predicted."""
    return system.needs_audio and not system.may_lack


def must_read(system: System) -> bool:
    """Whether a row without a transcript cannot be predicted."""
    return system.needs_text and not system.may_lack


Chances = Sequence[Sequence[float]]  # (rows, classes)


def as_predictions(
    ids: Sequence[str],
    probabilities: Chances,
    labels: Sequence[str],
    further: Mapping[str, tuple[Chances, Sequence[str]]] | None = None,
) -> pd.DataFrame:
    """A predictions table; ties go to the first label.

    Args:
        further: task -> its probabilities and labels.

    >>> as_predictions(["a"], [[0.25, 0.75]], ["joy", "fear"]).to_dict("records")
    [{'id': 'a', 'label': 'fear', 'p_joy': 0.25, 'p_fear': 0.75}]
    >>> list(as_predictions(["a"], [[1.0]], ["joy"], {"gender": ([[0.5, 0.5]], ["female", "male"])}))
    ['id', 'label', 'p_joy', 'gender', 'p_gender_female', 'p_gender_male']
    """
    parts = [pd.DataFrame({"id": list(ids)}), _chosen(MAIN_TASK, "p_", probabilities, labels)]
    parts += [_chosen(task, f"p_{task}_", *each) for task, each in (further or {}).items()]
    return pd.concat(parts, axis=1)


def _chosen(task: str, prefix: str, probabilities: Chances, labels: Sequence[str]) -> pd.DataFrame:
    chances = pd.DataFrame(probabilities, columns=[f"{prefix}{label}" for label in labels], dtype=float)
    best = pd.Series([labels[k] for k in chances.to_numpy().argmax(axis=1)], name=task)
    return pd.concat([best, chances], axis=1)
