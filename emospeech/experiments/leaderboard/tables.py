"""Runs as tables: for the terminal, CSV, Markdown, and a page that needs nothing else."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import pandas as pd

from emospeech.data import table as csv
from emospeech.experiments.leaderboard.entries import SCORES, Entry
from emospeech.runtime.columns import aligned, markdown
from emospeech.runtime.errors import UserError

MANY = 6  # changes that a line tells
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>emospeech: runs</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #1a1a1a; background: #fff; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .8rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top; }}
th button {{ font: inherit; font-weight: 600; border: 0; background: none; padding: 0; cursor: pointer; }}
th[aria-sort="ascending"] button::after {{ content: " \\2191"; }}
th[aria-sort="descending"] button::after {{ content: " \\2193"; }}
td.score {{ font-variant-numeric: tabular-nums; white-space: nowrap; }}
small {{ color: #555; }}
</style>
</head>
<body>
<h1>Runs</h1>
<p>Macro-F1 with its 95 % bootstrap interval over clips. <em>Speakers or videos apart</em>: the same recipe, refitted in
folds that share none. Click a heading to sort.</p>
<table>
<thead><tr>{head}</tr></thead>
<tbody>
{body}
</tbody>
</table>
<script>
for (const button of document.querySelectorAll("th button")) {{
  button.addEventListener("click", () => {{
    const head = button.parentElement, table = head.closest("table"), rows = [...table.tBodies[0].rows];
    const descending = head.getAttribute("aria-sort") !== "descending", at = head.cellIndex;
    const value = row => row.cells[at].dataset.value ?? row.cells[at].textContent;
    const compare = (a, b) => (a === "") - (b === "") ||
      (descending ? -1 : 1) * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.tBodies[0].append(...rows.sort((a, b) => compare(value(a), value(b))));
  }});
}}
</script>
</body>
</html>
"""


def files(found: Sequence[Entry]) -> dict[str, str]:
    """File name -> content."""
    return {
        "leaderboard.csv": str(csv.as_csv(table(found))),
        "leaderboard.md": "\n".join(markdown(cells(found), left=6)) + "\n",
        "leaderboard.html": page(found),
    }


def table(found: Sequence[Entry]) -> pd.DataFrame:
    """One line a run: what `leaderboard.csv` holds."""
    rows = []
    for one in found:
        row: dict[str, Any] = {"run": one.name, "changes": " ".join(one.changes), "seed": one.seed}
        for part in SCORES:
            score = one.scores.get(part)
            for name in ("value", "low", "high", "clips"):
                column = part if name == "value" else f"{part}_{name}"
                row[column] = None if score is None else getattr(score, name)
        row["disjoint_protocol"] = one.scores["disjoint"].what if "disjoint" in one.scores else ""
        rows.append({**row, "submissions": " ".join(one.submissions), "began": one.began, "commit": one.commit})
    return pd.DataFrame(rows)


def ordered(found: Sequence[Entry], by: str) -> list[Entry]:
    """Best first, by a score; those without it last.

    Raises:
        UserError: if there is no such score.
    """
    if by not in (*SCORES, "name"):
        raise UserError(f"unknown --sort {by!r}; known: {', '.join((*SCORES, 'name'))}")
    if by == "name":
        return sorted(found, key=lambda one: one.name)
    return sorted(found, key=lambda one: -one.scores[by].value if by in one.scores else 1.0)


def cells(found: Sequence[Entry]) -> list[list[str]]:
    """For people: headings, then a row a run."""
    head = ["run", "dev", "test", "speakers or videos apart", "submissions", "changes to the base"]
    return [head, *([one.name, *_told(one), " ".join(one.submissions), _listed(one.changes)] for one in found)]


def _told(one: Entry) -> list[str]:
    told = {part: f"{score.value:.4f} ({score.low:.3f}-{score.high:.3f})" for part, score in one.scores.items()}
    return [told.get(part, "") for part in SCORES]


def _listed(changes: Sequence[str]) -> str:
    more = f" and {len(changes) - MANY} more" if len(changes) > MANY else ""
    return " ".join(changes[:MANY]) + more if changes else "(the base)"


def lines(found: Sequence[Entry]) -> Iterator[str]:
    """To print."""
    yield from aligned(cells(found), left=6)


def page(found: Sequence[Entry]) -> str:
    """HTML with all that it needs in it."""
    head, *rows = cells(found)
    heads = "".join(f'<th scope="col"><button>{escape(name)}</button></th>' for name in head)
    body = [
        f"<tr>{''.join(_cell(at, text, one) for at, text in enumerate(row))}</tr>"
        for one, row in zip(found, rows, strict=True)
    ]
    return PAGE.format(head=heads, body="\n".join(body))


def _cell(at: int, text: str, one: Entry) -> str:
    """A score sorts by its number, and tells of how many clips it is."""
    if not 1 <= at <= len(SCORES):
        return f"<td>{escape(text)}</td>"
    score = one.scores.get(SCORES[at - 1])
    if score is None:
        return '<td class="score" data-value=""></td>'
    about = f"{score.clips} clips" + (f", {score.what}" if score.what else "")
    return f'<td class="score" data-value="{score.value}">{escape(text)}<br><small>{escape(about)}</small></td>'
