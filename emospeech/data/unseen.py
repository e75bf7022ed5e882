"""Which clips are of speakers and recordings that training has not heard: a score on these is another quantity."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data.origins import KNOWN_BY, named


@dataclass(frozen=True)
class Unseen:
    """Of some tested rows, those whose every known origin is new."""

    what: str  # as `new speakers`
    rows: np.ndarray  # bool (rows,)


def what_is_new(*parts: pd.DataFrame) -> str:
    """What can be: that of which all parts tell; empty if nothing.

    >>> what_is_new(pd.DataFrame({"speaker": ["s1"], "group": ["v1"]}))
    'new speakers and recordings'
    """
    known = [KNOWN_BY[name] for name in _told(*parts)]
    return f"new {' and '.join(known)}" if known else ""


def _told(*parts: pd.DataFrame) -> list[str]:
    return [name for name in KNOWN_BY if all(name in rows and rows[name].notna().any() for rows in parts)]


def unseen(train: pd.DataFrame, tested: pd.DataFrame) -> Unseen | None:
    """None where neither speakers nor recordings are told of both.

    A row whose speaker or recording is not told counts as heard, as nobody knows.
    """
    by = _told(train, tested)
    if not by:
        return None
    new = np.ones(len(tested), dtype=bool)
    for name in by:
        new &= (tested[name].notna() & ~_heard(train, tested, name)).to_numpy(dtype=bool)
    return Unseen(what_is_new(train, tested), new)


def _heard(train: pd.DataFrame, tested: pd.DataFrame, name: str) -> pd.Series:
    """Of each tested row, whether training has its speaker or recording; a name without a corpus may be anybody's."""
    placed = named(tested, name).isin(set(named(train, name).dropna()))
    own, others = tested[name], train[name]
    nowhere = [_without_corpus(rows) for rows in (train, tested)]
    return placed | own.isin(set(others[nowhere[0]].dropna())) | (nowhere[1] & own.isin(set(others.dropna())))


def _without_corpus(rows: pd.DataFrame) -> pd.Series:
    return rows["corpus"].isna() if "corpus" in rows else pd.Series(True, index=rows.index)
