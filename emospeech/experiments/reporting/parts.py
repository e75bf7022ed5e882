"""What a run says of a part of its rows: scores as they are kept, and what can be computed from its predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emospeech.experiments.reporting.breakdown import breakdowns, by_class
from emospeech.experiments.scoring import calibrated
from emospeech.experiments.scoring.calibrated import Calibration, Fitted
from emospeech.metrics.calibration import cross_tempered, reliability
from emospeech.metrics.scores import chance_macro_f1, encode
from emospeech.outputs.report.content import Part

FIFTHS = 5


def part(
    name: str,
    scores: Mapping[str, Any],
    predictions: pd.DataFrame | None,
    truth: pd.Series,
    manifest: pd.DataFrame | None,
    temperature: Fitted | None,
) -> Part:
    """
    Args:
        predictions: of the part's rows; None: there are none.
        truth: id -> label, NA where there is none.
        manifest: what else is known of the rows; None: nothing.
        temperature: fitted to the run's dev predictions; None: there is none.
    """
    labels = scores["labels"]
    told = [label for label, count in zip(labels, scores["support"], strict=True) for _ in range(count)]
    clips = clips_of(predictions, truth, labels)
    found, how = (None, "") if predictions is None else _calibration(name, predictions, clips, labels, temperature)
    return Part(
        name=name,
        scores=scores,
        classes=by_class(scores),
        chance=chance_macro_f1(told, labels),
        clips=clips,
        breakdowns=() if manifest is None else breakdowns(_known(clips, manifest), labels),
        calibration=found,
        calibrated_how=how,
    )


def clips_of(predictions: pd.DataFrame | None, truth: pd.Series, labels: Sequence[str]) -> pd.DataFrame:
    """A row a clip: id, truth, prediction, probabilities of both; NA where one is not known."""
    columns = ["id", "truth", "prediction", "p", "p_truth"]
    if predictions is None:
        return pd.DataFrame(columns=columns)
    frame = pd.DataFrame({"id": predictions["id"], "truth": predictions["id"].map(truth).astype(object)})
    frame["prediction"] = predictions["label"]
    chances = calibrated.chances_of(predictions, labels)
    place = {label: k for k, label in enumerate(labels)}

    def of(column: str) -> list[float | None]:
        if chances is None:
            return [None] * len(frame)
        at = [place.get(label) for label in frame[column]]
        return [None if k is None else float(chances[row, k]) for row, k in enumerate(at)]

    return frame.assign(p=of("prediction"), p_truth=of("truth"))[columns]


def _known(clips: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    labelled = clips[clips["truth"].notna()]
    further = manifest.drop(columns=["label", "split"], errors="ignore")
    return labelled.merge(further, on="id", how="left")


def _calibration(
    name: str, predictions: pd.DataFrame, clips: pd.DataFrame, labels: Sequence[str], temperature: Fitted | None
) -> tuple[Calibration | None, str]:
    known = clips["truth"].isin(list(labels)).to_numpy(dtype=bool)
    chances = calibrated.chances_of(predictions[known], labels)
    if chances is None or not known.any():
        return None, ""
    truth = clips["truth"][known].tolist()
    if name != "dev":
        how = "" if temperature is None else f"fitted to the predictions of {temperature.to}"
        return calibrated.of_predictions(predictions[known], truth, labels, temperature), how
    codes = encode(truth, labels)
    folds = np.random.default_rng(0).permutation(len(codes)) % FIFTHS
    after = cross_tempered(chances, codes, folds) if len(codes) >= 2 * FIFTHS else None
    if after is None:
        return Calibration(reliability(chances, codes)), ""
    how = "for each fifth of the clips fitted to the others, so that no clip is judged by a temperature that it fitted"
    by = None if temperature is None else temperature.temperature
    return Calibration(reliability(chances, codes), reliability(after, codes), by), how
