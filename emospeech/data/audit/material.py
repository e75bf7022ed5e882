"""What the checks look at: the rows of all manifests with the part that each belongs to, and what was heard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data.audit.sound.measure import Sound
from emospeech.data.manifest import SPLITS
from emospeech.runtime.errors import UserError


@dataclass(frozen=True)
class Pair:
    """Two sides of which the later one must not know the earlier."""

    earlier: tuple[str, ...]  # parts; several are taken together
    later: str

    @property
    def name(self) -> str:
        return "+".join(self.earlier)

    def __str__(self) -> str:
        return f"{self.name} | {self.later}"


@dataclass(frozen=True)
class Material:
    """Rows under audit."""

    frame: pd.DataFrame  # a manifest with a column `part`; index 0, 1, …
    sounds: tuple[Sound | None, ...] | None = None  # one a row, None where a row names no audio; None: not listened
    told: np.ndarray | None = None  # (rows,) bool: those that findings are to be about; None: all

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.frame["part"].unique())

    def of(self, *parts: str) -> np.ndarray:
        """(rows,) bool: the rows of these parts."""
        return self.frame["part"].isin(parts).to_numpy()

    def concerned(self, rows: np.ndarray) -> np.ndarray:
        """(rows,) bool: those of `rows` that findings are to be about."""
        return rows if self.told is None else rows & self.told

    def pairs(self) -> Iterator[Pair]:
        """Each part against each before it, and from the third on against all before it together."""
        parts = self.parts
        for k, later in enumerate(parts):
            for earlier in parts[:k]:
                yield Pair((earlier,), later)
            if k > 1:
                yield Pair(parts[:k], later)


def joined(manifests: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """All rows, those of one part together, with a column `part`: the row's split, else the name of its manifest.

    Train and dev come first, then what no split tells of, by manifest, and test last.

    Raises:
        UserError: if there are no rows.
    """
    frames = [frame.assign(part=frame["split"].fillna(name)) for name, frame in manifests.items()]
    if not frames or not sum(map(len, frames)):
        raise UserError("nothing to audit: no rows")
    whole = pd.concat(frames, ignore_index=True)
    split = set(SPLITS)
    order = dict.fromkeys(["train", "dev", *(part for part in whole["part"] if part not in split), "test"])
    place = whole["part"].map({part: k for k, part in enumerate(order)})
    return whole.iloc[np.argsort(place.to_numpy(), kind="stable")].reset_index(drop=True)


def names_of(paths: Sequence[str]) -> list[str]:
    """A short name a file: what differs of it, so that parts can be told apart.

    >>> names_of(["a/train.csv", "a/test.csv"]), names_of(["a/m.csv", "b/m.csv"])
    (['train', 'test'], ['a/m', 'b/m'])
    """
    split = [path.removesuffix(".csv").split("/") for path in paths]
    for length in range(1, max(map(len, split), default=0) + 1):
        names = ["/".join(parts[-length:]) for parts in split]
        if len(set(names)) == len(names):
            return names
    return list(paths)
