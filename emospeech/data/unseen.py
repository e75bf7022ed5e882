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
        heard = set(named(train, name).dropna())
        new &= (tested[name].notna() & ~named(tested, name).isin(heard)).to_numpy(dtype=bool)
    return Unseen(what_is_new(train, tested), new)
