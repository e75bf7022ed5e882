"""The manifest: one row an utterance. Every corpus becomes one; everything downstream reads nothing else.

| column | |
|---|---|
| `id` | unique, not empty |
| `audio` | path, or NA |
| `transcription` | what is said, or NA; the words "NA" and "null" are words |
| `label` | emotion, or NA where unknown |
| `speaker`, `group` (source recording, e.g. a video), `gender`, `accent`, `language`, `corpus` | or NA |
| `split` | `train`, `dev`, `test` or NA |
| `duration` | seconds, or NA |
| `source` | file and line the row came from, for messages; not written |

Further columns of a table, such as votes, are taken over where they are asked for by name, as text.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.data import table
from emospeech.runtime.errors import faults_of
from emospeech.runtime.files import write_text

TEXT_COLUMNS = (
    "id", "audio", "transcription", "label", "speaker", "group", "gender", "accent", "language", "corpus", "split",
    "source",
)  # fmt: skip
COLUMNS = (*TEXT_COLUMNS, "duration")
WEIGHT = "weight"  # a further column of mixed corpora: how often an epoch hears a row
SPLITS = ("train", "dev", "test")


def make(further: Mapping[str, Sequence[str | None]] | None = None, /, **columns: Any) -> pd.DataFrame:
    """A manifest from columns; those not given are NA.

    Args:
        further: columns that a manifest does not have by itself.

    >>> make(id=["a", "b"], label=["joy", None])["label"].isna().tolist()
    [False, True]
    """
    unknown = set(columns) - set(COLUMNS)
    assert not unknown, f"not a manifest column: {unknown}"
    extra = dict(further or {})
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in {**columns, **extra}.items()})
    frame = frame.reindex(columns=[*COLUMNS, *extra]).reset_index(drop=True)
    for name in (*TEXT_COLUMNS, *extra):
        frame[name] = frame[name].astype("string")
    frame["duration"] = frame["duration"].astype("Float64")
    return frame


def read(path: Path, labels: Sequence[str] | None = None, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A manifest from CSV. Empty fields are NA; audio paths are taken relative to the file.

    Args:
        labels: those that the table may hold; None: any.
        columns: names of further columns to take over.

    Raises:
        UserError: with every fault of the file, each with its line.
    """
    raw = table.read(path, ["id", *columns], "a manifest")
    found = table.check_ids(raw)
    if labels is not None:
        found += table.check_choice(raw, "label", labels)
    found += table.check_choice(raw, "split", SPLITS)
    found += table.check_seconds(raw, "duration")
    if found:
        raise faults_of(path, found)
    known = [name for name in raw.columns if name in COLUMNS and name != "source"]
    frame = make(
        further_columns(raw, columns),
        **{name: filled(raw[name]) for name in known},
        source=table.sources(raw, path),
    )
    frame["audio"] = [path_from(audio, path.parent) for audio in frame["audio"]]
    frame["audio"] = frame["audio"].astype("string")
    return frame


def write(frame: pd.DataFrame, path: Path) -> None:
    """A manifest as CSV, audio paths relative to the file where that is possible; whole or not at all."""
    frame = frame.drop(columns="source")
    folder = path.parent.resolve()
    frame["audio"] = [audio if pd.isna(audio) else path_to(Path(audio), folder) for audio in frame["audio"]]
    write_text(path, table.as_csv(frame))


def filled(column: pd.Series) -> list[str | None]:
    """Text of a table with empty fields as None."""
    return [value if value != "" else None for value in column]


def further_columns(raw: pd.DataFrame, names: Sequence[str]) -> dict[str, list[str | None]]:
    """Columns of a table that a manifest does not have by itself."""
    return {name: filled(raw[name]) for name in names if name not in COLUMNS}


def path_from(audio: Any, folder: Path) -> Any:
    """An audio path of a table as one that opens from here: relative ones start at the table's folder."""
    return audio if pd.isna(audio) else str(folder / audio)


def path_to(audio: Path, folder: Path) -> str:
    """Relative to a folder without symbolic links. A link to a sound keeps its own name, and with it its suffix."""
    return Path(os.path.relpath(audio.parent.resolve() / audio.name, folder)).as_posix()
