"""How many clips of each class there are in each part."""

import pandas as pd

from emospeech.data.audit.material import Material
from emospeech.data.audit.report import Finding, NotCheckedError, Severity

FEW = 10  # clips of a class, below which one more or less right moves its F1 by points


def balance(material: Material) -> list[Finding]:
    """The classes of each part; a warning where one has few clips."""
    counts = _counts(material)
    found = []
    for part in counts.columns:
        row = counts[part][counts[part] > 0].sort_values(ascending=False)
        total, unlabelled = int(row.sum()), int(material.of(part).sum() - row.sum())
        few = row[row < FEW]
        shares = ", ".join(f"{label} {count}" for label, count in row.items())
        note = f"; {unlabelled} clips without a label" if unlabelled else ""
        rare = f"; {', '.join(few.index)} too rare to score" if len(few) else ""
        details = pd.DataFrame({"label": row.index, "clips": row.to_numpy(), "share": row.to_numpy() / total})
        severity: Severity = "warning" if len(few) else "note"
        found.append(Finding(severity, "class balance", str(part), int(few.sum()), f"{shares}{rare}{note}", details))
    return found


def absent(material: Material) -> list[Finding]:
    """Classes that a part has not: never learned where the first part lacks them, not scored where a later one does."""
    counts = _counts(material)
    found = []
    for k, part in enumerate(counts.columns):
        others = counts.drop(columns=part).sum(axis=1)
        lacking = counts.index[(counts[part] == 0) & (others > 0)]
        if not len(lacking):
            continue
        details = pd.DataFrame({"label": lacking, "elsewhere": others[lacking].to_numpy()})
        means = "so they are never learned" if k == 0 else "so they are not scored"
        sentence = f"no clip of {', '.join(lacking)}, which other parts have, {means}"
        found.append(
            Finding(
                "warning" if k else "error",
                "absent class",
                str(part),
                int(details["elsewhere"].sum()),
                sentence,
                details,
            )
        )
    return found


def _counts(material: Material) -> pd.DataFrame:
    """Clips by label and part, parts in order; parts without labels left out."""
    labelled = material.frame[material.frame["label"].notna()]
    if labelled.empty:
        raise NotCheckedError("no row has a label")
    counts = pd.crosstab(labelled["label"], labelled["part"])
    return counts[[part for part in material.parts if part in counts]]
