"""Tables for a terminal."""

from collections.abc import Sequence


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
