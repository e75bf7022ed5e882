"""The command that serves."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import quiet


def serve(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN…", help="Run folders, model folders or Hub ids; the first answers by default."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0: all of this machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 8000,
    whisper: Annotated[
        str | None,
        typer.Option(
            help="Writes transcripts where none is sent, as transcribe --model; off: none. Default: the run's."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="That Whisper hears, as es. Default: the run's.")] = None,
    api_key_file: Annotated[Path | None, typer.Option(help="A file with the key that clients must send.")] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="A further name that it answers under, as a proxy passes it on.")
    ] = None,
    allow_train: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also POST /v1/train, of the recipes in this folder.")
    ] = None,
    runs_dir: Annotated[Path, typer.Option(help="Where trained runs go.")] = Path("runs"),
    train_hours: Annotated[float, typer.Option(min=0.01, help="That a training may take.")] = 24.0,
    max_bytes: Annotated[int, typer.Option(help="Of a request's files together.")] = 25_000_000,
    max_seconds: Annotated[float, typer.Option(help="Of a clip.")] = 300.0,
    segment_seconds: Annotated[float, typer.Option(help="Longer clips are answered in parts, too.")] = 15.0,
    max_batch_files: Annotated[int, typer.Option(help="Clips or texts of a batch request.")] = 32,
    max_characters: Annotated[int, typer.Option(help="Of a transcript.")] = 5_000,
    queue: Annotated[int, typer.Option(help="Questions that may wait, long clips counted by segments; then 429.")] = 64,
    batch: Annotated[int, typer.Option(help="Questions that the model answers at once.")] = 16,
    batch_wait_ms: Annotated[float, typer.Option(help="That an idle model waits for company.")] = 5.0,
    timeout: Annotated[float, typer.Option(help="Seconds until an answer is given up (504).")] = 60.0,
) -> None:
    """Serve trained systems over HTTP: a page for people at /, an API under /v1.

    It listens at 127.0.0.1, for this machine alone, unless --host says otherwise; then give it a key, and put a proxy
    with TLS before it. Audio that is sent is kept nowhere.
    """
    quiet()
    from emospeech.serve.http.running import Wanted, run
    from emospeech.serve.http.settings import Limits

    told = locals()
    limits = Limits(**{one.name: told[one.name] for one in fields(Limits)})
    asked = Wanted(
        runs,
        host=host,
        port=port,
        whisper=whisper,
        language=language,
        key_file=api_key_file,
        hosts=allow_host or [],
        recipes=allow_train,
        runs_dir=runs_dir,
        train_hours=train_hours,
        limits=limits,
    )
    run(asked)
