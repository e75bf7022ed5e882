"""A benchmark: systems, each a recipe with changes, under protocols; fold by fold into one folder, then a report.

    runs/<name>/
      config.yaml, environment.json     what was asked for, and where it ran
      <protocol>/folds.csv              id,fold: who is tested where
      <protocol>/<system>/<fold>/       predictions.csv, fold.json of one fold (below seed_<n>/ with several seeds)
      <protocol>/<system>/predictions.csv    all out-of-fold predictions
      table.csv, folds.csv, scores.json, figures/

Any number of processes may run the same command at once (`--resume` joins): each takes folds that nobody has in hand.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Comparison, Protocol, Recipe
from emospeech.data import table
from emospeech.encoders.store.locks import locked
from emospeech.experiments.protocols import report, work
from emospeech.experiments.protocols.folds import Fold, folds_of, refuse_hopeless, told
from emospeech.experiments.protocols.material import Material, prepared
from emospeech.experiments.protocols.outcomes import Outcome, outcomes, predictions_of
from emospeech.experiments.protocols.units import Unit
from emospeech.runtime import distributed, runs
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK

FOLDS = "folds.csv"


def run(
    asked: Comparison,
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    json: Path | None = None,
) -> Iterator[str]:
    """Work off all folds of all rows under all protocols, and give the lines to print.

    Args:
        quick: only the rows that the benchmark calls quick.
        resume: go on with what is there, or join those who are at it.
        json: a further file for all scores.

    Raises:
        UserError: if recipe, data or folder are not as they must be; before any long work.
        Interrupted: if asked to stop; `resume` goes on from there.
    """
    distributed.start()
    folder = RunFolder(Path(asked.runs_dir).expanduser() / asked.name)
    rows = _rows(asked, quick)
    with entered(folder, _as_yaml(asked), resume, overwrite):
        materials = _materials(rows, folder)
        units, notes = _planned(asked, rows, materials, folder)
        distributed.on_main(lambda: _begun(folder, _as_yaml(asked)))
        _extract(rows, materials, folder)
        workers = asked.benchmark.workers
        number, count = work.array_share()
        with work.helped(workers, _help, units, folder.path, workers):
            work.work_off(units, folder.path, (number * workers, count * workers))
        found = distributed.on_main(lambda: _reported(asked, units, folder, json))
        yield from report.lines(found, notes)
        yield f"benchmark: {folder.path}"


def _help(units: Sequence[Unit], folder: Path, workers: int, helper: int) -> None:
    number, count = work.array_share()
    work.work_off(units, folder, (number * workers + helper, count * workers))


def _rows(asked: Comparison, quick: bool) -> Mapping[str, Recipe]:
    if not quick:
        return asked.rows
    if not asked.benchmark.quick:
        raise UserError("--quick: the recipe names no quick rows; name them in benchmark.quick")
    return {name: asked.rows[name] for name in asked.benchmark.quick}


@contextmanager
def entered(folder: RunFolder, config: str, resume: bool, overwrite: bool) -> Iterator[None]:
    """The folder, shared with others who work on the same benchmark; emptied first where that was asked for.

    Raises:
        UserError: if there is something else, or somebody works in what is to be emptied.
    """
    distributed.on_main(lambda: runs.refuse_or_continue(folder, config, resume, overwrite))
    if overwrite:
        with runs.locked(folder, distributed.is_main()):
            distributed.on_main(lambda: runs.clear(folder))
    distributed.on_main(lambda: folder.path.mkdir(parents=True, exist_ok=True))
    with locked(folder.path / ".lock", shared=True) as held:
        if held is False:
            raise UserError(f"another process is emptying {folder.path}; wait for it, or choose another name=…")
        yield


def _begun(folder: RunFolder, config: str) -> None:
    """What was asked for, from the first process that comes."""
    with locked(folder.path / ".begin", wait=True):
        if folder.started and folder.config.read_text(encoding="utf-8") != config:
            raise UserError(f"{folder.path} has just been started with another recipe; choose another with name=…")
        runs.begin(folder, config, 0, {})


def _as_yaml(asked: Comparison) -> str:
    from omegaconf import OmegaConf

    return str(OmegaConf.to_yaml(OmegaConf.create(dict(asked.plain))))


def _materials(rows: Mapping[str, Recipe], folder: RunFolder) -> dict[str, Material]:
    """The rows that each system is given; read once for all that ask for the same."""
    read: dict[str, Material] = {}
    found = {}
    for name, recipe in rows.items():
        key = repr((recipe.data, recipe.hears, recipe.reads, recipe.may_lack, recipe.text and recipe.text.transcripts))
        if key not in read:
            read[key] = prepared(recipe, folder.bad_audio)
        found[name] = read[key]
    return found


def _planned(
    asked: Comparison, rows: Mapping[str, Recipe], materials: Mapping[str, Material], folder: RunFolder
) -> tuple[list[Unit], dict[str, list[str]]]:
    """All units, protocol by protocol, and what is odd about the folds."""
    units: list[Unit] = []
    notes: dict[str, list[str]] = {}
    first = next(iter(materials.values()))
    for title, protocol in asked.benchmark.protocols.items():
        say(f"{title}: {protocol.kind}")
        folds = folds_of(first.manifest.assign(label=first.any_label()), protocol, first.corpora)
        distributed.on_main(lambda t=title, f=folds: _keep(first, f, folder.path / t / FOLDS))  # type: ignore[misc]
        for name, recipe in rows.items():
            material = materials[name]
            own = [_for(material, first, fold) for fold in folds]
            truth = material.manifest[MAIN_TASK]
            refuse_hopeless(own, truth)
            notes[title] = [note for fold in own for note in told(fold, truth, material.labels)]
            units += _units(title, protocol, name, recipe, material, own, folder, asked.benchmark.keep_models)
    return units, notes


def _for(material: Material, first: Material, fold: Fold) -> Fold:
    """A fold that was drawn on the first system's rows, on another's: rows that have no label there are in none."""
    if material is first:
        return fold
    ids = first.manifest["id"]

    def same(mask: np.ndarray) -> np.ndarray:
        found: np.ndarray = material.manifest["id"].isin(ids[mask].tolist()).to_numpy(dtype=bool)
        return found

    dev = None if fold.dev is None else same(fold.dev)
    return replace(fold, train=same(fold.train), test=same(fold.test), dev=dev)


def _units(
    title: str,
    protocol: Protocol,
    name: str,
    recipe: Recipe,
    material: Material,
    folds: Sequence[Fold],
    folder: RunFolder,
    keep_models: bool,
) -> list[Unit]:
    seeds = protocol.seeds or [recipe.train.seed]
    found = []
    for seed in seeds:
        own = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        below = folder.path / title / name / (f"seed_{seed}" if protocol.seeds else "")
        found += [
            Unit(title, name, seed, fold, own, material, below / path_of(fold.name), protocol.by, keep_models)
            for fold in folds
            if fold.test.any()
        ]
    return found


def path_of(name: str) -> str:
    """A fold's name as that of a folder."""
    return re.sub(r"[^\w .+=-]", "_", name)


def _keep(material: Material, folds: Sequence[Fold], path: Path) -> None:
    """Who is tested where, for readers; and so that a resumption finds the corpus it was begun with.

    Raises:
        UserError: if it is another.
    """
    ids = material.manifest["id"]
    frame = pd.concat([pd.DataFrame({"id": ids[fold.test], "fold": fold.name}) for fold in folds])
    text = table.as_csv(frame)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UserError(
            f"the corpus is no longer the one that {path.parent.parent} was started on: other rows are tested than "
            f"{path} says; put the corpus back, or start afresh with --overwrite or name=…"
        )
    write_text(path, text)


def _extract(rows: Mapping[str, Recipe], materials: Mapping[str, Material], folder: RunFolder) -> None:
    """Features that no label has a say in, for all folds at once."""
    done = set()
    for name, recipe in rows.items():
        hears = recipe.model_dump_json(include={"system", "speech", "text", "classical", "cache", "tune"})
        key = (hears, id(materials[name]))
        if key not in done and not _summed_by_labels(recipe):
            build.build(recipe, materials[name].tasks).extract([materials[name].manifest], [])
        done.add(key)


def _summed_by_labels(recipe: Recipe) -> bool:
    """Whether layers may be stored as a sum whose weights are learned from labels: each fold learns its own."""
    weighted = recipe.speech is not None and (
        recipe.speech.layers == "weighted" or isinstance(recipe.speech.layers, list)
    )
    return recipe.system == "neural" and weighted and recipe.cache is not None and recipe.cache.mode != "layers"


def _reported(asked: Comparison, units: Sequence[Unit], folder: RunFolder, json: Path | None) -> list[Outcome]:
    """Scores of all that is there, written down."""
    by_system: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        by_system.setdefault((unit.protocol, unit.row), []).append(unit)
    found: list[Outcome] = []
    for (protocol, row), own in by_system.items():
        found += outcomes(own, asked.benchmark.published.get(protocol, {}).get(row))
        columns = ["seed", "trained_on", "tested_on"]
        predictions = predictions_of(own).drop(columns=["at"])
        idle = [name for name in columns if predictions[name].nunique() < 2]
        write_text(folder.path / protocol / row / "predictions.csv", table.as_csv(predictions.drop(columns=idle)))
    write_text(folder.path / "table.csv", table.as_csv(report.table(found)))
    write_text(folder.path / FOLDS, table.as_csv(report.by_fold(found)))
    for path in (folder.scores, json):
        if path is not None:
            write_json(path, report.as_json(found))
    shutil.rmtree(folder.path / work.CLAIMS, ignore_errors=True)
    return found
