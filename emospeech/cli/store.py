"""Commands about the feature store."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import quiet
from emospeech.runtime.distributed import is_main

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[
    Path | None, typer.Option("--folder", help="The store; else $EMOSPEECH_CACHE, else ~/.cache/emospeech.")
]
Sets = Annotated[list[str] | None, typer.Argument(metavar="SET…", help="Names as `emospeech cache ls` shows them.")]


def extract(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/xlsr_roberta.yaml.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value …, as data.root=… cache.dtype=int8")] = None,
) -> None:
    """Compute the states of a recipe's frozen encoders, once, for all trainings to come.

    What is there already is left; stopped or killed, it goes on where it was.
    """
    quiet()
    from emospeech.experiments import extract as extraction
    from emospeech.systems.build import load_recipe

    done = extraction.run(load_recipe(recipe, overrides or []))
    if is_main():
        typer.echo(done)


@app.command("ls")
def list_sets(folder: Folder = None) -> None:
    """What the store holds."""
