"""Commands that compare systems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.cli.options import Json, quiet
from emospeech.runtime import turns
from emospeech.runtime.distributed import is_main
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing

Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="key=value …, as data.root=… benchmark.workers=2 benchmark.protocols.loso.seeds=[1,2,3]"),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with what was interrupted, or join what is running.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing one of this name.")]
Share = Annotated[
    bool, typer.Option("--share", help="Do what nobody has in hand, and leave before the table: a task of an array.")
]
Collect = Annotated[bool, typer.Option("--collect", help="Do nothing: make the table of what there is.")]
Slurm = Annotated[
    bool, typer.Option("--slurm", help="Submit what is missing as one Slurm array, and a job that collects the table.")
]
Tasks = Annotated[int | None, typer.Option(min=1, help="--slurm: tasks of the array, at most; else 16.")]
Sbatch = Annotated[str, typer.Option(metavar="OPTIONS", help="--slurm: for sbatch, as '--time=2:00:00 --gpus=1'.")]


@dataclass(frozen=True)
class Way:
    """How a comparison is carried out."""

    quick: bool
    resume: bool
    overwrite: bool
    json: Path | None
    share: bool
    collect: bool
    slurm: bool
    tasks: int | None
    sbatch: str

    def check(self) -> None:
        """
        Raises:
            UserError: if its words exclude each other.
        """
        apart = {"--share": self.share, "--collect": self.collect, "--slurm": self.slurm}
        given = [name for name, there in apart.items() if there]
        if len(given) > 1:
            raise UserError(f"{' and '.join(given)} exclude each other")
        if self.overwrite and (self.share or self.collect):
            raise UserError(f"{given[0]} goes on with what is there, so it excludes --overwrite")
        if not self.slurm and (self.tasks or self.sbatch):
            raise UserError("--tasks and --sbatch say how to submit; give --slurm, too")
        # what submits may be said again, and what collects for it may be put back into the queue: see experiments.slurm
        if self.json and not self.slurm and not (self.collect and turns.job()):
            refuse_existing(self.json)


def benchmark(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/emodb_classical.yaml.")],
    overrides: Overrides = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the rows that benchmark.quick names.")] = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = None,
    share: Share = False,
    collect: Collect = False,
    slurm: Slurm = False,
    tasks: Tasks = None,
    sbatch: Sbatch = "",
) -> None:
    """Compare systems under protocols: hold-out, k-fold, leave-one-speaker-out, cross-corpus, layer by layer.

    Each fold starts from scratch. Out-of-fold predictions, scores and figures go into runs/<name>/; several processes
    may work on one benchmark (--resume joins), or the tasks of a Slurm array (--slurm).
    """
    quiet()
    way = Way(quick, resume, overwrite, json, share, collect, slurm, tasks, sbatch)
    way.check()
    from emospeech.systems.build import load_benchmark

    words = ["benchmark", str(recipe), *(overrides or []), *(["--quick"] if quick else [])]
    _run(words, load_benchmark(recipe, overrides or []), way)


def ablate(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/xlsr_roberta.yaml.")],
    grid: Annotated[Path, typer.Argument(help="A YAML file of changes, such as configs/grids/modalities.yaml.")],
    overrides: Overrides = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = None,
    share: Share = False,
    collect: Collect = False,
    slurm: Slurm = False,
    tasks: Tasks = None,
    sbatch: Sbatch = "",
) -> None:
    """Compare a recipe with what a grid changes of it, each under several seeds: one table, beside the base.

    The rows are trained and scored under the recipe's own split, or under the protocols of its section benchmark, into
    runs/<recipe>-<grid>/. Else all is as in `emospeech benchmark`.
    """
    quiet()
    way = Way(False, resume, overwrite, json, share, collect, slurm, tasks, sbatch)
    way.check()
    from emospeech.systems.build import load_ablation

    words = ["ablate", str(recipe), str(grid), *(overrides or [])]
    _run(words, load_ablation(recipe, grid, overrides or []), way)


def tune(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/classical_text.yaml.")],
    space: Annotated[Path, typer.Argument(help="A YAML file, such as configs/spaces/text_classical.yaml.")],
    overrides: Overrides = None,
    nested: Annotated[
        bool, typer.Option("--nested", help="What tuning gains, instead: tuned anew in each of several outer folds.")
    ] = False,
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = None,
    share: Share = False,
    collect: Collect = False,
    slurm: Slurm = False,
    tasks: Tasks = None,
    sbatch: Sbatch = "",
) -> None:
    """Choose values of a recipe's keys out of a space, on inner folds of its training rows: dev and test have no say.

    What was tried and the best recipe go into runs/<recipe>-<space>/. With --nested the recipe as it is and tuned stand
    beside each other, in runs/<recipe>-<space>-nested/, on folds that no choice has seen. Else all is as in `emospeech
    benchmark`; keys such as tune.trials=60 are the space's.
    """
    quiet()
    way = Way(False, resume, overwrite, json, share, collect, slurm, tasks, sbatch)
    way.check()
    from emospeech.experiments import protocols, tuning
    from emospeech.systems.build import load_tuning

    words = ["tune", str(recipe), str(space), *(overrides or []), *(["--nested"] if nested else [])]
    _run(words, load_tuning(recipe, space, overrides or [], nested), way, protocols if nested else tuning)


def _run(words: Sequence[str], asked: Any, way: Way, engine: Any = None) -> None:
    """Do it, or have it done, and print what it says.

    Args:
        words: the command, as a task of an array is to be given it.
        engine: what does it; None: what the comparison is of says.
    """
    for line in _lines(words, asked, way, engine):
        if is_main():
            typer.echo(line)


def _lines(words: Sequence[str], asked: Any, way: Way, engine: Any) -> Iterator[str]:
    from emospeech.experiments import layerwise, protocols, slurm

    engine = engine or (protocols if asked.benchmark.layerwise is None else layerwise)
    if way.slurm:
        jobs = slurm.Jobs(tuple(words), way.tasks or slurm.TASKS, way.sbatch)
        return slurm.run(engine, asked, jobs, way.quick, way.overwrite, way.json)
    role = "share" if way.share else "collect" if way.collect else "whole"
    return engine.run(asked, way.quick, way.resume, way.overwrite, way.json, role)
