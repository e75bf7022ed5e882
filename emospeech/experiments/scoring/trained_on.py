"""Whom a run has heard: kept in its folder, and compared with new rows."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech import config
from emospeech.data import table
from emospeech.data.origins import KNOWN_BY
from emospeech.data.unseen import Unseen, unseen
from emospeech.runtime.console import say
from emospeech.runtime.errors import some
from emospeech.runtime.files import write_text
from emospeech.runtime.runs import RunFolder

COLUMNS = ["corpus", *KNOWN_BY]


def keep(folder: RunFolder, train: pd.DataFrame, dev: pd.DataFrame) -> None:
    """The different speakers and recordings of the clips that train and of those that steer, as `origins.csv`."""
    parts = [part[COLUMNS].drop_duplicates().assign(part=name) for name, part in (("train", train), ("dev", dev))]
    told = pd.concat(parts, ignore_index=True)[["part", *COLUMNS]]
    write_text(folder.origins, table.as_csv(told))


def keep_all(folder: RunFolder, others: Sequence[RunFolder]) -> None:
    """What several runs have heard together, unless one of them does not tell."""
    if all(other.origins.is_file() for other in others):
        told = [table.read(other.origins, ["part", *COLUMNS], "a list of whom a run has heard") for other in others]
        write_text(folder.origins, table.as_csv(pd.concat(told, ignore_index=True).drop_duplicates()))


def unseen_by(run: Path, rows: pd.DataFrame) -> Unseen | None:
    """Of rows for a run, those whose speaker and recording neither trained nor steered it; None, and said why, if
    nobody can tell.

    A name without a corpus, on either side, is the same in every corpus.

    Raises:
        UserError: if the run's list cannot be read.
    """
    folder = RunFolder(run)
    if why := _untold(folder, rows):
        say(f"note: no score of clips that are new to the run: {why}")
        return None
    heard = _read(folder)
    found = unseen(heard, rows)
    if found is None:
        sides = [_named(one) or "neither speakers nor recordings" for one in (heard, rows)]
        say(f"note: no score of clips that are new to the run: training tells {sides[0]}, the manifest {sides[1]}")
    elif alike := _alike(heard, rows[found.rows]):
        say(f"note: {some(alike)}: training knows such names, too, but of another corpus; they count as new")
    return found


def _untold(folder: RunFolder, rows: pd.DataFrame) -> str:
    """Why nobody can tell; empty where a comparison may."""
    if not _named(rows):
        return "the manifest tells neither speaker nor group"
    if not folder.origins.is_file():
        return (
            f"{folder.path} has no list of the speakers and recordings that trained it ({folder.origins.name}), as "
            "runs of earlier versions have none; train it again"
        )
    return ""


def _named(rows: pd.DataFrame) -> str:
    return " and ".join(what for name, what in KNOWN_BY.items() if rows[name].notna().any())


def _read(folder: RunFolder) -> pd.DataFrame:
    kept = table.read(folder.origins, ["part", *COLUMNS], "a list of whom a run has heard")
    return kept[COLUMNS].replace("", None).replace({"corpus": _corpora(folder)})


def _corpora(folder: RunFolder) -> dict[str, str]:
    """The names that a mixture gives its corpora, and what they are."""
    if not folder.config.is_file():
        return {}
    return {part.name: part.corpus for part in config.load(folder.config).data.mixture if part.name and part.corpus}


def _alike(heard: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """Names of new rows that training has of a corpus of another name."""
    return sorted({name for column in KNOWN_BY for name in set(new[column].dropna()) & set(heard[column].dropna())})
