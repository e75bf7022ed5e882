"""Tables for a terminal, and as Markdown."""

from collections.abc import Iterator, Sequence


def aligned(table: Sequence[Sequence[object]], left: int = 0) -> list[str]:
    """Rows of cells as lines; the first `left` columns flush left, the others flush right.

    >>> aligned([["part", "rows"], ["dev", 480], ["train", 2520]], left=1)
    ['part   rows', 'dev     480', 'train  2520']
    """
    widths = [max(len(str(cell)) for cell in column) for column in zip(*table, strict=True)]
    return [
        "  ".join(f"{cell!s:{'<' if at < left else '>'}{widths[at]}}" for at, cell in enumerate(row)).rstrip()
        for row in table
    ]


def markdown(table: Sequence[Sequence[str]], left: int) -> Iterator[str]:
    """Rows of cells, headings first, as lines; the first `left` columns flush left, the others flush right.

    >>> print("\\n".join(markdown([["system", "F1"], ["a|b", "0.5"]], left=1)))
    | system | F1 |
    |:--|--:|
    | a\\|b | 0.5 |
    """
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in table]
    head, *body = [f"| {' | '.join(row)} |" for row in escaped]
    yield head
    yield f"|{'|'.join(':--' if at < left else '--:' for at in range(len(table[0])))}|"
    yield from body
