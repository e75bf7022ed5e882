"""The challenge's file: checked against the test table before it is written, and read back to be scored."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.data import table
from emospeech.labels import EMOSPEECH2024
from emospeech.outputs.formats import FORMATS, TASKS, Format, bare_id, zip_beside, zipped
from emospeech.runtime.errors import UserError, faults, gather, some
from emospeech.runtime.errors import faults_of as faults_in
from emospeech.runtime.files import as_json, refuse_existing, write_all


def write(
    predictions: Mapping[str, pd.DataFrame],
    ids: Sequence[str],
    labels: Sequence[str],
    path: Path,
    form: Format = FORMATS["label"],
    with_zip: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """The file of a format, in the order of the test table; `with_zip`: also a zip of it beside `path`.

    Args:
        predictions: task of the format -> columns id and label; further ones are left out.
        ids: those of the test table, in its order.
        labels: what the challenge knows.
        origin: what is kept beside it, as JSON.

    Raises:
        UserError: if a file exists, or the predictions do not fit the table.
    """
    refuse_outputs(path, form, with_zip)
    fitting = [partial(check, predictions[task], ids, labels, task) for task in form.tasks]
    gather("the submission cannot be written", [partial(_check_spelling, ids, form), *fitting])
    columns = {task: predictions[task].set_index("id")["label"].loc[list(ids)].tolist() for task in form.tasks}
    whole = pd.DataFrame({"id": [form.written_id(id) for id in ids], **columns})
    content = whole.to_csv(index=False, lineterminator="\n").encode()
    files = {path: content}
    if with_zip and form.packed_as:
        files[zip_beside(path)] = zipped(form.packed_as, content)
    if origin is not None:
        files[path.with_suffix(".json")] = as_json(origin).encode()
    write_all(files)


def refuse_outputs(path: Path, form: Format, with_zip: bool) -> None:
    """Before the work that makes a submission: can its files be written?

    Raises:
        UserError: if one exists, cannot come to exist, or the format has no zip.
    """
    if path.suffix.lower() == ".zip":
        raise UserError(f"-o {path}: name the CSV, as {path.with_suffix('.csv')}; --zip puts the zip beside it")
    if with_zip and form.packed_as is None:
        takers = [name for name, one in FORMATS.items() if one.packed_as]
        raise UserError(f"--zip goes with --format {' or '.join(takers)}; leave it out")
    for target in (path, path.with_suffix(".json"), *([zip_beside(path)] if with_zip else [])):
        refuse_existing(target, "remove it first, or give another -o")


def _check_spelling(ids: Sequence[str], form: Format) -> None:
    alike: dict[str, list[str]] = {}
    for id in dict.fromkeys(ids):  # one that is in the table twice is a fault of its own
        alike.setdefault(form.written_id(id), []).append(id)
    clashes = [f"{' and '.join(group)} would both be {name}" for name, group in alike.items() if len(group) > 1]
    if clashes:
        raise faults("ids of the test table that this format cannot tell apart", clashes)


def check(predictions: pd.DataFrame, ids: Sequence[str], labels: Sequence[str], task: str = "label") -> None:
    """
    Raises:
        UserError: with everything that keeps predictions from being a submission for the table.
    """
    found = faults_of(predictions, ids, labels)
    given = predictions["id"].tolist()
    if set(given) != set(ids) == set(_spelled_as(ids, given)):
        found.append("the ids differ by .mp3 alone; spell them as the table does")
    if found:
        what = "the submission does" if task == "label" else f"the predictions for {task} do"
        raise faults(f"{what} not fit the test table of {len(ids)} rows", found)


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
    empty = predictions.loc[predictions["label"] == "", "id"].tolist()
    if empty:
        found.append(f"{len(empty)} ids have an empty label: {some(empty)}")
    unknown = sorted({str(label) for label in predictions["label"]} - {*labels, ""})
    if unknown:
        found.append(f"unknown label {', '.join(map(repr, unknown))}; known: {', '.join(labels)}")
    return found


def read(path: Path, task: str = "label", what: str = "a submission") -> pd.DataFrame:
    """A submission or predictions file: columns id and label as text, others as they are; `label` is that of `task`.

    Args:
        what: what it should be, for messages.

    Raises:
        UserError: if it is not one, has rows without an id, or does not answer the task.
    """
    whole = table.read(path, ["id"], what)
    if len(nameless := whole.loc[whole["id"].str.strip() == "", table.LINE]):
        raise UserError(f"{path}: the id is empty in line {some(nameless.tolist())}")
    whole = whole.drop(columns=table.LINE)
    if task not in whole:
        others = [column for column in whole if column in TASKS]
        if others:
            raise UserError(
                f"{path}: no column {task}, but {', '.join(others)}; `emospeech score` takes one with --column"
            )
        table.read(path, ["id", task], what)  # says what is there instead
    return whole.assign(label=whole[task])


def read_gold(path: Path) -> pd.DataFrame:
    """True labels: columns id and label as text, others as they are; a label may be empty.

    Raises:
        UserError: if it is no such table, or an id is empty or doubled.
    """
    whole = table.read(path, ["id", "label"], "a table of true labels")
    if found := table.check_ids(whole):
        raise faults_in(path, found)
    return whole.drop(columns=table.LINE)


def require_different(paths: Sequence[Path]) -> None:
    """
    Raises:
        UserError: if a file is named twice, however it is spelled.
    """
    real = [path.resolve() for path in paths]
    if twice := [str(path) for k, path in enumerate(paths) if real[k] in real[:k]]:
        raise UserError(f"named twice: {', '.join(dict.fromkeys(twice))}")


def together(gold: pd.DataFrame, by: str, path: Path) -> list[str]:
    """Where each row of a gold table comes from, by a column such as speaker.

    Raises:
        UserError: if there is no such column, it is the label, or it has empty fields.
    """
    if by == "label":
        raise UserError("--by label: a label is what is asked; name where clips come from, as --by speaker")
    if by not in gold:
        raise UserError(f"{path}: no column {by!r} for --by; there are {', '.join(gold.columns)}")
    values: list[str] = gold[by].tolist()
    if empty := sum(value == "" for value in values):
        raise UserError(f"{path}: {empty} clips have no {by}, by which they are to be kept together")
    return values


def aligned(predictions: pd.DataFrame, gold: pd.DataFrame, name: str = "the submission") -> tuple[list[str], list[str]]:
    """True and predicted labels, row by row in gold order; ids match with or without their `.mp3`.

    Raises:
        UserError: if the ids are not the same.
    """
    ids = _spelled_as(predictions["id"].tolist(), gold["id"].tolist())
    found = faults_of(predictions, ids, sorted({*predictions["label"]} - {""}))
    if found:
        raise faults(f"{name} and the gold table are not about the same clips", found)
    unlabelled = gold.loc[gold["label"] == "", "id"].tolist()
    if unlabelled:
        raise UserError(f"the gold table has no label for {len(unlabelled)} ids: {some(unlabelled)}")
    strange = sorted({*predictions["label"]} - set(EMOSPEECH2024))
    if strange and set(gold["label"]) <= set(EMOSPEECH2024):
        raise UserError(f"{name}: unknown label {', '.join(map(repr, strange))}; known: {', '.join(EMOSPEECH2024)}")
    chosen = dict(zip(predictions["id"], predictions["label"], strict=True))
    return gold["label"].tolist(), [chosen[id] for id in ids]


def _spelled_as(given: Sequence[str], ids: Sequence[str]) -> list[str]:
    """`ids`, each in the spelling of `given` where that differs by the audio ending alone.

    >>> _spelled_as(["a", "b.mp3"], ["a.mp3", "b", "c.mp3"])
    ['a', 'b.mp3', 'c.mp3']
    """
    exact, by_bare = set(given), {bare_id(id): id for id in given}
    return [id if id in exact else by_bare.get(bare_id(id), id) for id in ids]


def label_order(truth: Sequence[str], chosen: Sequence[str]) -> tuple[str, ...]:
    """The labels to score over: the challenge's six, in its order, where no other occurs; else all that occur.

    >>> label_order(["joy", "b"], ["a", "b"])
    ('a', 'b', 'joy')
    """
    present = {*truth, *chosen}
    return EMOSPEECH2024 if present <= set(EMOSPEECH2024) else tuple(sorted(present))
