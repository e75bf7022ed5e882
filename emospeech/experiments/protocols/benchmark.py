"""A benchmark: systems, each a recipe with changes, under protocols; fold by fold into one folder, then a report.

    runs/<name>/
      config.yaml, environment.json     what was asked for, and where it ran
      <protocol>/folds.csv              id,fold: who is tested where
      <protocol>/<system>/<fold>/       predictions.csv, fold.json of one fold (below seed_<n>/ where seeds are named)
      <protocol>/<system>/predictions.csv    all out-of-fold predictions
      table.csv, .md and .tex, folds.csv, scores.json, figures/; cross_corpus.csv where corpora test each other

Any number of processes may run the same command at once (`--resume` joins): each takes folds that nobody has in hand.
Those of a Slurm array do their share (`--share`) and leave; another makes the table of all (`--collect`).
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from emospeech.config import BENCHMARK, Comparison, Recipe
from emospeech.data import table
from emospeech.experiments.protocols import contrasts, cross, papers, pictures, planning, report, work
from emospeech.experiments.protocols.outcomes import NEW, Outcome, outcomes, predictions_of
from emospeech.experiments.protocols.planning import Plan
from emospeech.experiments.protocols.units import PREDICTIONS, Unit
from emospeech.runtime import distributed, runs, turns
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.locks import locked
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build


def run(
    asked: Comparison,
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    json: Path | None = None,
    role: work.Role = "whole",
) -> Iterator[str]:
    """Work off all folds of all rows under all protocols, and give the lines to print.

    Args:
        quick: only the rows that the benchmark calls quick.
        resume: go on with what is there, or join those who are at it.
        json: a further file for all scores.
        role: one process's share, or the table of what there is, go on with what is there, too.

    Raises:
        UserError: if recipe, data or folder are not as they must be; before any long work.
        WorkError: if there is not all that a table is collected of; after the table of the systems that are whole.
        Interrupted: if asked to stop; `resume` goes on from there.
    """
    distributed.start()
    folder = folder_of(asked)
    rows = _rows(asked, quick)
    require_begun(folder, role)
    with entered(folder, as_yaml(asked), resume or role != "whole", overwrite):
        plan = planning.planned(asked, rows, folder)
        distributed.on_main(lambda: begun(folder, as_yaml(asked)))
        distributed.on_main(lambda: planning.keep(plan.tested, folder.path))
        if role != "collect":
            _extract(rows, plan)
            work.shared_out(plan.units, folder.path, asked.benchmark.workers, stay=role == "whole")
        if role == "share":
            yield f"{work.standing(plan.units)}: {folder.path}"
            return
        found = distributed.on_main(lambda: _reported(asked, plan.units, folder, json))
        yield from report.lines(found, plan.notes, asked.benchmark)
        yield f"benchmark: {folder.path}"
        work.require_all(plan.units, folder.logs)


def all_units(asked: Comparison, quick: bool = False) -> Sequence[Unit]:
    """What a benchmark consists of, told by tables alone: nothing is heard, and nothing written.

    Raises:
        UserError: if recipe or data are not as they must be.
    """
    return planning.planned(asked, _rows(asked, quick), folder_of(asked), hear=False).units


def folder_of(asked: Comparison) -> RunFolder:
    return RunFolder(Path(asked.runs_dir).expanduser() / asked.name)


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
    resume, overwrite = distributed.on_main(partial(turns.asked_anew, [folder], resume, overwrite))
    distributed.on_main(lambda: runs.refuse_or_continue(folder, config, resume, overwrite))
    if overwrite:
        with turns.locked(folder, distributed.is_main()):
            distributed.on_main(lambda: runs.clear(folder))
    distributed.on_main(lambda: folder.path.mkdir(parents=True, exist_ok=True))
    with locked(folder.lock, shared=True) as held:
        if held is False:
            raise UserError(f"another process is emptying {folder.path}; wait for it, or choose another name=…")
        yield


def require_begun(folder: RunFolder, role: work.Role) -> None:
    """
    Raises:
        UserError: if there is nothing that a table could be collected of.
    """
    if role == "collect" and not folder.started:
        raise UserError(f"{folder.path} has not been begun, so there is nothing to collect")


def begun(folder: RunFolder, config: str) -> None:
    """What was asked for, from the first process that comes."""
    with locked(folder.path / ".begin", wait=True):
        if folder.started and folder.config.read_text(encoding="utf-8") != config:
            raise UserError(f"{folder.path} has just been started with another recipe; choose another with name=…")
        runs.begin(folder, config, 0, {})


def as_yaml(asked: Comparison) -> str:
    """All that decides a number: who resumes may have more or fewer workers."""
    from omegaconf import OmegaConf

    section = {key: value for key, value in asked.plain[BENCHMARK].items() if key != "workers"}
    return str(OmegaConf.to_yaml(OmegaConf.create({**asked.plain, BENCHMARK: section})))


def _extract(rows: Mapping[str, Recipe], plan: Plan) -> None:
    """Features that neither labels nor the choice of training rows have a say in, for all folds at once."""
    done = set()
    for name, recipe in rows.items():
        own, material = [unit for unit in plan.units if unit.row == name], plan.materials[name]
        hears = recipe.model_dump_json(include={"system", "speech", "text", "classical", "cache", "tune"})
        key = (hears, id(material))
        if key in done or _differs_by_fold(recipe) or not work.left(own):
            continue
        trains = np.any([unit.fold.train for unit in own], axis=0)
        apart = [material.manifest[part].reset_index(drop=True) for part in (trains, ~trains)]
        build.build(recipe, material.tasks).extract(apart[:1], [rest for rest in apart[1:] if len(rest)])
        done.add(key)


def _differs_by_fold(recipe: Recipe) -> bool:
    """Whether each fold learns of its training rows what is stored: the weights of a sum of layers, or the level."""
    weighted = recipe.speech is not None and (
        recipe.speech.layers == "weighted" or isinstance(recipe.speech.layers, list)
    )
    summed = weighted and recipe.cache is not None and recipe.cache.mode != "layers"
    levelled = recipe.speech is not None and recipe.speech.gain_dbfs == "auto"
    return recipe.system == "neural" and (summed or levelled)


def _reported(asked: Comparison, units: Sequence[Unit], folder: RunFolder, json: Path | None) -> list[Outcome]:
    """Scores of all systems that have all their folds, written down."""
    by_system: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        by_system.setdefault((unit.protocol, unit.row), []).append(unit)
    whole = {key: own for key, own in by_system.items() if not work.left(own)}
    found: list[Outcome] = []
    for (protocol, row), own in whole.items():
        predictions = predictions_of(own)
        found += outcomes(own, predictions, asked.benchmark.published.get(protocol, {}).get(row))
        idle = [name for name in ("seed", "trained_on", "tested_on") if predictions[name].nunique() < 2]
        kept = predictions.drop(columns=["at", NEW, *idle])
        write_text(folder.path / protocol / row / PREDICTIONS, table.as_csv(kept))
    if not found:
        return []
    found = contrasts.with_base(found, asked.benchmark.base)
    write_text(folder.path / "table.csv", table.as_csv(report.table(found, asked.benchmark.base)))
    for name, text in papers.tables(found, asked.benchmark).items():
        write_text(folder.path / name, text)
    write_text(folder.path / planning.FOLDS, table.as_csv(report.by_fold(found)))
    if pairs := cross.pairs(found, asked.benchmark.protocols):
        write_text(folder.path / cross.TABLE, table.as_csv(cross.table(pairs)))
    pictures.draw(found, asked.benchmark.protocols, folder.figures)
    for path in (folder.scores, json):
        if path is not None:
            write_json(path, report.as_json(found))
    if len(whole) == len(by_system):  # else others may have units in hand
        shutil.rmtree(folder.path / work.CLAIMS, ignore_errors=True)
    return found
