"""How far probabilities can be believed, before and after a temperature: from predictions, as values, as a figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from emospeech.data import table
from emospeech.metrics.calibration import Reliability, cross_tempered, reliability, temperature, tempered
from emospeech.metrics.scores import encode
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems import portable
from emospeech.systems.base import MAIN_TASK

DEV = "dev"
BEFORE = "dev, of the model before it was trained on dev, too"


@dataclass(frozen=True)
class Fitted:
    """A temperature, and whose predictions it fits."""

    temperature: float
    to: str = DEV  # DEV; BEFORE, where a refit has seen dev since


@dataclass(frozen=True)
class Calibration:
    """Of some answers."""

    plain: Reliability
    tempered: Reliability | None = None  # None where there is nothing to fit a temperature to
    temperature: float | None = None  # None of several: each fold's, fitted to the other folds
    fitted_to: str | None = None  # whose predictions the temperature fits; None: there is none, or several


def of_values(values: Mapping[str, Any]) -> Calibration:
    """Back from `dataclasses.asdict`."""
    after = values["tempered"]
    return Calibration(
        Reliability(**values["plain"]), after and Reliability(**after), values["temperature"], values.get("fitted_to")
    )


def chances_of(predictions: pd.DataFrame, labels: Sequence[str], task: str = MAIN_TASK) -> np.ndarray | None:
    """Probabilities (rows, classes) in the order of `labels`; of a class that a fold does not know 0; None without."""
    prefix = "p_" if task == MAIN_TASK else f"p_{task}_"
    if not any(f"{prefix}{label}" in predictions for label in labels):
        return None
    columns = predictions.reindex(columns=[f"{prefix}{label}" for label in labels])
    return columns.astype(float).fillna(0.0).to_numpy()


def of_predictions(
    predictions: pd.DataFrame, truth: Sequence[str], labels: Sequence[str], by: Fitted | None = None
) -> Calibration | None:
    """
    Args:
        predictions: of the rows whose label is told by `truth`, in their order.
        by: a temperature that was fitted to other rows.

    Returns:
        None without rows, or without probabilities.
    """
    chances = chances_of(predictions, labels)
    if chances is None or not len(truth):
        return None
    codes = encode(truth, labels)
    if by is None:
        return Calibration(reliability(chances, codes))
    after = reliability(tempered(chances, by.temperature), codes)
    return Calibration(reliability(chances, codes), after, by.temperature, by.to)


def over_folds(
    predictions: pd.DataFrame, truth: Sequence[str], labels: Sequence[str], task: str, seeds: int
) -> Calibration | None:
    """Of out-of-fold predictions with their `fold`, of all seeds; each fold's temperature is fitted to the others."""
    chances = chances_of(predictions, labels, task)
    if chances is None:
        return None
    codes = encode(truth, labels)
    after = cross_tempered(chances, codes, predictions["fold"].to_numpy(dtype=str))
    plain = reliability(chances, codes, repeats=seeds)
    return Calibration(plain, None if after is None else reliability(after, codes, repeats=seeds))


def fitted(folder: RunFolder, labels: Sequence[str]) -> Fitted | None:
    """The temperature of a run, fitted to its dev predictions, as their rows did not train; None where it has none.
    An exported model brings its own.

    Raises:
        UserError: if that of an exported model is damaged.
    """
    path = folder.predictions("dev")
    if not (path.is_file() and folder.split.is_file()):
        told = portable.calibration_of(folder.path / "config.json")  # of an exported model
        return None if told is None else Fitted(*told)
    known = table.read(folder.split, ["id", "label", "split"], "a run's split")
    truth = known[known["split"] == "dev"].drop_duplicates("id").set_index("id")["label"]
    rows = table.read(path, ["id"], "a run's predictions")
    rows = rows[rows["id"].map(truth).isin(list(labels))]
    chances = chances_of(rows.apply(pd.to_numeric, errors="coerce"), labels)
    if chances is None or not len(rows):
        return None
    codes = encode(rows["id"].map(truth).tolist(), labels)
    return Fitted(temperature(chances, codes), BEFORE if _refitted(folder) else DEV)


def _refitted(folder: RunFolder) -> bool:
    """Whether a run's model has seen dev after it predicted it."""
    try:
        recipe = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    data = recipe.get("data") if isinstance(recipe, dict) else None
    return isinstance(data, dict) and data.get("refit") is not None


def told(values: Mapping[str, Any]) -> str:
    """One line of `Calibration` as values.

    >>> told({"plain": {"ece": 0.08123}, "tempered": {"ece": 0.03}, "temperature": 1.5})
    'ECE 0.081; 0.030 at temperature 1.50, fitted to dev'
    """
    before = f"ECE {values['plain']['ece']:.3f}"
    if values["tempered"] is None:
        return before
    to = values.get("fitted_to") or DEV
    return f"{before}; {values['tempered']['ece']:.3f} at temperature {values['temperature']:.2f}, fitted to {to}"


def drawn(found: Calibration, title: str) -> Any:
    """The figure, with a row for what a temperature makes of it."""
    from emospeech.figures import calibration

    by = (
        "each fold's temperature by the others" if found.temperature is None else f"temperature {found.temperature:.2f}"
    )
    after = {} if found.tempered is None else {by: found.tempered}
    return calibration.reliability({"as predicted": found.plain, **after}, title)


def draw(scores: Mapping[str, Any], title: str, path: Path) -> None:
    """The figure of scores that hold `calibration`.

    Raises:
        UserError: if they do not.
    """
    from emospeech import figures

    if "calibration" not in scores:
        raise UserError(f"{path}: these predictions have no probabilities, of which the figure is made")
    figures.save(drawn(of_values(scores["calibration"]), title), path)
