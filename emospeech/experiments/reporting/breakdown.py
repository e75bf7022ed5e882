"""A part's scores by speaker, recording, corpus, gender; and by class, with intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emospeech.metrics.scores import score
from emospeech.metrics.statistics import class_f1_intervals, wilson
from emospeech.outputs.report.content import Breakdown, ClassScores, Group

SMALL = 20  # clips, below which a group's score says little
MOST = 24  # groups shown
BY: Mapping[str, str] = {
    "speaker": "speaker",
    "group": "source recording",
    "corpus": "corpus",
    "gender": "gender",
    "accent": "accent",
    "language": "language",
}


def breakdowns(rows: pd.DataFrame, labels: Sequence[str]) -> tuple[Breakdown, ...]:
    """By every column that tells two groups or more, and does not give each clip a group of its own.

    Args:
        rows: with `truth`, `prediction`, and those of the columns in `BY` that are known.
    """
    found = [
        _by(rows, column, title, labels)
        for column, title in BY.items()
        if column in rows and 1 < rows[column].nunique() < rows[column].notna().sum()
    ]
    return tuple(found)


def _by(rows: pd.DataFrame, column: str, title: str, labels: Sequence[str]) -> Breakdown:
    groups = [_group(str(name), of, labels) for name, of in rows.groupby(column, sort=True)]
    # the largest say most; of these, the worst is read first
    largest = sorted(groups, key=lambda group: -group.count)[:MOST]
    shown = sorted(largest, key=lambda group: (group.small, group.accuracy))
    return Breakdown(title, tuple(shown), len(groups) - len(shown), int(rows[column].isna().sum()))


def _group(name: str, rows: pd.DataFrame, labels: Sequence[str]) -> Group:
    truth, prediction = rows["truth"].tolist(), rows["prediction"].tolist()
    count, right = len(rows), int((rows["truth"] == rows["prediction"]).sum())
    low, high = wilson(np.array(right / count), np.array(count))
    macro_f1 = score(truth, prediction, labels).macro_f1
    return Group(
        name, count, right, right / count, float(low), float(high), macro_f1, len(set(truth)), count < SMALL
    )  # fmt: skip


def by_class(scores: Mapping[str, Any]) -> tuple[ClassScores, ...]:
    """Of scores as values, with the intervals that their confusion gives."""
    confusion = np.array(scores["confusion"])
    ends = class_f1_intervals(confusion)
    hits = np.diagonal(confusion)
    return tuple(
        ClassScores(
            name,
            scores["support"][k],
            scores["precision"][k],
            _ends(hits[k], confusion[:, k].sum()),
            scores["recall"][k],
            _ends(hits[k], confusion[k].sum()),
            scores["f1"][k],
            None if ends[k] is None else ends[k],
        )
        for k, name in enumerate(scores["labels"])
    )


def _ends(hits: int, of: int) -> tuple[float, float] | None:
    if not of:
        return None
    low, high = wilson(np.array(hits / of), np.array(of))
    return float(low), float(high)
