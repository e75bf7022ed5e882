"""A benchmark: systems, each a recipe with changes, under protocols; fold by fold into one folder, then a report.

    runs/<name>/
      config.yaml, environment.json     what was asked for, and where it ran
      <protocol>/folds.csv              id,fold: who is tested where
      <protocol>/<system>/<fold>/       predictions.csv, fold.json of one fold (below seed_<n>/ where seeds are named)
      <protocol>/<system>/predictions.csv    all out-of-fold predictions
      table.csv, folds.csv, scores.json, figures/; cross_corpus.csv where corpora test each other

Any number of processes may run the same command at once (`--resume` joins): each takes folds that nobody has in hand.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from emospeech.config import BENCHMARK, Comparison, Recipe
from emospeech.data import table
from emospeech.encoders.store.locks import locked
from emospeech.experiments.protocols import cross, pictures, planning, report, work
from emospeech.experiments.protocols.material import Material
from emospeech.experiments.protocols.outcomes import Outcome, outcomes, predictions_of
from emospeech.experiments.protocols.units import PREDICTIONS, Unit
from emospeech.runtime import distributed, runs
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json, write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build


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
    with entered(folder, as_yaml(asked), resume, overwrite):
        plan = planning.planned(asked, rows, folder)
        distributed.on_main(lambda: begun(folder, as_yaml(asked)))
        distributed.on_main(lambda: planning.keep(plan.tested, folder.path))
        left = {unit.row for unit in plan.units if not unit.done}
        _extract({name: recipe for name, recipe in rows.items() if name in left}, plan.materials)
        work.shared_out(plan.units, folder.path, asked.benchmark.workers)
        found = distributed.on_main(lambda: _reported(asked, plan.units, folder, json))
        yield from report.lines(found, plan.notes, asked.benchmark.protocols)
        yield f"benchmark: {folder.path}"


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


def _extract(rows: Mapping[str, Recipe], materials: Mapping[str, Material]) -> None:
    """Features that neither labels nor the choice of training rows have a say in, for all folds at once."""
    done = set()
    for name, recipe in rows.items():
        hears = recipe.model_dump_json(include={"system", "speech", "text", "classical", "cache", "tune"})
        key = (hears, id(materials[name]))
        if key not in done and not _differs_by_fold(recipe):
            build.build(recipe, materials[name].tasks).extract([materials[name].manifest], [])
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
    """Scores of all that is there, written down."""
    by_system: dict[tuple[str, str], list[Unit]] = {}
    for unit in units:
        by_system.setdefault((unit.protocol, unit.row), []).append(unit)
    found: list[Outcome] = []
    for (protocol, row), own in by_system.items():
        predictions = predictions_of(own)
        found += outcomes(own, predictions, asked.benchmark.published.get(protocol, {}).get(row))
        idle = [name for name in ("seed", "trained_on", "tested_on") if predictions[name].nunique() < 2]
        kept = predictions.drop(columns=["at", *idle])
        write_text(folder.path / protocol / row / PREDICTIONS, table.as_csv(kept))
    write_text(folder.path / "table.csv", table.as_csv(report.table(found)))
    write_text(folder.path / planning.FOLDS, table.as_csv(report.by_fold(found)))
    if pairs := cross.pairs(found, asked.benchmark.protocols):
        write_text(folder.path / cross.TABLE, table.as_csv(cross.table(pairs)))
    pictures.draw(found, asked.benchmark.protocols, folder.figures)
    for path in (folder.scores, json):
        if path is not None:
            write_json(path, report.as_json(found))
    shutil.rmtree(folder.path / work.CLAIMS, ignore_errors=True)
    return found
