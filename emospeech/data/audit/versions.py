"""Another version of a table: what was changed, and what its readings of the changed rows would have meant."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding, NotCheckedError
from emospeech.data.audit.text.words import normalised
from emospeech.runtime.errors import UserError, some

COMPARED = ("transcription", "label")


def compared(
    material: Material,
    other: pd.DataFrame,
    name: str,
    checks: Mapping[str, Callable[[Material], list[Finding]]],
) -> list[Finding]:
    """Rows that are not the same in another version; then what `checks` find in that version, in these rows alone.

    Args:
        other: a manifest with the same ids; further rows of either are left alone.
        name: what to call it.
        checks: those that read transcripts.

    Raises:
        UserError: if no id is in both.
    """
    frame = material.frame
    shared = frame["id"].isin(other["id"])
    if not shared.any():
        raise UserError(
            f"{name} has none of the ids under audit ({some(frame['id'].tolist())}); its own are such as "
            f"{some(other['id'].tolist())}: give another version of the same table"
        )
    theirs = other.set_index("id").reindex(frame["id"])
    found, texts_differ = [], np.zeros(len(frame), dtype=bool)
    for column in COMPARED:
        mine, their = frame[column].fillna(""), theirs[column].fillna("").reset_index(drop=True)
        if other[column].isna().all():
            continue
        differ = shared.to_numpy() & (mine != their).to_numpy()
        if differ.any():
            found.append(_changed(frame[differ], their[differ], column, name, int(shared.sum())))
        if column == "transcription":
            texts_differ = differ
    unknown = int((~other["id"].isin(frame["id"])).sum())
    if unknown:
        found.append(Finding("note", "other version", name, unknown, f"{unknown} of its rows are not under audit"))
    if texts_differ.any():
        before = frame["transcription"].mask(pd.Series(texts_differ), theirs["transcription"].reset_index(drop=True))
        earlier = replace(material, frame=frame.assign(transcription=before), told=texts_differ)
        found += [_in_version(one, name) for check in checks.values() for one in _made(check, earlier)]
    return found


def _changed(mine: pd.DataFrame, their: pd.Series, column: str, name: str, total: int) -> Finding:
    details = pd.DataFrame({"id": mine["id"], "part": mine["part"], "here": mine[column], "there": their})
    more = ""
    if column == "transcription":
        words = [
            normalised(str(a)) != normalised(str(b)) for a, b in zip(details["here"], details["there"], strict=True)
        ]
        more = f", {sum(words)} of them other words"
    sentence = f"{len(mine)} of {total} rows have another {column} in {name}{more}"
    parts = "+".join(mine["part"].unique())
    return Finding("note", f"changed {column}", parts, len(mine), sentence, details.reset_index(drop=True))


def _in_version(finding: Finding, name: str) -> Finding:
    return replace(finding, check=f"{finding.check}, then", sentence=f"as in {name}, {finding.sentence}")


def _made(check: Callable[[Material], list[Finding]], material: Material) -> list[Finding]:
    try:
        return check(material)
    except NotCheckedError:
        return []
