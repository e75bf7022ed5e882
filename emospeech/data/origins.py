"""Where clips come from: speakers and recordings (such as videos), by the names that a manifest gives them."""

from dataclasses import dataclass

import pandas as pd

KNOWN_BY = {"speaker": "speakers", "group": "recordings"}  # column of a manifest -> what it names
ALONE = "\0"  # begins the name of a clip of which it is not told, and which is drawn by itself
SINGULAR = {"speaker": "speaker", "group": "recording"}


@dataclass(frozen=True)
class Origins:
    """What is drawn together when some clips' score gets an interval over more than clips."""

    by: str  # `speaker` or `recording`
    names: tuple[str, ...]  # of each clip

    @property
    def count(self) -> int:
        return len(set(self.names))


def named(rows: pd.DataFrame, column: str) -> pd.Series:
    """Two corpora may call different people by one name, so the corpus stands before it; NA where none is told."""
    if "corpus" not in rows:
        return rows[column]
    return rows["corpus"].fillna("") + "/" + rows[column]


def origins(rows: pd.DataFrame) -> Origins | None:
    """By speaker or by recording, whatever there are fewer of: clips of one are alike, and the coarser holds more.

    Clips of which it is not told are drawn by themselves, if they are the minority. None where neither is told, or
    there is one alone, or each clip has its own.

    >>> origins(pd.DataFrame({"speaker": ["s1", "s1", "s2"], "group": ["v1", "v2", "v3"]}))
    Origins(by='speaker', names=('s1', 's1', 's2'))
    """
    found = [_by(rows, column) for column in KNOWN_BY if column in rows]
    fit = [one for one in found if one is not None and 1 < one.count < len(rows)]
    return min(fit, key=lambda one: one.count, default=None)


def _by(rows: pd.DataFrame, column: str) -> Origins | None:
    names = named(rows, column)
    if names.isna().mean() >= 0.5:
        return None
    alone = [name if isinstance(name, str) else f"{ALONE}{at}" for at, name in enumerate(names)]
    return Origins(SINGULAR[column], tuple(alone))
