"""Any folder of sound with a `metadata.csv` whose column `file_name` names the files (Hugging Face's audiofolder).

Further columns are taken over where the manifest has them: `label`, `transcription`, `speaker`, `group`, `gender`,
`accent`, `language`, `split`, `duration`. All others are left alone, unless they are asked for by name.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.corpora.base import Corpus
from emospeech.data import manifest, table
from emospeech.runtime.errors import UserError, faults_of

TABLE = "metadata.csv"
TAKEN = ("transcription", "label", "speaker", "group", "gender", "accent", "language", "split", "duration")


def index(root: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The manifest, in the table's order; the file name is the id.

    Args:
        columns: names of further columns to take over.

    Raises:
        UserError: if `metadata.csv` is missing or faulty.
    """
    if not (root / TABLE).is_file():
        raise UserError(f"{root}: no {TABLE}; an audiofolder has one, with a column file_name")
    raw = table.read(root / TABLE, ["file_name", *columns], "an audiofolder's table")
    further = manifest.further_columns(raw, columns)
    raw = raw.drop(columns="id", errors="ignore").rename(columns={"file_name": "id"})
    found = [fault.replace("id", "file_name", 1) for fault in table.check_ids(raw)]
    found += table.check_choice(raw, "split", manifest.SPLITS) + table.check_seconds(raw, "duration")
    if found:
        raise faults_of(root / TABLE, found)
    return manifest.make(
        further,
        id=raw["id"].tolist(),
        audio=[str(root / name) for name in raw["id"]],
        **{name: manifest.filled(raw[name]) for name in TAKEN if name in raw},
        corpus=["audiofolder"] * len(raw),
        source=table.sources(raw, root / TABLE),
    )


CORPUS = Corpus(
    title="any folder with metadata.csv (file_name, label, …)",
    language="any",
    size="yours",
    labels=None,
    licence="yours",
    source="your own files",
    index=index,
    further_columns=True,
)
