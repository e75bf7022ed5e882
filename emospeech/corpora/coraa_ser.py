"""CORAA SER 1.0 (SE&R 2022 at PROPOR): informal Brazilian Portuguese, segments of C-ORAL-BRASIL I.

    train/<file-id>_<class>.wav         such as bfamcv02_segment110_non-neutral-female.wav; documented by its page
    test_ser/<other name>.wav           the shared task's test, under names without a class
    test_ser_metadata.csv               file,label,wav_file: its original name, class, name in test_ser/

Files are known by their names, whatever folder they were unpacked into. A name that begins with a recording of
C-ORAL-BRASIL gives the group; people talk to each other there, so nobody knows the speaker.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.corpora.base import Corpus, Skipped, nothing_found, sounds
from emospeech.data import manifest, table
from emospeech.labels import CORAA_SER
from emospeech.runtime.console import say
from emospeech.runtime.errors import faults_of, some

TEST_TABLE = "test_ser_metadata.csv"
COLUMNS = ("file", "label", "wav_file")
NAME = re.compile(rf"(.+)_({'|'.join(CORAA_SER)})")
RECORDING = re.compile(r"(b[a-z]+\d+)_segment\d+.*")
GENDERS = {"non-neutral-female": "female", "non-neutral-male": "male"}


def index(root: Path) -> pd.DataFrame:
    """The manifest: train in the order of the paths, then test in its table's order. The id is the file's name.

    `gender` is that of the class, NA for neutral speech.

    Raises:
        UserError: if no file is named as the corpus's are, or the test's table is faulty.
    """
    files, skipped = dict[str, Path](), Skipped(root)
    for path in sounds(root):
        if path.stat().st_size == 0:
            skipped.add(path, "empty")
        elif path.name in files:
            skipped.add(path, "a clip that is there already in another folder")
        else:
            files[path.name] = path
    test = _test(root)
    of_the_test = {name for row in test for name in (row["wav_file"], row["file"])}
    train = []
    for name, path in files.items():
        parts = NAME.fullmatch(path.stem)
        if name not in of_the_test and parts:
            where = path.relative_to(root).as_posix()
            train.append({"id": name, "file": name, "label": parts[2], "split": "train", "source": where})
        elif name not in of_the_test:
            skipped.add(path, f"no class in the name, and not in {TEST_TABLE}")
    if not train and not any(name in files for name in of_the_test):
        raise nothing_found(
            root, "CORAA SER", f"train/<file-id>_<{', '.join(CORAA_SER)}>.wav, or test_ser/ and {TEST_TABLE}"
        )
    skipped.told()
    _tell_absent(root, test, files)
    return _manifest([*train, *test], files)


def _test(root: Path) -> list[dict[str, Any]]:
    """The rows of the test's table; none where there is no table."""
    path = root / TEST_TABLE
    if not path.is_file():
        return []
    raw = table.read(path, COLUMNS, "the table of CORAA SER's test")
    for column in ("file", "wav_file"):  # with or without their folder
        raw[column] = [re.split(r"[/\\]", name)[-1] for name in raw[column]]
    rows = raw.assign(id=raw["wav_file"], split="test", source=table.sources(raw, path))
    found = table.check_ids(rows) + table.check_choice(rows, "label", CORAA_SER)
    if found:
        raise faults_of(path, found)
    return rows.to_dict("records")


def _tell_absent(root: Path, test: list[dict[str, Any]], files: Mapping[str, Path]) -> None:
    absent = [row["wav_file"] for row in test if row["wav_file"] not in files and row["file"] not in files]
    if absent:
        say(f"note: {len(absent)} of {len(test)} clips of {TEST_TABLE} are not in {root}: {some(absent)}")


def _manifest(rows: list[dict[str, Any]], files: Mapping[str, Path]) -> pd.DataFrame:
    paths = [files.get(row["id"], files.get(row["file"])) for row in rows]
    recordings = [RECORDING.fullmatch(row["file"]) for row in rows]
    return manifest.make(
        id=[row["id"] for row in rows],
        audio=[str(path) if path else None for path in paths],
        label=[row["label"] or None for row in rows],
        group=[parts[1] if parts else None for parts in recordings],
        gender=[GENDERS.get(row["label"]) for row in rows],
        accent=["brazil"] * len(rows),
        language=["pt"] * len(rows),
        corpus=["coraa_ser"] * len(rows),
        split=[row["split"] for row in rows],
        source=[row["source"] for row in rows],
    )


CORPUS = Corpus(
    title="CORAA SER 1.0 (SE&R 2022), Brazilian Portuguese, spontaneous",
    language="pt",
    size="about 50 minutes",
    labels=CORAA_SER,
    licence="see its page; C-ORAL-BRASIL's material",
    source="github.com/rmarcacini/ser-coraa-pt-br",
    index=index,
    audio_at="data.root, train/ and test_ser/",
    speech="natural",
)
