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
    verb: str  # "5 of 750 test clips … train"
    severity: Severity


ID = Thing("same id", "id", "have the id of a clip of", "error")
SPEAKER = Thing("same speaker", "speaker", "are of a speaker of", "error")
GROUP = Thing("same recording", "group", "share a source recording (group, such as a video) with", "error")


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
    several = f"; {shared} different" if shared != count else ""
    return Finding(
        thing.severity,
        thing.check,
        str(overlap.pair),
        count,
        f"{count} of {overlap.total} {overlap.pair.later} clips {thing.verb} {overlap.pair.name}{several}{more}",
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
        sentence = f"{int(twice.sum())} of {int(rows.sum())} clips {thing.verb} another; {len(listed)} different"
        found.append(Finding("note", thing.check, part, int(twice.sum()), sentence, details))
    return found


def conflicts(material: Material, keys: pd.Series, thing: Thing, severity: Severity) -> list[Finding]:
    """Rows with one key and different labels, over all parts.

    Raises:
        NotCheckedError: if no row has a label.
    """
    frame, labels = material.frame, material.frame["label"]
    if labels.isna().all():
        raise NotCheckedError("no row has a label")
    different = labels.groupby(keys).nunique()
    apart = keys.isin(different[different > 1].index).to_numpy() & labels.notna().to_numpy()
    apart = material.concerned(apart)
    if not apart.any():
        return []
    groups = frame[apart].assign(key=keys[apart]).groupby("key", sort=False)
    details = pd.DataFrame(
        [{thing.column: key, "labels": rows["label"].tolist(), "ids": rows["id"].tolist()} for key, rows in groups]
    )
    parts = "+".join(part for part in material.parts if (apart & material.of(part)).any())
    count = int(apart.sum())
    sentence = f"{count} labelled clips {thing.verb} one that has another label; {len(details)} different"
    return [Finding(severity, "labels that disagree", parts, count, sentence, details)]


def components(count: int, pairs: Sequence[tuple[int, int]]) -> pd.Series:
    """Keys (count,) that pairs of rows share, directly or through others; NA for a row in no pair."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys = pd.Series(pd.NA, index=range(count), dtype="Int64")
    if pairs:
        one, other = np.array(pairs).T
        _, number = connected_components(coo_matrix((np.ones(len(one)), (one, other)), shape=(count, count)), False)
        members = np.unique(np.concatenate([one, other]))
        keys[members] = number[members]
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
