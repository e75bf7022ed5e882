"""`emospeech report`."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import AudioFolder, quiet

ReportFile = Annotated[
    Path | None, typer.Option("-o", "--output", help="The HTML file to write; report.html in the run folder if none.")
]


def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    output: ReportFile = None,
    on: Annotated[
        Path | None, typer.Option("--on", help="A labelled manifest to report on, in place of the run's dev and test.")
    ] = None,
    audio: AudioFolder = None,
    clips: Annotated[int, typer.Option("--clips", help="How many clips to show by themselves, 60 at most.")] = 24,
    figures: Annotated[
        Path | None,
        typer.Option(
            "--figures",
            help="Folder for the figures, as PNG and SVG; if none, figures/report in the run folder, or beside -o.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")] = False,
    without_sound: Annotated[bool, typer.Option("--without-sound", help="No clip can be heard.")] = False,
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Scores and figures alone: no sound, words, ids, names of speakers, paths."),
    ] = False,
) -> None:
    """One HTML page of a run: scores with intervals, figures, errors to hear and read, the data's audit, the recipe.

    It needs nothing but itself. Where the run's corpus is at hand, clips play, and words and time are marked by what
    the network weighed. It then holds their voices: before it is given to others, see --without-sound and --anonymous.
    """
    quiet()
    from emospeech.experiments.reporting import writing

    written = writing.write(run, output, on, audio, clips, figures, overwrite, not without_sound, anonymous)
    typer.echo(f"report: {written.page} ({written.size / 1e6:.1f} MB)")
    typer.echo(f"figures: {len(written.figures)} files in {written.figures[0].parent}")
