"""Scores of predictions as plain values, for files, and as lines, for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from emospeech.data.origins import ALONE, Origins, origins
from emospeech.data.unseen import Unseen
from emospeech.experiments.scoring import calibrated
from emospeech.metrics import statistics
from emospeech.metrics.scores import score
from emospeech.systems.base import MAIN_TASK


def scores_of_tasks(
    rows: pd.DataFrame,
    predictions: pd.DataFrame,
    tasks: Mapping[str, Sequence[str]],
    corpora: pd.Series | None = None,
) -> dict[str, Any]:
    """The main task's scores, as `scores_of`; under `tasks` those of each further one. Rows with a label of it count.

    A further task that no row tells is left out.

    Args:
        rows: truth, the task `label` in the column `label`, each other in that of its name.
        predictions: of the same rows, in their order.
        tasks: task -> its labels.
        corpora: of each row, the name of its corpus, for scores under `by_corpus`; None: no such scores.
    """
    predictions = predictions.set_axis(rows.index)
    scores = _scores_of_task(rows, predictions, MAIN_TASK, tasks[MAIN_TASK], corpora)
    further = {
        task: _scores_of_task(rows, predictions, task, labels, corpora)
        for task, labels in tasks.items()
        if task != MAIN_TASK and task in rows and rows[task].notna().any()
    }
    return {**scores, "tasks": further} if further else scores


def _scores_of_task(
    rows: pd.DataFrame, predictions: pd.DataFrame, task: str, labels: Sequence[str], corpora: pd.Series | None
) -> dict[str, Any]:
    scores = _scores_of_rows(rows, predictions, task, labels)
    if corpora is not None:
        known = rows[task].notna()
        scores["by_corpus"] = {
            name: _scores_of_rows(of, predictions.loc[of.index], task, labels)
            for name, of in rows[known].groupby(corpora[known])
        }
    return scores


def _scores_of_rows(rows: pd.DataFrame, predictions: pd.DataFrame, task: str, labels: Sequence[str]) -> dict[str, Any]:
    return scores_of(*pairs(rows, predictions, task), labels, origins(rows[rows[task].notna()]))


def of_unseen(new: Unseen, rows: pd.DataFrame, predictions: pd.DataFrame, labels: Sequence[str]) -> dict[str, Any]:
    """What is new, how many clips it is, and their scores of the main task, where there are any."""
    told = {"what": new.what}
    part = rows[new.rows]
    if not part[MAIN_TASK].notna().any():
        return {**told, "count": 0}
    return {**told, **_scores_of_rows(part, predictions[new.rows], MAIN_TASK, labels)}


def pairs(rows: pd.DataFrame, predictions: pd.DataFrame, task: str = MAIN_TASK) -> tuple[list[str], list[str]]:
    """True and predicted labels of the rows that have one."""
    known = rows[task].notna().to_numpy(dtype=bool)
    return rows.loc[known, task].tolist(), predictions.loc[known, task].tolist()


def scores_of(
    truth: Sequence[str], prediction: Sequence[str], labels: Sequence[str], together: Origins | None = None
) -> dict[str, Any]:
    """All scores as plain values, with the interval of macro-F1; a second one where clips are told to be alike.

    Args:
        together: whom the clips come from.

    Returns:
        `macro_f1_interval_by` has, too, the `lowest` and `highest` macro-F1 of a single speaker or recording, which of
        few of them (see `statistics.FEWEST`) is all that can be told.
    """
    found = {
        **score(truth, prediction, labels).as_dict(),
        "macro_f1_interval": vars(statistics.interval(truth, [prediction], labels)),
    }
    if together is not None:
        by = statistics.interval(truth, [prediction], labels, clusters=together.names)
        singles = [score(*pair, labels).macro_f1 for pair in _apart(truth, prediction, together)]
        ends = {"lowest": min(singles), "highest": max(singles)} if singles else {}
        found["macro_f1_interval_by"] = {"by": together.by, "clusters": together.count, **vars(by), **ends}
    return found


def _apart(truth: Sequence[str], prediction: Sequence[str], together: Origins) -> Iterator[tuple[list[str], list[str]]]:
    """Truth and prediction of each speaker or recording that has a name."""
    rows = pd.DataFrame({"truth": list(truth), "prediction": list(prediction), "of": list(together.names)})
    for _, own in rows[~rows["of"].str.startswith(ALONE)].groupby("of"):
        yield own["truth"].tolist(), own["prediction"].tolist()


def below(scores: Mapping[str, Any]) -> Iterator[str]:
    """Under the main task's line its interval by origin, the scores of clips whose origin is new, its calibration; the
    scores of its corpora and of further tasks."""
    if by := scores.get("macro_f1_interval_by"):
        yield f"  {interval_by(by)}"
    if new := scores.get("unseen"):
        whole = new["count"] in (0, scores["count"])
        how_many = "all" if new["count"] else "none"
        yield f"  {new['what']}: {how_many} of these clips" if whole else f"  {summary(new['what'], new)}"
    if how_sure := scores.get("calibration"):
        yield f"  {calibrated.told(how_sure)}"
    for corpus, of in scores.get("by_corpus", {}).items():
        yield f"  {summary(corpus, of)}"
    for task, of in scores.get("tasks", {}).items():
        yield f"  {summary(task, of)}   weighted F1 {of['weighted_f1']:.4f}"
        for corpus, one in of.get("by_corpus", {}).items():
            yield f"    {summary(corpus, one)}"


def interval_by(by: Mapping[str, Any]) -> str:
    """The interval over speakers or recordings in words; of fewer than `FEWEST` their own scores, which is no interval.

    >>> interval_by({"by": "speaker", "clusters": 12, "low": 0.4, "high": 0.6, "lowest": 0.1, "highest": 0.9})
    '95 % interval by speaker (12): 0.4000-0.6000'
    >>> interval_by({"by": "speaker", "clusters": 3, "low": 0.4, "high": 0.6, "lowest": 0.41, "highest": 0.62})
    'single speakers (3): 0.4100-0.6200, too few for an interval by speaker'
    """
    if by["clusters"] >= statistics.FEWEST:
        return f"95 % interval by {by['by']} ({by['clusters']}): {by['low']:.4f}-{by['high']:.4f}"
    own = f": {by['lowest']:.4f}-{by['highest']:.4f}" if "lowest" in by else ""
    return f"single {by['by']}s ({by['clusters']}){own}, too few for an interval by {by['by']}"


def summary(name: str, scores: Mapping[str, Any]) -> str:
    """One line a person reads first.

    >>> summary("dev", {"macro_f1": 0.5, "macro_f1_interval": {"low": 0.4, "high": 0.6}, "accuracy": 0.75, "count": 8})
    'dev   macro-F1 0.5000  (95 % interval 0.4000-0.6000)   accuracy 0.7500   8 clips'
    """
    low, high = scores["macro_f1_interval"]["low"], scores["macro_f1_interval"]["high"]
    return (
        f"{name:<5} macro-F1 {scores['macro_f1']:.4f}  (95 % interval {low:.4f}-{high:.4f})   "
        f"accuracy {scores['accuracy']:.4f}   {scores['count']} clips"
    )
