"""The figures of a report: inline in its page, and as files for papers."""

import functools
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from emospeech import figures
from emospeech.figures import calibration as of_calibration
from emospeech.figures import report as drawing
from emospeech.metrics.scores import Scores
from emospeech.outputs.report.content import Breakdown, Part, Report
from emospeech.runtime.console import progress
from emospeech.runtime.files import write_text


@dataclass(frozen=True)
class Picture:
    """A figure with its name in files, and what it shows, for who cannot see it."""

    name: str
    title: str
    figure: Any

    @functools.cached_property
    def svg(self) -> str:
        """Its text is text; the same bytes from the same numbers."""
        import matplotlib

        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
        return buffer.getvalue()


def pictures(report: Report) -> dict[str, Picture]:
    """All figures of a report, by name."""
    found = [one for part in report.parts for one in _of_part(part)]
    if report.history:
        title = "Training loss and dev macro-F1 over optimiser steps"
        found.append(Picture("learning_curves", title, figures.learning_curves(report.history)))
    if report.layers:
        names, weights = zip(*report.layers, strict=True)
        title = "Learned weights of the speech encoder's layers; dotted: where each began"
        found.append(Picture("layer_weights", title, drawing.layer_bars(names, weights)))
    return {one.name: one for one in found}


def name_of(part: Part, what: str) -> str:
    """In files: letters, digits and `_` alone.

    >>> from types import SimpleNamespace
    >>> name_of(SimpleNamespace(name="my test/1"), "source recording")
    'my_test_1_source_recording'
    """
    return re.sub(r"\W+", "_", f"{part.name}_{what}")


def _of_part(part: Part) -> Iterator[Picture]:
    scores = Scores(**{one.name: part.scores[one.name] for one in fields(Scores)})
    title = f"Confusion matrix of {part.name}: rows are the truth, columns the prediction"
    yield Picture(name_of(part, "confusion"), title, figures.confusion(scores))
    rows = [((of.precision, of.recall, of.f1), (of.precision_ends, of.recall_ends, of.f1_ends)) for of in part.classes]
    values, ends = zip(*rows, strict=True)
    bars = drawing.class_bars([of.name for of in part.classes], values, ends)
    yield Picture(name_of(part, "classes"), f"Precision, recall and F1 of each class on {part.name}", bars)
    for one in part.breakdowns:
        title = f"Accuracy on {part.name} by {one.by}, with 95 % intervals"
        yield Picture(name_of(part, f"by_{one.by}"), title, _dots(one, part.scores["accuracy"]))
    if part.calibration is not None:
        title = f"How often the run is right on {part.name} when it is how sure"
        yield Picture(name_of(part, "reliability"), title, _reliability(part))


def _dots(found: Breakdown, whole: float) -> Any:
    groups = found.groups
    return drawing.group_dots(
        [one.name for one in groups],
        [one.accuracy for one in groups],
        [(one.low, one.high) for one in groups],
        [one.count for one in groups],
        [one.small for one in groups],
        whole,
    )


def _reliability(part: Part) -> Any:
    found: Any = part.calibration
    after = {} if found.tempered is None else {"after a temperature": found.tempered}
    return of_calibration.reliability({"as predicted": found.plain, **after}, part.name)


def inline(picture: Picture) -> Markup:
    """As SVG within a page: its text is text, its ids are its own, nothing in it points outside."""
    text = picture.svg[picture.svg.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    prefix = f"{picture.name}-"
    text = re.sub(r'\bid="', f'id="{prefix}', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{prefix}", text)
    named = f'<svg role="img" aria-labelledby="{prefix}title"'
    title = f'<title id="{prefix}title">{escape(picture.title)}</title>'
    head, rest = text.removeprefix("<svg").split(">", 1)
    return Markup(f"{named}{head}>{title}{rest}")


def save(found: Mapping[str, Picture], folder: Path) -> list[Path]:
    """Each as a PNG and an SVG file."""
    paths = []
    with progress("drawing", len(found)) as bar:
        for picture in found.values():
            bitmap, drawing = (folder / f"{picture.name}{kind}" for kind in (".png", ".svg"))
            figures.save(picture.figure, bitmap)
            write_text(drawing, picture.svg)
            paths += [bitmap, drawing]
            bar()
    return paths
