"""Corpora whose file names are not publicly documented: a table in audiofolder's form tells what each file is."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.corpora import audiofolder
from emospeech.corpora.base import Skipped, sounds
from emospeech.labels import WORDS
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults, some

COLUMNS = "file_name,label,speaker,gender (and where known transcription, split, group)"


def read(
    root: Path,
    corpus: str,
    labels: Sequence[str] | None,
    language: str,
    accent: str | None = None,
    columns: Sequence[str] = (),
) -> pd.DataFrame:
    """The manifest, in the table's order; the language and accent of the corpus where the table has none.

    Args:
        labels: those that the table may hold; None: any, and words that no label space knows are told.
        columns: further ones to take over.

    Raises:
        UserError: if the table is missing or faulty, or not one of its files is there.
    """
    if not (root / audiofolder.TABLE).is_file():
        raise UserError(
            f"{root}: no {audiofolder.TABLE}. How the files of {corpus} are named is not publicly documented, so a "
            f"table of yours says what they are, made from what came with the corpus: {COLUMNS}"
        )
    rows = audiofolder.index(root, columns)
    _check_labels(root, rows, labels)
    if rows["speaker"].isna().all():
        say(f"note: no speaker in {root / audiofolder.TABLE}: folds cannot keep speakers apart")
    _compare(root, rows)
    return rows.assign(
        corpus=pd.array([corpus] * len(rows), dtype="string"),
        language=rows["language"].fillna(language),
        accent=rows["accent"].fillna(accent) if accent else rows["accent"],
    )


def _check_labels(root: Path, rows: pd.DataFrame, labels: Sequence[str] | None) -> None:
    there = rows[rows["label"].notna()]
    if labels is None:
        unknown = sorted(set(there["label"]) - set(WORDS))
        if unknown:
            say(f"note: labels that no label space has a place for: {some(unknown, 8)}")
        return
    wrong = there[~there["label"].isin(labels)]
    if len(wrong):
        raise faults(
            f"{root / audiofolder.TABLE}: {len(wrong)} unknown labels; known: {', '.join(labels)}",
            [f"{source}: {label!r}" for source, label in zip(wrong["source"], wrong["label"], strict=True)],
        )


def _compare(root: Path, rows: pd.DataFrame) -> None:
    """Tell what is in the table and not in the folder, and the other way round."""
    listed = {Path(path) for path in rows["audio"]}
    there = {path for path in listed if path.is_file()}
    if not there:
        raise UserError(
            f"{root}: not one of the {len(rows)} files that {audiofolder.TABLE} names is there "
            f"(first: {rows['id'][0]}); file_name is a path below this folder"
        )
    absent = sorted(path.relative_to(root).as_posix() for path in listed - there)
    if absent:
        what = f"files that {audiofolder.TABLE} names"
        say(f"note: {len(absent)} of {len(listed)} {what} are not there: {some(absent)}")
    empty = sorted(path.relative_to(root).as_posix() for path in there if path.stat().st_size == 0)
    if empty:
        say(f"note: {len(empty)} files that {audiofolder.TABLE} names are empty: {some(empty)}")
    skipped = Skipped(root)
    for path in sounds(root):
        if path not in listed:
            skipped.add(path, f"not in {audiofolder.TABLE}")
    skipped.told()
