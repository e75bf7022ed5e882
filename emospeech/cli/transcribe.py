"""The command that writes down what is said."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import AudioFolder, quiet
from emospeech.runtime import turns
from emospeech.runtime.distributed import is_main
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing, write_text


def transcribe(
    manifest_file: Annotated[Path, typer.Argument(metavar="MANIFEST", help="A CSV with id, and audio or --audio.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The manifest to write, with transcripts.")],
    model: Annotated[str, typer.Option(help="A Whisper: a size, a .pt file, a Hub id or its folder.")] = "large-v3",
    backend: Annotated[str, typer.Option(help="auto, openai (sizes, .pt) or transformers (Hub ids).")] = "auto",
    language: Annotated[
        str | None, typer.Option(help="Of all clips, as es; else the manifest's column language.")
    ] = None,
    only_missing: Annotated[bool, typer.Option("--only-missing", help="Leave rows that have a transcription.")] = False,
    audio: AudioFolder = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Windows of 30 s at once.")] = 8,
    compare: Annotated[
        Path | None, typer.Option(help="Also write word and character error rates against the manifest's transcripts.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many rows alone: a quick look.")] = None,
) -> None:
    """Transcribe a manifest's clips with Whisper; doubtful ones are flagged, none is dropped.

    What was transcribed before is kept and not done again; stopped or killed, the same command goes on.
    """
    quiet()
    from emospeech.data import manifest, table
    from emospeech.encoders.transcribe.work import Settings
    from emospeech.experiments import inference
    from emospeech.experiments.rows import comparing, transcripts

    if compare is not None and only_missing:
        raise UserError("--compare needs transcriptions that were provided, and --only-missing leaves those alone")
    missing = _to_write(output, compare)
    rows = transcripts.read(manifest_file)
    rows = rows if audio is None else inference.with_audio(rows, audio)
    rows = rows.head(limit or len(rows))
    if compare is not None:
        comparing.require_provided(rows)
    settings = Settings(model=model, backend=backend, language=language, batch=batch, device=device)
    done = transcripts.filled(rows, "whisper_if_missing" if only_missing else "whisper", settings)
    if not is_main():
        return
    if compare is not None:
        compared = comparing.compare(rows, done)
        if compare in missing:
            write_text(compare, table.as_csv(compared.clips))
    if output in missing:
        manifest.write(done, output)
    typer.echo(f"{transcripts.summary(done)}: {output}")
    if compare is not None:
        typer.echo("\n".join(comparing.report(compared, compare)))


def _to_write(output: Path, compare: Path | None) -> list[Path]:
    """The files that are to be: none of them is here, or this job wrote it before it was put back into the queue.

    Raises:
        UserError: if one is.
    """
    if compare is not None and compare.resolve() == output.resolve():
        raise UserError(f"--compare and --output are both {output}")
    paths = [output, *([compare] if compare is not None else [])]
    if turns.start():
        return [path for path in paths if not path.exists()]
    for path in paths:
        refuse_existing(path)
    return paths
