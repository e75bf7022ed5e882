"""Commands about who trains and who tests, and about what a corpus holds."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.runtime.errors import UserError, faults
from emospeech.runtime.files import refuse_existing

FIGURES = (".png", ".svg", ".pdf")

Manifest = Annotated[Path, typer.Argument(help="As `emospeech data index` writes it.")]


def split(
    manifest: Manifest,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The split to write: a .csv, or a folder for --format emobox.")
    ],
    kind: Annotated[
        str | None, typer.Option(help="k-fold, loso (leave one speaker, or group, out), or holdout; k-fold.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="What must not be on both sides: group, speaker, none, or auto (what is known).")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="k-fold: how many; 5.")] = None,
    dev: Annotated[float | None, typer.Option(help="holdout: share of dev; 0.16.")] = None,
    test: Annotated[float | None, typer.Option(help="holdout: share of test; 0.2.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="k-fold, holdout: of the draw; 0.")] = None,
    given: Annotated[
        list[Path] | None,
        typer.Option(help="Draw nothing: check and take this split (or files of ids: train, dev, then test)."),
    ] = None,
    groups: Annotated[
        Path | None, typer.Option(help="Groups (videos) from a CSV with id,group, or from MEACorpus 2023's folder.")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="csv, or emobox (folds as EmoBox has them).")] = "csv",
) -> None:
    """Split a manifest, write the split, and say what it gives."""
    from emospeech.corpora.groups import with_groups
    from emospeech.data import folds as splits
    from emospeech.data import manifest as manifests
    from emospeech.data.folds import files

    for path in files.outputs(output, form):
        refuse_existing(path)
    named = {"folds": folds, "dev": dev, "test": test, "seed": seed}
    options = {name: value for name, value in named.items() if value is not None}
    rows = manifests.read(manifest)
    rows = with_groups(rows, groups) if groups else rows
    if given:
        asked = {"kind": kind, "by": by, **named}
        drawn = _given(given, rows, [name for name, value in asked.items() if value is not None])
    else:
        drawn = splits.draw(rows, kind or "k-fold", by or "auto", options)
    if groups:  # without them it could not be drawn again
        drawn = replace(drawn, origin=replace(drawn.origin, options={**drawn.origin.options, "groups": groups.name}))
    splits.write(drawn, rows, manifest, output, form)
    typer.echo(f"{_sentence(drawn)}: {len(drawn.parts)} of {len(rows)} rows")
    for line in splits.lines(splits.summarise(drawn.parts, rows)):
        typer.echo(line)
    typer.echo(f"written: {', '.join(str(path) for path in files.outputs(output, form))}")


def _given(paths: list[Path], rows: Any, asked: list[str]) -> Any:
    """A split that was made before, checked against the manifest: its labelled rows must all be in it."""
    from emospeech.data import folds as splits
    from emospeech.data.manifest import SPLITS

    found = [f"--{name} is for a split that is drawn; leave it out" for name in asked]
    if len(paths) > len(SPLITS):
        found.append(f"{len(paths)} files; give one split, or files of ids for {', '.join(SPLITS)}")
    found += [f"no file or folder {path}" for path in paths if not path.exists()]
    if found:
        raise faults("--given cannot be taken", found)
    source = paths[0] if len(paths) == 1 else dict(zip(SPLITS, paths, strict=False))
    parts = splits.read(source, rows["id"].tolist(), rows.loc[rows["label"].notna(), "id"].tolist())
    return splits.Split(parts, splits.Origin("given", None, {"in": " + ".join(path.name for path in paths)}))


def _sentence(drawn: Any) -> str:
    """As `k-fold by group, folds 5, seed 0`."""
    origin = drawn.origin
    kind = f"{origin.kind} by {origin.by}" if origin.by else f"{origin.kind}"
    return ", ".join([kind, *(f"{name} {value}" for name, value in origin.options.items())])


def stats(
    manifest: Manifest,
    json: Annotated[Path | None, typer.Option("--json", help="Also write the numbers to this file.")] = None,
    figure: Annotated[
        Path | None, typer.Option(help="Also draw classes and durations into this .png, .svg or .pdf.")
    ] = None,
) -> None:
    """Hours, clips, speakers, classes, durations and transcripts of a manifest, by corpus and split."""
    from dataclasses import asdict

    from emospeech import figures
    from emospeech.data import manifest as manifests
    from emospeech.data import stats as counting
    from emospeech.runtime.files import write_json

    if figure and figure.suffix not in FIGURES:
        raise UserError(f"{figure}: a figure is a {', '.join(FIGURES[:-1])} or {FIGURES[-1]}")
    for path in (json, figure):
        if path:
            refuse_existing(path)
    rows = manifests.read(manifest)
    seconds = counting.durations(rows)
    counted = counting.stats(rows, seconds)
    for line in counting.lines(counted):
        typer.echo(line)
    if json:
        write_json(json, [asdict(one) for one in counted])
    if figure:
        parts = {f"{corpus} {split}": part for corpus, split, part in counting.parts(rows, seconds)}
        figures.save(
            figures.corpus(
                {name: part["label"].value_counts().to_dict() for name, part in parts.items()},
                {name: part["duration"].dropna().tolist() for name, part in parts.items()},
            ),
            figure,
        )
