"""EmoSPeech 2024 (IberLEF): the challenge's tables, and its mp3 folders where they have been downloaded.

root/EmoSPeech_phase_2_train.csv        id,label,transcription
root/EmoSPeech_phase_2_test_public.csv  id,transcription          (may be absent)
root/train_split.csv, dev_split.csv     id,…: the winner's split  (may be absent)
root/train_segments/, test_segments/    <id>, mp3                 (may be absent: text-only recipes)
"""

from pathlib import Path

import pandas as pd

from emospeech.corpora.base import Corpus
from emospeech.data import manifest, table
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError, faults, faults_of, some

TRAIN_TABLE, TEST_TABLE = "EmoSPeech_phase_2_train.csv", "EmoSPeech_phase_2_test_public.csv"
TRAIN_SPLIT, DEV_SPLIT = "train_split.csv", "dev_split.csv"
TRAIN_AUDIO, TEST_AUDIO = "train_segments", "test_segments"


def index(root: Path) -> pd.DataFrame:
    """The manifest of the challenge: train rows first, then test rows, each in its table's order.

    Raises:
        UserError: if a table is missing or faulty.
    """
    if not (root / TRAIN_TABLE).is_file():
        tables = sorted(path.name for path in root.glob("*.csv")) if root.is_dir() else []
        raise UserError(
            f"{root} is not the EmoSPeech 2024 folder: no {TRAIN_TABLE} in it "
            f"(tables found: {some(tables, 6) if tables else 'none'})"
        )
    train = read_table(root / TRAIN_TABLE, root / TRAIN_AUDIO)
    unlabelled = train[train["label"].isna()]
    if len(unlabelled):
        raise faults(
            f"{root / TRAIN_TABLE}: {len(unlabelled)} rows without a label",
            [f"{row.source}: id {row.id}" for row in unlabelled.itertuples()],
        )
    train["split"] = _published_split(root, train)
    parts = [train]
    if (root / TEST_TABLE).is_file():
        parts.append(read_table(root / TEST_TABLE, root / TEST_AUDIO).assign(split="test"))
    whole = pd.concat(parts, ignore_index=True)
    doubled = whole.loc[whole["id"].duplicated(), "id"].tolist()
    if doubled:
        raise UserError(f"{root}: {len(doubled)} ids are in both {TRAIN_TABLE} and {TEST_TABLE}: {some(doubled)}")
    return whole


def read_table(path: Path, audio_folder: Path | None = None) -> pd.DataFrame:
    """One challenge table as a manifest. `audio_folder`: where its mp3 files lie; None or absent: audio is NA.

    Raises:
        UserError: with every fault of the table.
    """
    raw = table.read(path, ["id", "transcription"], "a challenge table")
    found = table.check_ids(raw) + table.check_choice(raw, "label", EMOSPEECH2024)
    if found:
        raise faults_of(path, found)
    with_audio = audio_folder is not None and audio_folder.is_dir()
    return manifest.make(
        id=raw["id"].tolist(),
        audio=[str(Path(audio_folder or "") / name) if with_audio else None for name in raw["id"]],
        transcription=raw["transcription"].tolist(),  # "NA" and "null" are words here, and "" is a fault of its own
        label=manifest.filled(raw["label"]) if "label" in raw else [None] * len(raw),
        language=["es"] * len(raw),
        corpus=["emospeech2024"] * len(raw),
        source=table.sources(raw, path),
    )


def _published_split(root: Path, train: pd.DataFrame) -> list[str | None]:
    """`train` or `dev` by the winner's split files, where they lie beside the tables; else all None.

    Where only one of the two files is there, the other part is what it leaves.
    """
    split: dict[str, str] = {}
    absent = []
    for name, path in (("train", root / TRAIN_SPLIT), ("dev", root / DEV_SPLIT)):
        if not path.is_file():
            absent.append(name)
            continue
        rows = table.read(path, ["id"], "a split file")
        unknown = sorted(set(rows["id"]) - set(train["id"]))
        if unknown:
            raise UserError(f"{path}: {len(unknown)} ids are not in {TRAIN_TABLE}: {some(unknown)}")
        both = sorted(set(rows["id"]) & set(split))
        if both:
            raise UserError(f"{path}: {len(both)} ids are in {TRAIN_SPLIT} too: {some(both)}")
        split |= dict.fromkeys(rows["id"], name)
    left = absent[0] if len(absent) == 1 else None
    return [split.get(id, left) for id in train["id"]]


CORPUS = Corpus(
    title="EmoSPeech 2024 shared task, Spanish video",
    language="es",
    size="3000 + 750 clips",
    labels=EMOSPEECH2024,
    licence="by agreement with the organisers",
    source="the organisers of EmoSPeech at IberLEF 2024",
    index=index,
    audio_at=f"{TRAIN_AUDIO}/ and {TEST_AUDIO}/ in data.root",
    speech="natural",
)
