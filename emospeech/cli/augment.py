"""What a recipe's augmentation does, before it is trained with."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import quiet


def augment(
    recipe: Annotated[Path, typer.Argument(help="A YAML file with speech.augment.")],
    clip: Annotated[Path, typer.Argument(help="An audio file.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder to write.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, as speech.crop_seconds=null speech.augment.apply=each")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=50, help="How many augmented examples.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other draws.")] = 0,
) -> None:
    """Write one clip as a recipe's augmentation alters it: wav files to hear, a figure to see."""
    quiet()
    from emospeech.experiments import augmented
    from emospeech.systems.build import load_recipe

    for line in augmented.write(load_recipe(recipe, overrides or []), clip, output, count, seed):
        typer.echo(line)
