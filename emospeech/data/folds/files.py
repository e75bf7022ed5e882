"""Splits as files: written whole, with what they are beside them, and read back against a manifest.

splits.csv     id,fold   or   id,split
splits.json    how it was drawn, from which manifest (SHA-256), and what it gives
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech import __version__
from emospeech.data import table
from emospeech.data.folds import emobox
from emospeech.data.folds.kinds import Split
from emospeech.data.folds.summary import summarise
from emospeech.data.manifest import SPLITS
from emospeech.runtime.errors import UserError, faults_of, some
from emospeech.runtime.files import content_hash, refuse_existing, write_all

COLUMNS = ("fold", "split")


def outputs(path: Path, form: str) -> tuple[Path, ...]:
    """What `write` makes.

    Raises:
        UserError: if the form is unknown, or the name is not one for it.
    """
    if form not in FORMATS:
        raise UserError(f"unknown format {form!r}; known: {', '.join(FORMATS)}")
    if form == "csv" and path.suffix != ".csv":
        raise UserError(f"{path}: name the file .csv; what it is goes into a .json of the same name beside it")
    return (path, path.with_suffix(".json")) if form == "csv" else (path,)


def write(split: Split, manifest: pd.DataFrame, source: Path, path: Path, form: str = "csv") -> None:
    """A split, and how it came about, whole or not at all.

    Args:
        source: the manifest's file; its name and SHA-256 are kept.
        path: a .csv, or for EmoBox's layout a folder.

    Raises:
        UserError: if something is there already.
    """
    for output in outputs(path, form):
        refuse_existing(output)
    about = {
        **asdict(split.origin),
        "manifest": source.name,
        "manifest_sha256": content_hash(source),
        "emospeech": __version__,
        **asdict(summarise(split.parts, manifest)),
    }
    FORMATS[form](split.parts, manifest, path, about)


def _write_csv(parts: pd.Series, manifest: pd.DataFrame, path: Path, about: Mapping[str, Any]) -> None:
    frame = pd.DataFrame({"id": parts.index, str(parts.name): parts.tolist()})
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    contents = {path: table.as_csv(frame).encode(errors="surrogateescape")}
    write_all({**contents, path.with_suffix(".json"): text.encode(errors="surrogateescape")})


FORMATS: dict[str, Callable[[pd.Series, pd.DataFrame, Path, Mapping[str, Any]], None]] = {
    "csv": _write_csv,
    "emobox": emobox.write,
}


def read(
    source: Path | Mapping[str, Path], ids: Sequence[str] | None = None, required: Sequence[str] | None = None
) -> pd.Series:
    """Parts under their ids: named `fold` (1, 2, …) or `split` (train, dev, test).

    Args:
        source: a CSV with id,fold or id,split; a folder in EmoBox's layout; or files of ids, such as
            `{"train": …, "dev": …}`.
        ids: those of the manifest, in whose order the parts are given; None: whatever the files name, in their order.
        required: those of them that must be in a part; None: all.

    Raises:
        UserError: with every fault: ids unknown, missing, or in two parts.
    """
    if isinstance(source, Mapping):
        title, (parts, found) = ", ".join(str(path) for path in source.values()), _lists(source)
    elif source.is_dir():
        title, (parts, found) = str(source), emobox.read(source, ids)
    else:
        title, (parts, found) = str(source), _table(source)
    found += _in_two(parts)
    if ids is not None:
        known = set(ids)
        wanted = known if required is None else set(required)
        if unknown := [id for id in dict.fromkeys(parts.index) if id not in known]:
            found.append(f"{len(unknown)} ids are not in the manifest: {some(unknown)}")
        placed = set(parts.index)
        if missing := [id for id in ids if id in wanted and id not in placed]:
            found.append(f"{len(missing)} ids of the manifest are in no {parts.name}: {some(missing)}")
    if found:
        raise faults_of(title, found)
    return parts if ids is None else parts.loc[[id for id in ids if id in placed]]


def _in_two(parts: pd.Series) -> list[str]:
    doubled = parts[parts.index.duplicated(keep=False)]
    told = [f"{id} ({parts.name} {', '.join(sorted(set(same.astype(str))))})" for id, same in doubled.groupby(level=0)]
    return [f"{len(told)} ids are there twice: {some(told)}"] if told else []


def _table(path: Path) -> tuple[pd.Series, list[str]]:
    raw = table.read(path, ["id"], "a split")
    columns = [name for name in COLUMNS if name in raw]
    if len(columns) != 1:
        has = "both columns" if columns else f"neither column (found: {', '.join(raw.columns.drop(table.LINE))})"
        raise UserError(f"{path}: {has}; a split has id,fold or id,split")
    column = columns[0]
    found = [f"line {line}: the id is empty" for line in raw.loc[raw["id"].str.strip() == "", table.LINE]]
    found += [f"line {line}: no {column}" for line in raw.loc[raw[column] == "", table.LINE]]
    if column == "split":
        found += table.check_choice(raw, column, SPLITS)
        return pd.Series(raw[column].tolist(), index=raw["id"].tolist(), name=column), found
    wrong = raw[~raw[column].str.fullmatch(r"0*[1-9]\d{0,8}|")]
    found += [
        f"line {line}: fold {value!r} is not a whole number from 1"
        for line, value in zip(wrong[table.LINE], wrong[column], strict=True)
    ]
    if found:
        return pd.Series(raw[column].tolist(), index=raw["id"].tolist(), name=column), found
    folds = raw[column].astype(int)
    if gaps := sorted(set(range(1, len(set(folds)) + 1)) - set(folds)):
        found.append(f"no id is in fold {some(gaps)}, and the highest fold is {folds.max()}")
    if len(set(folds)) == 1:
        found.append("all ids are in one fold; to test one, another must train")
    return pd.Series(folds.tolist(), index=raw["id"].tolist(), name=column), found


def _lists(files: Mapping[str, Path]) -> tuple[pd.Series, list[str]]:
    """Files of ids, one a part."""
    found = [f"unknown part {name!r}; known: {', '.join(SPLITS)}" for name in files if name not in SPLITS]
    pairs = [(id, name) for name, path in files.items() for id in table.read(path, ["id"], "a file of ids")["id"]]
    return pd.Series([name for _, name in pairs], index=[id for id, _ in pairs], name="split", dtype=object), found
