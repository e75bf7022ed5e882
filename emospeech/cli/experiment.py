"""Commands that compare systems."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import Json, quiet
from emospeech.runtime.distributed import is_main
from emospeech.runtime.files import refuse_existing


def benchmark(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/emodb_classical.yaml.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="key=value …, as data.root=… benchmark.workers=2 benchmark.protocols.loso.seeds=[1,2,3]"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only the rows that benchmark.quick names.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted benchmark, or join a running one.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing benchmark of this name.")] = False,
    json: Json = None,
) -> None:
    """Compare systems under protocols: hold-out, k-fold, leave-one-speaker-out, cross-corpus, layer by layer.

    Each fold starts from scratch. Out-of-fold predictions, scores and figures go into runs/<name>/; several processes,
    or the tasks of a Slurm array, may work on one benchmark (--resume joins).
    """
    quiet()
    if json:
        refuse_existing(json)
    from emospeech.experiments import layerwise, protocols
    from emospeech.systems.build import load_benchmark

    asked = load_benchmark(recipe, overrides or [])
    engine = protocols if asked.benchmark.layerwise is None else layerwise
    for line in engine.run(asked, quick, resume, overwrite, json):
        if is_main():
            typer.echo(line)
