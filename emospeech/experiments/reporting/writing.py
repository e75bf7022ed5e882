"""`emospeech report`: gather, draw, write."""

from dataclasses import dataclass
from pathlib import Path

from emospeech.experiments import inference
from emospeech.experiments.reporting.gather import Other, gather
from emospeech.outputs.report import pictures
from emospeech.outputs.report.page import page
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing, write_text
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
) -> Written:
    """A run's report as one HTML file, and its figures as PNG and SVG files.

    Args:
        output: None: in the run folder.
        on: a labelled manifest to report on, in place of the run's own dev and test.
        audio: folder with the audio of `on`, where it names none.
        count: of clips shown by themselves.
        figures: a folder; None: one in the run folder that belongs to reports, whose figures are replaced.

    Raises:
        UserError: if run or manifest cannot be used, or a result is there already and not to be overwritten.
    """
    folder = RunFolder(run)
    if not folder.path.is_dir():
        raise UserError(f"no run folder {run}")
    stem = "" if on is None else f"_{on.stem}"
    output = output or folder.path / FILE.replace(".", f"{stem}.")
    _refuse(output, figures, overwrite)
    other = None if on is None else Other(on.stem, inference.read_rows([on], audio))
    report = gather(run, count, other)
    found = pictures.pictures(report)
    text = page(report, found)
    paths = pictures.save(found, figures or folder.figures / f"{FIGURES}{stem}")
    write_text(output, text)
    return Written(output, len(text.encode()), tuple(paths))


def _refuse(output: Path, figures: Path | None, overwrite: bool) -> None:
    if output.is_dir():
        raise UserError(f"{output} is a folder; name a file, as {output / FILE}")
    if not (overwrite and output.exists()):
        refuse_existing(output, "replace it with --overwrite, or name another file with -o")
    if figures is None:
        return
    if figures.exists() and not figures.is_dir():
        raise UserError(f"--figures {figures} is a file; name a folder")
    if figures.is_dir() and any(figures.iterdir()) and not overwrite:
        raise UserError(f"--figures {figures} is not empty; replace its figures with --overwrite, or name another")
