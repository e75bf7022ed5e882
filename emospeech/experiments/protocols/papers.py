"""The tables of a benchmark as a paper takes them: `table.md` (Markdown) and `table.tex` (LaTeX, with booktabs)."""

from collections.abc import Iterator, Mapping, Sequence

from emospeech.config import Benchmark
from emospeech.experiments.protocols import report
from emospeech.experiments.protocols.outcomes import Outcome
from emospeech.runtime import columns

SPECIAL = str.maketrans(
    {
        **{sign: f"\\{sign}" for sign in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "<": "$<$",
        ">": "$>$",
        "×": r"$\times$",
    }
)


def tables(found: Sequence[Outcome], asked: Benchmark) -> Mapping[str, str]:
    """File -> its content: a table for each protocol and task, but for corpora that train for each other."""
    parts = []
    for protocol in dict.fromkeys(one.protocol for one in found):
        for task in dict.fromkeys(one.task for one in found if one.protocol == protocol):
            own = [one for one in found if (one.protocol, one.task) == (protocol, task)]
            if not any(one.trained_on for one in own):
                parts.append((report.title(own), report.columns(own, asked.base), 2 if report.several(own) else 1))
    if not parts:
        return {}
    kinds = {"table.md": markdown, "table.tex": latex}
    return {
        name: "\n".join(line for title, cells, left in parts for line in write(title, cells, left))
        for name, write in kinds.items()
    }


def markdown(title: str, cells: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """
    Args:
        cells: headings, then rows.
        left: how many columns are flush left.
    """
    yield from (f"**{title}**", "", *columns.markdown(cells, left), "")


def latex(title: str, cells: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    r"""As `markdown`; wants \usepackage{booktabs}."""
    head, *body = [[_escaped(cell) for cell in row] for row in cells]
    yield from (r"\begin{table}", r"\centering", rf"\caption{{{_escaped(title)}}}")
    yield rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(head) - left)}}}"
    yield from (r"\toprule", rf"{' & '.join(head)} \\", r"\midrule")
    yield from (rf"{' & '.join(row)} \\" for row in body)
    yield from (r"\bottomrule", r"\end{tabular}", r"\end{table}", "")


def _escaped(text: str) -> str:
    return text.translate(SPECIAL)
