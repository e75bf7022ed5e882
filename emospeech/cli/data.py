"""Commands about corpora and manifests."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli import splits
from emospeech.cli.audit import audit
from emospeech.cli.cut import cut
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.command("cut")(cut)
app.command("split")(splits.split)
app.command("stats")(splits.stats)
app.command("audit")(audit)


@app.command("list")
def list_corpora() -> None:
    """The corpora that can be indexed."""
    from emospeech.corpora import CORPORA

    for name, corpus in CORPORA.items():
        classes = f"{len(corpus.labels)} classes" if corpus.labels else "its own classes"
        typer.echo(f"{name:<14} {corpus.language:<11} {classes:<16} {corpus.title}; {corpus.size}")
        typer.echo(f"{'':<14} licence: {corpus.licence}; from: {corpus.source}")


@app.command("index")
def index(
    corpus: Annotated[str, typer.Argument(help="A name from `emospeech data list`.")],
    root: Annotated[Path, typer.Argument(help="The corpus's folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The manifest to write.")],
) -> None:
    """Write a corpus's manifest."""
    from emospeech.corpora import CORPORA
    from emospeech.data import manifest

    if corpus not in CORPORA:
        raise UserError(f"unknown corpus {corpus!r}; known: {', '.join(CORPORA)}")
    refuse_existing(output)
    if not root.is_dir() and not CORPORA[corpus].makes_itself:
        raise UserError(f"no folder {root}")
    rows = CORPORA[corpus].index(root)
    manifest.write(rows, output)
    with_audio = int(rows["audio"].notna().sum())
    typer.echo(f"{len(rows)} rows, {with_audio} with audio, {int(rows['label'].notna().sum())} labelled: {output}")
