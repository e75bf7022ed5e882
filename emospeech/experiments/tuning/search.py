"""The search itself: trials on inner folds of the training rows, by however many processes; then what was found.

runs/<recipe>-<space>/
  config.yaml, environment.json, slurm.jsonl     as of a benchmark
  tuning/                                        the trials: systems.tuning.study
  trials.csv, tuning.json, figures/tuning.png    what they scored
  best.yaml                                      a recipe: with the values of the best trial
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emospeech.config import Comparison
from emospeech.config.tuning import TUNED
from emospeech.data import table
from emospeech.experiments import rows as data_rows
from emospeech.experiments.protocols import work
from emospeech.experiments.protocols.benchmark import as_yaml, begun, entered, folder_of, require_begun
from emospeech.experiments.rows import Rows
from emospeech.experiments.rows.sound import with_usable_audio
from emospeech.experiments.tuning import report
from emospeech.runtime import distributed
from emospeech.runtime.console import progress
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.tuning import Study

STUDY = "tuning"


def run(
    asked: Comparison,
    quick: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    json: Path | None = None,
    role: work.Role = "whole",
) -> Iterator[str]:
    """Try what is left of the trials, and give the lines to print.

    Args:
        asked: as `load_tuning` makes it; the row that is tuned is searched for.
        quick: means nothing here.
        json: a further file for all scores.

    Raises:
        UserError, WorkError, Interrupted: as a benchmark.
    """
    distributed.start()
    folder = folder_of(asked)
    require_begun(folder, role)
    with entered(folder, as_yaml(asked), resume or role != "whole", overwrite):
        rows = _rows(asked, folder)
        study = _study(asked, rows, folder)
        distributed.on_main(lambda: begun(folder, as_yaml(asked)))
        study.begin()
        if role != "collect":
            build.build(study.recipe, rows.tasks).extract([rows.train], [], folder.path)
            _search(study, folder.path, asked.benchmark.workers)
        units = _units(study)
        if role == "share":
            yield f"{work.standing(units)}: {folder.path}"
            return
        if study.trials:
            yield from distributed.on_main(lambda: report.written(study, asked, folder, json))
        work.require_all(units, folder.logs)


def all_units(asked: Comparison, quick: bool = False) -> Sequence[work.Work]:
    """What a search consists of, told by tables alone: nothing is heard, and nothing written.

    Raises:
        UserError: if recipe or data are not as they must be.
    """
    folder = folder_of(asked)
    return _units(_study(asked, _rows(asked, folder, hear=False), folder))


def _rows(asked: Comparison, folder: RunFolder, hear: bool = True) -> Rows:
    recipe = asked.rows[TUNED]
    rows = data_rows.load(recipe)
    if hear:
        return data_rows.transcribed(with_usable_audio(rows, recipe, folder.bad_audio), recipe)
    if recipe.data.on_bad_audio == "drop" and folder.bad_audio.exists():
        lost = set(table.read(folder.bad_audio, ["id"], "a list of bad audio")["id"])
        rows = replace(rows, train=rows.train[~rows.train["id"].isin(lost)].reset_index(drop=True))
    return rows


def _study(asked: Comparison, rows: Rows, folder: RunFolder) -> Study:
    return Study(asked.rows[TUNED], rows.train, rows.tasks, build.build, folder.path / STUDY)


def _search(study: Study, folder: Path, workers: int) -> None:
    """By so many processes of this program, and whoever else gives the same command."""
    with work.helped(workers, _worker, study, folder, workers), progress("tuning", study.size) as bar:
        done = 0
        for _ in _rounds(study, folder, workers, 0):
            bar(len(study.trials) - done)
            done = len(study.trials)
        bar(len(study.trials) - done)
    _worker(study, folder, 1, 0)  # what a helper has left undone, or failed with


def _worker(study: Study, folder: Path, workers: int, worker: int) -> None:
    for _ in _rounds(study, folder, workers, worker):
        pass


def _rounds(study: Study, folder: Path, workers: int, worker: int) -> Iterator[None]:
    """Nobody goes on to the next round before all of this one is done."""
    number, count = work.array_share()
    for parts in study.rounds():
        yield
        work.work_off(parts, folder, (worker * count + number, count * workers))


@dataclass(frozen=True)
class Later:
    """Of a round that has not come."""

    name: str
    done: bool = False

    def run(self) -> None:
        raise RuntimeError("it is not known yet what is tried in it")


def _units(study: Study) -> list[work.Work]:
    """All parts of a study's trials, which are read as far as their rounds are done."""
    found: list[work.Work] = []
    for parts in study.rounds():
        found += parts
    if not work.left(found):  # a space may have fewer points than trials were asked for
        return found
    numbers = range(len(found) // len(study.numbers) + 1, study.size + 1)
    return found + [Later(f"trial {number}, inner fold {fold}") for number in numbers for fold in study.numbers]
