"""What parts have in common that they should not: clips, speakers, recordings, sounds, words; and labels that disagree.

One mechanism serves all: a key a row (an id, a speaker, the hash of a sound, its words), NA where unknown. Two
rows with one key share the thing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data.audit.material import Material, Pair
from emospeech.data.audit.report import Finding, NotCheckedError, Severity


@dataclass(frozen=True)
class Thing:
    """Something that rows may share, and how that is told."""

    check: str
    column: str  # what the key is called in the details
    many: str  # what several are called
    verb: str  # "5 of 750 test clips …", with {} for "a clip of train"
    severity: Severity


ID = Thing("same id", "id", "ids", "have the id of {}", "error")
SPEAKER = Thing("same speaker", "speaker", "speakers", "are of the speaker of {}", "error")
GROUP = Thing(
    "same recording", "group", "recordings", "share a source recording (group, such as a video) with {}", "error"
)


@dataclass(frozen=True)
class Overlap:
    """Rows of the later side of a pair whose key is on the earlier side, too."""

    pair: Pair
    rows: np.ndarray  # (rows,) bool
    total: int  # rows of the later side


def overlaps(material: Material, keys: pd.Series) -> list[Overlap]:
    """Every pair of parts that shares a key."""
    found = []
    for pair in material.pairs():
        later = material.of(pair.later)
        earlier = set(keys[material.of(*pair.earlier)].dropna())
        rows = material.concerned(later & keys.isin(earlier).to_numpy() & keys.notna().to_numpy())
        if rows.any():
            found.append(Overlap(pair, rows, int(later.sum())))
    return found


def finding_of(overlap: Overlap, material: Material, keys: pd.Series, thing: Thing, more: str = "") -> Finding:
    """An overlap, told; its details have a row a key with the ids of both sides."""
    count, shared = int(overlap.rows.sum()), keys[overlap.rows].nunique()
    several = f"; {shared} different {thing.many}" if shared != count else ""
    verb = thing.verb.format(f"a clip of {overlap.pair.name}")
    return Finding(
        thing.severity,
        thing.check,
        str(overlap.pair),
        count,
        f"{count} of {overlap.total} {overlap.pair.later} clips {verb}{several}{more}",
        _both_sides(overlap, material, keys, thing.column),
    )


def shared(material: Material, keys: pd.Series, thing: Thing) -> list[Finding]:
    """A finding for every pair of parts that shares a key."""
    return [finding_of(overlap, material, keys, thing) for overlap in overlaps(material, keys)]


def same_ids(material: Material) -> list[Finding]:
    """One clip in two parts, or twice in one, by its id."""
    return [*shared(material, material.frame["id"], ID), *doubled(material, material.frame["id"], ID)]


def same_speakers(material: Material) -> list[Finding]:
    return shared(material, _known(material, "speaker"), SPEAKER)


def same_groups(material: Material) -> list[Finding]:
    return shared(material, _known(material, "group"), GROUP)


def doubled(material: Material, keys: pd.Series, thing: Thing) -> list[Finding]:
    """A note for every part in which several rows have one key."""
    found = []
    for part in material.parts:
        rows = material.of(part)
        twice = rows & (keys.where(pd.Series(rows, index=keys.index)).duplicated(keep=False) & keys.notna()).to_numpy()
        twice = material.concerned(twice)
        if not twice.any():
            continue
        listed = material.frame["id"][twice].groupby(keys[twice], sort=False).agg(list)
        details = pd.DataFrame({thing.column: listed.index, part: listed.to_list()})
        verb = thing.verb.format("another")
        sentence = f"{int(twice.sum())} of {int(rows.sum())} clips {verb}; {len(listed)} such {thing.many}"
        found.append(Finding("note", thing.check, part, int(twice.sum()), sentence, details))
    return found


def conflicts(
    material: Material, keys: pd.Series, thing: Thing, severity: Severity, column: str = "label"
) -> list[Finding]:
    """Rows with one key that are not of one label, or one speaker, over all parts; none where the column is empty."""
    frame, values = material.frame, material.frame[column]
    different = values.groupby(keys).nunique()
    apart = keys.isin(different[different > 1].index).to_numpy() & values.notna().to_numpy()
    apart = material.concerned(apart)
    if not apart.any():
        return []
    details = pd.DataFrame(
        [
            {thing.column: key, f"{column}s": rows[column].tolist(), "ids": rows["id"].tolist()}
            for key, rows in frame[apart].groupby(keys[apart], sort=False)
        ]
    )
    count, verb = int(apart.sum()), thing.verb.format("one")
    sentence = f"{count} clips {verb} that has another {column}; {len(details)} such {thing.many}"
    parts = "+".join(frame["part"][apart].unique())
    return [Finding(severity, f"{column}s that disagree", parts, count, sentence, details)]


def linked(names: pd.Series, pairs: Sequence[tuple[int, int]]) -> pd.Series:
    """A key for rows that pairs join, directly or through others: the name of the first of them; NA for the others.

    >>> linked(pd.Series(["a", "b", "c", "d"]), [(1, 2), (2, 3)]).fillna("-").tolist()
    ['-', 'b', 'b', 'b']
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys = pd.Series(pd.NA, index=names.index, dtype="string")
    if pairs:
        one, other = np.array(pairs).T
        graph = coo_matrix((np.ones(len(one)), (one, other)), shape=(len(names), len(names)))
        component = connected_components(graph, directed=False)[1]
        _, first = np.unique(component, return_index=True)
        members = np.unique(np.concatenate([one, other]))
        keys.iloc[members] = names.iloc[first[component[members]]].to_numpy()
    return keys


def _known(material: Material, column: str) -> pd.Series:
    if material.frame[column].isna().all():
        raise NotCheckedError(f"no row has a {column}")
    return material.frame[column]


def _both_sides(overlap: Overlap, material: Material, keys: pd.Series, column: str) -> pd.DataFrame:
    """A row a key: the ids of the earlier side, then those of the later."""
    earlier = material.of(*overlap.pair.earlier) & keys.isin(keys[overlap.rows]).to_numpy()
    sides = {
        side: material.frame["id"][rows].groupby(keys[rows], sort=False).agg(list)
        for side, rows in ((overlap.pair.later, overlap.rows), (overlap.pair.name, earlier))
    }
    wanted = sides[overlap.pair.later].index
    return pd.DataFrame({column: wanted, **{side: ids.reindex(wanted).tolist() for side, ids in sides.items()}})
