"""What a split gives: rows, classes, speakers and groups of each part, and what is disjoint from what."""

from dataclasses import dataclass

import pandas as pd

from emospeech.data.manifest import SPLITS
from emospeech.runtime.columns import aligned
from emospeech.runtime.errors import some

KEPT_APART = ("speaker", "group")
SHOWN = 40  # parts that a terminal is given


@dataclass(frozen=True)
class Part:
    """One fold, or one of train, dev and test."""

    name: str
    rows: int
    speakers: int  # 0: none is known
    groups: int
    classes: dict[str, int]  # every label of the split -> rows
    only: str | None  # the speaker, or else the group, where it is the same in all rows


@dataclass(frozen=True)
class Overlap:
    """Speakers, or groups, that are in two parts or more."""

    column: str  # `speaker` or `group`
    shared: int
    of: int
    leaks: dict[str, int]  # a part that is tested -> its rows whose speaker, or group, trains too
    unknown: int  # rows without one


@dataclass(frozen=True)
class Rare:
    """A class that some part lacks."""

    label: str
    rows: int
    absent: tuple[str, ...]  # parts that have no row of it
    untrained: str | None  # the fold without which none is left to train on; in a hold-out `train`, or None


@dataclass(frozen=True)
class Summary:
    """A split as a table and in sentences."""

    column: str  # `fold` or `split`
    parts: tuple[Part, ...]
    overlaps: tuple[Overlap, ...]
    rare: tuple[Rare, ...]


def summarise(parts: pd.Series, manifest: pd.DataFrame) -> Summary:
    """
    Args:
        parts: of a `Split`; every id is the manifest's.
    """
    rows = manifest.set_index("id").loc[parts.index].assign(part=parts)
    names = [name for name in SPLITS if (parts == name).any()] if parts.name == "split" else sorted(set(parts))
    counts = pd.crosstab(rows["part"], rows["label"]).reindex(names, fill_value=0)
    table = [_part(name, rows[rows["part"] == name], counts.loc[name]) for name in names]
    rare = [_rare(label, counts[label], parts.name == "split") for label in counts if (counts[label] == 0).any()]
    overlaps = [_overlap(rows, column) for column in KEPT_APART if rows[column].notna().any()]
    return Summary(str(parts.name), tuple(table), tuple(overlaps), tuple(rare))


def _part(name: object, rows: pd.DataFrame, counts: pd.Series) -> Part:
    alone = [values[0] for column in KEPT_APART if len(values := rows[column].unique()) == 1 and pd.notna(values[0])]
    return Part(
        str(name),
        len(rows),
        rows["speaker"].nunique(),
        rows["group"].nunique(),
        {label: int(count) for label, count in counts.items()},
        str(alone[0]) if alone else None,
    )


def _overlap(rows: pd.DataFrame, column: str) -> Overlap:
    known = rows[rows[column].notna()]
    parts = known.groupby(column)["part"].agg(set)
    shared = parts.index[parts.map(len) > 1]
    # a fold trains on all others; dev and test train on train
    trains = parts.index[["train" in held for held in parts]] if rows["part"].isin(SPLITS).all() else shared
    leaks = known[known[column].isin(trains) & (known["part"] != "train")].groupby("part").size()
    counts = {str(name): int(count) for name, count in leaks.items()}
    return Overlap(column, len(shared), len(parts), counts, len(rows) - len(known))


def _rare(label: str, counts: pd.Series, trains: bool) -> Rare:
    absent = tuple(str(name) for name in counts.index[counts == 0])
    whole = [str(name) for name in counts.index[counts == counts.sum()]]  # the one fold that has all of it
    untrained = ["train"] if trains and "train" in absent else [] if trains else whole
    return Rare(label, int(counts.sum()), absent, untrained[0] if untrained else None)


def lines(summary: Summary) -> list[str]:
    """For a terminal: a table of the parts, then what they share and what they lack."""
    labels = list(summary.parts[0].classes)
    body = [
        [part.name, part.rows, part.speakers or "-", part.groups or "-", *part.classes.values()]
        for part in summary.parts
    ]
    table = aligned([[summary.column, "rows", "speakers", "groups", *labels], *body])
    if all(part.only for part in summary.parts):
        table[1:] = [f"{line}  {part.only}" for line, part in zip(table[1:], summary.parts, strict=True)]
    if len(body) > SHOWN:
        table = [*table[: SHOWN + 1], f"… and {len(body) - SHOWN} more"]
    return [*table, *_shared(summary), *(_lacks(rare, summary.column) for rare in summary.rare)]


def _shared(summary: Summary) -> list[str]:
    found = {overlap.column: overlap for overlap in summary.overlaps}
    return [
        f"{column}s: {_of(found[column], summary)}" if column in found else f"{column}s: not known"
        for column in KEPT_APART
    ]


def _of(overlap: Overlap, summary: Summary) -> str:
    unknown = f"; not known of {overlap.unknown} rows" if overlap.unknown else ""
    if not overlap.shared:
        return f"none of {overlap.of} is in two {summary.column}s{unknown}"
    rows = {part.name: part.rows for part in summary.parts}
    if summary.column == "fold":
        leaks = (
            f"{sum(overlap.leaks.values())} of {sum(rows.values())} rows have theirs in the training rows of their fold"
        )
    else:
        leaks = ", ".join(
            f"{count} of {rows[name]} {name} rows have theirs in train" for name, count in overlap.leaks.items()
        )
    return f"{overlap.shared} of {overlap.of} in two {summary.column}s or more; {leaks or 'none in train'}{unknown}"


def _lacks(rare: Rare, column: str) -> str:
    where = f"{column}{'s' if len(rare.absent) > 1 else ''} {some(rare.absent, 8)}"
    told = f"rare: {rare.label}, {rare.rows} row{'s' if rare.rows > 1 else ''}, none in {where}"
    if rare.untrained is None:
        return told
    return f"{told}; nothing to train it on" + ("" if column == "split" else f" when fold {rare.untrained} is tested")
