"""The kinds of split by name, and one drawn from a manifest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emospeech.data import splits
from emospeech.data.folds.assign import hold_out, k_fold, leave_one_out
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults

BY = ("auto", "group", "speaker", "none")


@dataclass(frozen=True)
class Kind:
    """A way to split."""

    draw: Callable[..., Any]  # (ids, labels, groups, **options) -> parts
    column: str  # what its parts are called in a file: `fold` or `split`
    options: Mapping[str, Any]  # those that `draw` takes, with their defaults
    auto: tuple[str, ...] = ("group", "speaker")  # what is kept together unasked: the first that is known
    needs_groups: bool = False  # it cannot be drawn without


KINDS: dict[str, Kind] = {
    "k-fold": Kind(k_fold, "fold", {"folds": 5, "seed": 0}),
    "loso": Kind(leave_one_out, "fold", {}, ("speaker",), needs_groups=True),
    "holdout": Kind(hold_out, "split", {"dev": 0.16, "test": 0.2, "seed": 0}),
}


@dataclass(frozen=True)
class Origin:
    """How a split came about; with the manifest it was drawn from, it gives the same split again."""

    kind: str  # a name from `KINDS`, or `given`
    by: str | None  # what was kept together: group, speaker or none; None: not known
    options: Mapping[str, Any]  # of the kind


@dataclass(frozen=True)
class Split:
    """Who is tested where."""

    parts: pd.Series  # a row's part, under its id: named `fold` (1, 2, …) or `split` (train, dev, test)
    origin: Origin


def draw(manifest: pd.DataFrame, kind: str, by: str = "auto", options: Mapping[str, Any] | None = None) -> Split:
    """A split of the manifest's labelled rows, whatever split they are in; what is left out is said aloud.

    Args:
        kind: a name from `KINDS`.
        by: what must not be on both sides: `group`, `speaker`, `none`, or `auto`: what is known of them, group first
            (leave-one-speaker-out: the speaker). A row without one is a group of its own, which is said aloud too.
        options: of the kind, such as `folds`; others are refused.

    Raises:
        UserError: if the manifest cannot be split like that.
    """
    given = dict(options or {})
    _check(kind, by, given)
    rows = manifest[manifest["label"].notna()]
    if not len(rows):
        raise UserError("no row has a label, so there is nothing to split")
    groups = _groups(rows, kind, by)
    if len(rows) < len(manifest):
        say(f"note: {len(manifest) - len(rows)} of {len(manifest)} rows have no label and are left out")
    if rows["split"].notna().any():
        say("note: the manifest's own column split is not asked; all labelled rows are split anew")
    chosen = {**KINDS[kind].options, **given}
    by, names = ("none", None) if groups is None else (str(groups.name), groups.tolist())
    try:
        parts = KINDS[kind].draw(rows["id"].tolist(), rows["label"].tolist(), names, **chosen)
    except UserError as error:
        raise UserError(f"{kind} by {by}: {error}") from None
    series = pd.Series(parts, index=rows["id"].tolist(), name=KINDS[kind].column)
    return Split(series, Origin(kind, by, chosen))


def _check(kind: str, by: str, options: Mapping[str, Any]) -> None:
    found = [f"unknown by {by!r}; known: {', '.join(BY)}"] if by not in BY else []
    if kind not in KINDS:
        found.append(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    else:
        takes = KINDS[kind].options
        known = f"it has {', '.join(takes)}" if takes else "it has none"
        found += [f"{kind} has no option {name}; {known}" for name in options if name not in takes]
    if found:
        raise faults("such a split cannot be drawn", found)


def _groups(rows: pd.DataFrame, kind: str, by: str) -> pd.Series | None:
    """What must stay together, a name a row; None where nothing must, or `auto` finds nothing."""
    if by == "auto":
        known = [name for name in KINDS[kind].auto if rows[name].notna().any()]
        by = known[0] if known else KINDS[kind].auto[0] if KINDS[kind].needs_groups else "none"
        if by == "none":
            say("note: no group and no speaker is known, so that the same one may train and be tested")
    if by == "none" and KINDS[kind].needs_groups:
        raise UserError(f"{kind} leaves out a speaker or a group; split by speaker or by group")
    groups = splits.group_column(rows, by)
    if groups is None and by != "none":
        raise UserError(f"no row has a {by} to split by")
    without = int(rows[by].isna().sum()) if groups is not None else 0
    if without:
        say(f"note: {without} of {len(rows)} rows have no {by}; each of them counts as one of its own")
    return groups
