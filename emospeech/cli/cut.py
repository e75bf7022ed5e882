"""`emospeech data cut`: the clips of a corpus that is handed out as times in videos."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.runtime.errors import Interrupted, UserError, WorkError

CORPORA = ("meacorpus2023",)


def cut(
    corpus: Annotated[str, typer.Argument(help=f"One of: {', '.join(CORPORA)}.")],
    root: Annotated[Path, typer.Argument(help="The corpus's folder, with its tables.")],
    videos: Annotated[Path, typer.Option("--videos", help="Your folder of videos, named by their YouTube keys.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A folder for the clips; below ROOT, `index` finds it.")
    ],
    encoding: Annotated[str, typer.Option("--format", help="flac or mp3; both 16 kHz mono.")] = "flac",
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Clips at a time; as many as cores.")] = None,
) -> None:
    """Cut a corpus's clips out of videos that you have, with ffmpeg. Nothing is downloaded.

    Clips that are there and whole are left: stopped or killed, it goes on where it was.
    """
    from emospeech.corpora import meacorpus_cut

    if corpus not in CORPORA:
        raise UserError(f"{corpus!r} is not handed out as times in videos; {', '.join(CORPORA)} is")
    if not root.is_dir():
        raise UserError(f"no folder {root}")
    try:
        done = meacorpus_cut.cut(root, videos, output, encoding, jobs)
    except KeyboardInterrupt:
        raise Interrupted(f"stopped; the clips in {output} stay, and the same command goes on") from None
    typer.echo("\n".join([*meacorpus_cut.told(done), f"clips: {output}"]))
    if done.failed:
        raise WorkError(f"{len(done.failed)} clips could not be cut")
