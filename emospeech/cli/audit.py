"""`emospeech data audit`."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.runtime.errors import WorkError, gather
from emospeech.runtime.files import refuse_existing, write_json


def audit(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests, or challenge tables as they come.")],
    groups: Annotated[
        Path | None, typer.Option(help="What tells each clip's source recording: MEACorpus' folder, or a CSV id,group.")
    ] = None,
    compare: Annotated[Path | None, typer.Option(help="Another version of a table, with the same ids.")] = None,
    with_audio: Annotated[bool, typer.Option("--audio/--no-audio", help="Decode the clips and listen.")] = True,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if anything of severity error is found.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Also write everything, with all ids, to this file.")
    ] = None,
) -> None:
    """Leaks between parts, doubles, shortcuts, broken audio, suspicious transcripts."""
    from functools import partial

    from emospeech.corpora.groups import with_groups
    from emospeech.data import manifest
    from emospeech.data.audit import audit as run
    from emospeech.data.audit.material import names_of

    if json:
        refuse_existing(json)
    paths = [*manifests, compare] if compare else manifests
    tables = gather("tables that cannot be read", [partial(manifest.read, path) for path in paths])
    names = names_of([path.as_posix() for path in manifests])
    other = (compare.stem, tables.pop()) if compare else None
    grouped = None if groups is None else partial(with_groups, path=groups)
    report = run(dict(zip(names, tables, strict=True)), grouped, other, with_audio)
    typer.echo(report.text())
    if json:
        write_json(json, report.as_dict())
    if strict and report.errors:
        raise WorkError(f"{report.errors} finding{'s' if report.errors > 1 else ''} of severity error")
