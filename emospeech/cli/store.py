"""Commands about the feature store."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import quiet
from emospeech.runtime.distributed import is_main
from emospeech.runtime.errors import UserError, WorkError

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

    What is there already is left; stopped or killed, it goes on where it was. Several may fill one store at once.
    """
    quiet()
    from emospeech.experiments import extract as extraction
    from emospeech.systems.build import load_recipe

    done = extraction.run(load_recipe(recipe, overrides or []))
    if is_main():
        typer.echo(done)


def prefetch(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/xlsr_roberta.yaml.")],
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[GRID] [KEY=VALUE]…", help="As for the command to come.")
    ] = None,
) -> None:
    """Download what a recipe needs, and load all of it as on a machine without network.

    Pre-trained encoders, Whisper where the recipe transcribes, weights of pictures' nets; of a benchmark, or with the
    grid of an ablation, those of all rows. For the login node of a cluster whose other nodes have no internet.
    """
    quiet()
    from emospeech.experiments import prefetch as fetching

    given = words or []
    grids = [word for word in given[:1] if "=" not in word]
    for line in fetching.run(recipe, given[len(grids) :], Path(grids[0]) if grids else None):
        typer.echo(line)


@app.command("ls")
def list_sets(folder: Folder = None) -> None:
    """What the store holds: a line for each encoder and way of keeping its states."""
    from emospeech.encoders.store import upkeep
    from emospeech.encoders.store.room import size

    sets = upkeep.listed(_store(folder))
    counted = "1 set" if len(sets) == 1 else f"{len(sets)} sets"
    typer.echo(f"{_store(folder)}: {counted}, {size(sum(one.bytes for one in sets))}")
    for one in sets:
        about = one.identity.get("about", {})
        kept = f"{about.get('layers', '?')} x {about.get('width', '?')} {one.identity.get('dtype', '?')}"
        used = one.last_used.astimezone().strftime("%Y-%m-%d %H:%M")
        counts = f"{one.utterances:>7} utterances {size(one.bytes):>9}"
        typer.echo(f"{one.name}  {counts}  {kept:<14} used {used}  {about.get('encoder', '')}")
        if one.unfinished:
            typer.echo(f"{'':<25} {size(one.unfinished)} in unfinished files: of a writer at work, or killed (prune)")
        for sentence in one.damaged:
            typer.echo(f"{'':<25} {sentence}")


@app.command("verify")
def verify(
    sets: Sets = None,
    folder: Folder = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what is damaged; it is computed anew.")] = False,
) -> None:
    """Compare every byte with its checksum. Exit code 1 if something is damaged and stays."""
    from emospeech.encoders.store import upkeep
    from emospeech.encoders.store.room import size
    from emospeech.runtime.console import progress

    root = _store(folder)
    found = upkeep.listed(root)
    total = sum(one.bytes for one in found if not sets or one.name in sets)
    with progress("verifying (MB)", round(total / 1e6)) as bar:
        checked = upkeep.verify(root, sets or [], bar=lambda count: bar(count / 1e6))
    for one in checked:
        bad = [*(f"{fault.path.name} is damaged: {fault.reason}" for fault in one.damaged), *one.unreadable]
        typer.echo(f"{one.name}  {one.shards} shards, {size(one.bytes)}: {'; '.join(bad) if bad else 'sound'}")
    tried = upkeep.remove_damaged(checked) if remove else []
    for one_tried in tried:
        done = "kept" if one_tried.kept else "removed"
        typer.echo(f"{done} {one_tried.name} ({size(one_tried.bytes)}): {one_tried.why}")
    left = sum(len(one.damaged) + len(one.unreadable) for one in checked) - sum(not one.kept for one in tried)
    if left:
        raise WorkError(f"damaged or unreadable: {left}; --remove removes what is damaged")


@app.command("prune")
def prune(
    sets: Sets = None,
    unused_days: Annotated[float | None, typer.Option(min=0, help="Sets that were not used for so many days.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All sets.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell.")] = False,
    folder: Folder = None,
) -> None:
    """Remove sets; and what is damaged or was left by killed writers, which is all that goes without an argument."""
    from emospeech.encoders.store import upkeep
    from emospeech.encoders.store.room import size

    if everything and sets:
        raise UserError("name sets, or give --all; not both")
    removed = upkeep.prune(_store(folder), sets or [], unused_days, everything, dry_run)
    for one in removed:
        done = "kept" if one.kept else "would remove" if dry_run else "removed"
        typer.echo(f"{done} {one.name} ({size(one.bytes)}): {one.why}")
    freed = sum(one.bytes for one in removed if not one.kept)
    typer.echo(f"{size(freed)} {'would be' if dry_run else 'are'} free")


def _store(folder: Path | None) -> Path:
    from emospeech.config import Cache
    from emospeech.systems.features.planning import folder_of

    root = folder_of(Cache(folder=str(folder))) if folder else folder_of(Cache())
    if root.exists() and not root.is_dir():
        raise UserError(f"--folder: {root} is no folder")
    return root
