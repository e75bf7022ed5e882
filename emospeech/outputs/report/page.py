"""A report as one HTML file that needs nothing else: styles, script, figures and sound are within it.

What a run or its corpus says is text here, never markup: the templates escape it, and the page's own policy lets no
script run but the one that sorts its table.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from emospeech.metrics.statistics import FEWEST
from emospeech.outputs.report import waves
from emospeech.outputs.report.content import Clip, Part, Report
from emospeech.outputs.report.pictures import Picture, inline, name_of

TEMPLATES = Path(__file__).parent / "templates"
MOST_ROWS = 3000  # of the table of all clips
MOST_CHANCES = 8  # labels listed beside a clip


def page(report: Report, pictures: Mapping[str, Picture]) -> str:
    """The HTML of a report, with these figures of it (see `pictures.pictures`)."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "score": score,
        "share": share,
        "ends": ends,
        "wave": waves.drawn,
        "peak": waves.peak,
        "shade": shade,
    }
    style, script = ((TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    shown, left_out = rows(report.parts)
    return environment.get_template("report.html").render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        svg={name: inline(picture) for name, picture in pictures.items()},
        name_of=name_of,
        score_lines=[line for part in report.parts for line in lines(part)],
        clips=shown,
        left_out=left_out,
        chances=chances,
        over=over,
        fewest=FEWEST,
        strongest=strongest,
        unchecked=_unchecked(report),
    )


def _unchecked(report: Report) -> dict[str, list[str]]:
    """Why checks of the audit could not be made -> which."""
    found: dict[str, list[str]] = {}
    for name, why in ({} if report.audit is None else report.audit.skipped).items():
        found.setdefault(why, []).append(name)
    return found


def score(value: float | None) -> str:
    """
    >>> score(0.98765), score(None)
    ('0.988', '–')
    """
    return "–" if value is None or pd.isna(value) else f"{value:.3f}"


def share(value: float) -> str:
    """
    >>> share(0.1234), share(0.004)
    ('12\xa0%', '0.4\xa0%')
    """
    return f"{value * 100:.{0 if value >= 0.0995 or not value else 1}f}\N{NO-BREAK SPACE}%"


def ends(pair: Any) -> str:
    """An interval.

    >>> ends((0.25, 0.75)), ends({"low": 0.1, "high": 0.2}), ends(None)
    ('0.250–0.750', '0.100–0.200', '–')
    """
    if pair is None:
        return "–"
    low, high = (pair["low"], pair["high"]) if isinstance(pair, Mapping) else pair
    return f"{low:.3f}–{high:.3f}"


def over(part: Part) -> str:
    """The interval of macro-F1 over speakers or recordings; of few of them the range of their own scores."""
    by = part.scores["macro_f1_interval_by"]
    who = f"{by['clusters']} {by['by']}s"
    if by["clusters"] >= FEWEST:
        return f"{ends(by)} over {who}"
    own = [by["lowest"], by["highest"]] if "lowest" in by else _singles(part, by["by"])
    told = f", by themselves {ends((min(own), max(own)))}," if own else ""
    return f"its {who}{told} are too few for an interval over {by['by']}s"


def _singles(part: Part, by: str) -> list[float]:
    """Macro-F1 of each speaker or recording, of scores that are older than their telling it."""
    return [group.macro_f1 for one in part.breakdowns if one.by.endswith(by) for group in one.groups]


def lines(part: Part) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A part's scores, and those of some of its clips or of its further tasks, each with what it is of."""
    yield part.name, part.scores
    if (new := part.scores.get("unseen")) and new["count"] not in (0, part.scores["count"]):
        yield f"{part.name}, {new['what']}", new
    for corpus, of in part.scores.get("by_corpus", {}).items():
        yield f"{part.name}, corpus {corpus}", of
    for task, of in part.scores.get("tasks", {}).items():
        yield f"{part.name}, task {task}", of


def chances(clip: Clip) -> list[tuple[str, float]]:
    """The likeliest labels of a clip, and in any case its truth."""
    first = list(clip.chances[:MOST_CHANCES])
    return first + [one for one in clip.chances[MOST_CHANCES:] if one[0] == clip.truth]


def shade(value: float, clip: Clip) -> str:
    """How strongly a word is marked, 0 to 1: its share among the clip's words, the strongest 1."""
    most = max((word.share or 0.0 for word in clip.transcript), default=0.0)
    return f"{value / most:.2f}" if most > 0 else "0"


def strongest(clip: Clip, count: int = 3) -> Sequence[Any]:
    """The words with most attention."""
    return sorted((word for word in clip.transcript if word.share), key=lambda word: -(word.share or 0))[:count]


def rows(parts: Sequence[Part]) -> tuple[list[dict[str, Any]], int]:
    """All clips for a table, errors first where there are too many, and how many are left out."""
    frames = [part.clips.assign(part=part.name) for part in parts if len(part.clips)]
    if not frames:
        return [], 0
    whole = pd.concat(frames, ignore_index=True)
    whole["right"] = whole["truth"] == whole["prediction"]
    left_out = max(len(whole) - MOST_ROWS, 0)
    if left_out:
        kept = whole.sort_values("right", kind="stable").index[:MOST_ROWS]
        whole = whole.loc[sorted(kept)]
    known = whole.astype(object).where(whole.notna(), None)
    found: list[dict[str, Any]] = known.to_dict("records")
    return found, left_out
