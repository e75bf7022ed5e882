"""What a benchmark is going to do: its folds, and a unit of work for each of them, each system and each seed."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Comparison, Protocol, Recipe
from emospeech.data import table
from emospeech.experiments.protocols import material as materials
from emospeech.experiments.protocols import teaching
from emospeech.experiments.protocols.folds import Fold, folds_of
from emospeech.experiments.protocols.material import Material
from emospeech.experiments.protocols.units import Unit
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems.base import MAIN_TASK

FOLDS = "folds.csv"


@dataclass(frozen=True)
class Plan:
    """All that is to be done."""

    units: tuple[Unit, ...]  # protocol by protocol, system by system
    materials: Mapping[str, Material]  # system -> its rows
    tested: Mapping[str, str]  # protocol -> who is tested in which fold, as CSV
    notes: Mapping[str, Sequence[str]]  # protocol -> what is odd about its folds


def planned(asked: Comparison, rows: Mapping[str, Recipe], folder: RunFolder, hear: bool = True) -> Plan:
    """Read the corpora and draw the folds; nothing is written but the list of clips with unusable audio.

    Folds are drawn once, from the rows of all systems of the benchmark, so that a row is tested in the same fold by
    whichever system has it, and with --quick as without.

    Args:
        rows: the systems that are to run.
        hear: listen to the clips, and have them transcribed; else the plan is for counting alone.

    Raises:
        UserError: if the rows, or the folds, are not as they must be.
    """
    read = {name: _read_as(recipe) for name, recipe in asked.rows.items()}
    first = {key: name for name, key in reversed(list(read.items()))}  # what is read -> the first row that reads it
    divided = any(protocol.kind == "split" for protocol in asked.benchmark.protocols.values())
    found = {key: materials.read(asked.rows[name], divided) for key, name in first.items()}
    alike = ("speaker", "group", "split") if divided else ("speaker", "group")
    pool = materials.together([found[key] for key in dict.fromkeys(read.values())], alike)
    own = _usable(rows, {name: found[read[name]] for name in rows}, folder.bad_audio, hear)
    units: list[Unit] = []
    tested, notes = {}, {}
    for title, protocol in asked.benchmark.protocols.items():
        say(f"{title}: {protocol.kind}")
        drawn = folds_of(pool.manifest, protocol, pool.corpora)
        tested[title] = who_is_tested(pool, drawn)
        odd: dict[str, list[str]] = {}
        for name, recipe in rows.items():
            folds, odd[name] = _taught(name, title, own[name], pool, drawn)
            below = folder.path / title / name
            units += _units(title, protocol, name, recipe, own[name], folds, below, asked.benchmark.keep_models)
        if not any(unit.protocol == title for unit in units):
            raise UserError(f"{title}: no system can learn there what it is tested on; choose another protocol")
        notes[title] = teaching.by_system(odd)
    return Plan(tuple(units), own, tested, notes)


def _read_as(recipe: Recipe) -> str:
    """What decides which rows a recipe has."""
    return repr((recipe.data, recipe.hears, recipe.reads, recipe.may_lack, recipe.reads and recipe.text))


def _usable(rows: Mapping[str, Recipe], read: Mapping[str, Material], listing: Path, hear: bool) -> dict[str, Material]:
    """Each system's rows, heard and transcribed; once for all that have the same."""
    look = materials.usable if hear else materials.listed
    done: dict[str, Material] = {}
    found = {}
    for name, recipe in rows.items():
        key = _read_as(recipe)
        if key not in done:
            done[key] = look(read[name], recipe, listing)
        found[name] = done[key]
    return found


def _taught(
    name: str, title: str, material: Material, pool: Material, drawn: Sequence[Fold]
) -> tuple[list[Fold], list[str]]:
    """The folds of one system, and what is odd about them."""
    at = {key: k for k, key in enumerate(pool.keys)}
    where = np.array([at[key] for key in material.keys])
    folds = [fold for fold in (_among(fold, where) for fold in drawn) if fold.test.any()]
    truth = material.manifest[MAIN_TASK]
    try:
        kept, notes = teaching.taught(folds, material.manifest, material.tasks)
    except UserError as error:
        raise UserError(f"{name} under {title}: {error}") from None
    notes += teaching.gaps(kept, truth, material.labels) if kept else []
    return kept, notes + teaching.untaught(kept, material.manifest, material.tasks)


def _among(fold: Fold, where: np.ndarray) -> Fold:
    """A fold over all rows as one over some of them: those at these places."""
    dev = None if fold.dev is None else fold.dev[where]
    return replace(fold, train=fold.train[where], test=fold.test[where], dev=dev)


def _units(
    title: str,
    protocol: Protocol,
    name: str,
    recipe: Recipe,
    material: Material,
    folds: Sequence[Fold],
    folder: Path,
    keep_models: bool,
) -> Iterator[Unit]:
    places = folders_of([fold.name for fold in folds])
    for seed in protocol.seeds or [recipe.train.seed]:
        seeded = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        if recipe.tune is not None and recipe.tune.by == "auto":  # inner folds keep apart what the outer ones do
            seeded = seeded.model_copy(update={"tune": recipe.tune.model_copy(update={"by": protocol.by})})
        below = folder / f"seed_{seed}" if protocol.seeds else folder
        for fold, place in zip(folds, places, strict=True):
            yield Unit(title, name, seed, fold, seeded, material, below / place, protocol.by, keep_models)


def folders_of(names: Sequence[str]) -> list[str]:
    """Folds' names as those of folders, each another.

    >>> folders_of(["s01", "a/b", "a:b"])
    ['s01', 'a_b', 'a_b 2']
    """
    taken: list[str] = []
    for name in names:
        plain = place = re.sub(r"[^\w .+=-]|^\.+", "_", name)
        number = 1
        while place in taken:
            number += 1
            place = f"{plain} {number}"
        taken.append(place)
    return taken


def who_is_tested(material: Material, folds: Sequence[Fold]) -> str:
    """In which fold: `id`, `fold`, as CSV."""
    ids = material.manifest["id"]
    return table.as_csv(pd.concat([pd.DataFrame({"id": ids[fold.test], "fold": fold.name}) for fold in folds]))


def keep(tested: Mapping[str, str], folder: Path) -> None:
    """Who is tested where, for readers; and so that a resumption finds the corpus that it was begun with.

    Args:
        tested: by protocol, what `who_is_tested` gives.

    Raises:
        UserError: if it is another.
    """
    for protocol, text in tested.items():
        path = folder / protocol / FOLDS
        if path.exists() and path.read_bytes() != text.encode(errors="surrogateescape"):
            raise UserError(
                f"the corpus is no longer the one that {folder} was started on: other rows are tested than {path} "
                "says; put the corpus back, or start afresh with --overwrite or name=…"
            )
        write_text(path, text)
