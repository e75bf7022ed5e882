"""The challenge's file, `id,label`: checked against the test table before it is written."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.data import table
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError, faults, some
from emospeech.runtime.files import refuse_existing, write_text


def write(predictions: pd.DataFrame, ids: Sequence[str], labels: Sequence[str], path: Path) -> None:
    """`id,label` in the order of the test table.

    Args:
        predictions: columns id and label; further ones are left out.
        ids: those of the test table, in its order.
        labels: what the challenge knows.

    Raises:
        UserError: if `path` exists, or the predictions do not fit the table.
    """
    refuse_existing(path, "remove it first, or give another -o")
    found = faults_of(predictions, ids, labels)
    if found:
        raise faults(f"the submission does not fit the test table of {len(ids)} rows", found)
    chosen = dict(zip(predictions["id"], predictions["label"], strict=True))
    ordered = pd.DataFrame({"id": list(ids), "label": [chosen[id] for id in ids]})
    write_text(path, ordered.to_csv(index=False, lineterminator="\n"))


def faults_of(predictions: pd.DataFrame, ids: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Missing, foreign and doubled ids, unknown or empty labels.

    >>> faults_of(pd.DataFrame({"id": ["a"], "label": ["joy"]}), ["a", "b"], ["joy"])
    ['1 ids of the table have no prediction: b']
    """
    given, wanted = set(predictions["id"]), set(ids)
    found = []
    missing = [id for id in ids if id not in given]
    if missing:
        found.append(f"{len(missing)} ids of the table have no prediction: {some(missing)}")
    foreign = [id for id in predictions["id"] if id not in wanted]
    if foreign:
        found.append(f"{len(foreign)} predicted ids are not in the table: {some(foreign)}")
    doubled = predictions.loc[predictions["id"].duplicated(), "id"].tolist()
    if doubled:
        found.append(f"{len(doubled)} ids are predicted more than once: {some(doubled)}")
    table_ids = pd.Series(list(ids), dtype=object)
    twice = table_ids[table_ids.duplicated()].tolist()
    if twice:
        found.append(f"{len(twice)} ids are in the table more than once: {some(twice)}")
    unknown = sorted({str(label) for label in predictions["label"]} - set(labels))
    if unknown:
        found.append(f"unknown label {', '.join(map(repr, unknown))}; known: {', '.join(labels)}")
    return found


def read(path: Path) -> pd.DataFrame:
    """A submission or predictions file: columns id and label as text, others as they are.

    Raises:
        UserError: if it is not one.
    """
    return table.read(path, ["id", "label"], "a submission").drop(columns=table.LINE)


def aligned(predictions: pd.DataFrame, gold: pd.DataFrame, name: str = "the submission") -> tuple[list[str], list[str]]:
    """True and predicted labels, row by row in gold order.

    Raises:
        UserError: if the ids are not the same.
    """
    found = faults_of(predictions, gold["id"].tolist(), sorted({*predictions["label"]} - {""}))
    if found:
        raise faults(f"{name} and the gold table are not about the same clips", found)
    unlabelled = gold.loc[gold["label"] == "", "id"].tolist()
    if unlabelled:
        raise UserError(f"the gold table has no label for {len(unlabelled)} ids: {some(unlabelled)}")
    strange = sorted({*predictions["label"]} - set(EMOSPEECH2024))
    if strange and set(gold["label"]) <= set(EMOSPEECH2024):
        raise UserError(f"{name}: unknown label {', '.join(map(repr, strange))}; known: {', '.join(EMOSPEECH2024)}")
    chosen = dict(zip(predictions["id"], predictions["label"], strict=True))
    return gold["label"].tolist(), [chosen[id] for id in gold["id"]]


def label_order(truth: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The labels to score over: the challenge's six, in its order, where no other occurs; else all that occur.

    >>> label_order(["joy", "b"], ["a", "b"])
    ('a', 'b', 'joy')
    """
    present = {*truth, *chosen}
    return EMOSPEECH2024 if present <= set(EMOSPEECH2024) else tuple(sorted(present))
