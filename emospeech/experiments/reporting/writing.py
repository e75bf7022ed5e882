"""`emospeech report`: gather, draw, write."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emospeech.experiments import inference
from emospeech.experiments.reporting.gather import Other, gather
from emospeech.outputs.hub.folder import is_export
from emospeech.outputs.report import pictures
from emospeech.outputs.report.page import page
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing, refuse_unwritable, write_text
from emospeech.runtime.runs import RunFolder

CLIPS = 24
FILE, FIGURES = "report.html", "report"


@dataclass(frozen=True)
class Written:
    """What a report has left."""

    page: Path
    size: int  # bytes of the page
    figures: tuple[Path, ...]


def write(
    run: Path,
    output: Path | None = None,
    on: Path | None = None,
    audio: Path | None = None,
    count: int = CLIPS,
    figures: Path | None = None,
    overwrite: bool = False,
    sound: bool = True,
    anonymous: bool = False,
) -> Written:
    """A run's report as one HTML file, and its figures as PNG and SVG files.

    Args:
        output: None: in the run folder, `report_anonymous.html` if it is to be anonymous.
        on: a labelled manifest to report on, in place of the run's own dev and test.
        audio: folder with the audio of `on`, where it names none.
        count: of clips shown by themselves.
        figures: a folder, in which nothing is removed; None: one in the run folder, or beside `output`, that belongs to
            reports, from which figures that this one does not have are removed.
        sound: whether clips can be heard.
        anonymous: scores and figures alone.

    Raises:
        UserError: if run or manifest cannot be used, or a result is there already and not to be overwritten.
    """
    folder = RunFolder(run)
    _refuse_run(run)
    own = figures is None
    name = FIGURES + ("" if on is None else f"_{on.stem}") + ("_anonymous" if anonymous else "")
    figures = figures or (folder.figures / name if output is None else output.with_name(f"{output.stem}_figures"))
    output = output or folder.path / f"{name}.html"
    _refuse(output, figures, overwrite)
    other = None if on is None else Other("other rows" if anonymous else on.stem, inference.read_rows([on], audio))
    report = gather(run, count, other, sound, anonymous)
    found = pictures.pictures(report)
    text = page(report, found)
    paths = pictures.save(found, figures)
    if own:
        _remove_stale(figures, paths)
    write_text(output, text)
    return Written(output, len(text.encode()), tuple(paths))


def _refuse_run(run: Path) -> None:
    if not run.is_dir():
        raise UserError(f"no run folder {run}")
    if is_export(run):
        raise UserError(f"{run} is an exported model, which has no scores of clips; report on the run it was made from")


def _refuse(output: Path, figures: Path, overwrite: bool) -> None:
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file, as {output / FILE}")
    if overwrite and output.exists():
        refuse_unwritable(output)
    else:
        refuse_existing(output, "replace it with --overwrite, or name another file with -o")
    if figures.exists() and not figures.is_dir():
        raise UserError(f"{figures} is a file; name a folder for the figures with --figures")
    if figures.is_dir() and any(figures.iterdir()) and not overwrite:
        told = "replace its figures with --overwrite, or name another folder with --figures"
        raise UserError(f"{figures} is not empty; {told}")
    refuse_unwritable(figures / FILE if figures.is_dir() else figures)


def _remove_stale(figures: Path, kept: Sequence[Path]) -> None:
    """Figures of an earlier report: those that are there as PNG and SVG."""
    for path in sorted(figures.glob("*.svg")):
        twin = path.with_suffix(".png")
        if path not in kept and twin.is_file():
            path.unlink()
            twin.unlink()
