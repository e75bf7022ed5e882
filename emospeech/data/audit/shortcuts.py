"""How well the label is guessed from what should not tell it: the recording, the speaker, the length, the loudness."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emospeech.data.audit.material import Material, Pair
from emospeech.data.audit.report import Finding, NotCheckedError, Severity
from emospeech.data.audit.sound.quality import heard
from emospeech.data.audit.text.recogniser import seconds
from emospeech.data.splits import group_column
from emospeech.metrics import statistics
from emospeech.metrics.scores import score

FOLDS, REPEATS, SHUFFLES = 5, 5, 20
MIN_ROWS = 50  # fewer give no spread worth telling
WORTH = 0.05  # macro-F1 above shuffled labels that is worth a warning


def recording_guess(material: Material) -> list[Finding]:
    return _guesses(material, "group")


def speaker_guess(material: Material) -> list[Finding]:
    return _guesses(material, "speaker")


def majority_guess(known: pd.DataFrame, asked: pd.DataFrame, column: str) -> list[str]:
    """The commonest label of each asked row's group among the known rows; the commonest of all where it is unseen.

    Of labels that are equally common the one that comes first in the table counts.

    >>> known = pd.DataFrame({"group": ["v", "v", "w", "x"], "label": ["joy", "joy", "fear", "joy"]})
    >>> majority_guess(known, pd.DataFrame({"group": ["w", "new", None]}), "group")
    ['fear', 'joy', 'joy']
    """
    usual = _commonest(known["label"])
    of_group = {name: _commonest(labels) for name, labels in known.groupby(column)["label"]}
    return [usual if pd.isna(name) else of_group.get(name, usual) for name in asked[column]]


def duration_alone(material: Material) -> list[Finding]:
    length = seconds(material)
    if length.isna().all():
        raise NotCheckedError("no row has a duration")
    return _alone(material, length.to_numpy(dtype=float, na_value=np.nan), "duration")


def loudness_alone(material: Material) -> list[Finding]:
    level = [np.nan if sound is None or sound.fault is not None else sound.level for sound in heard(material)]
    return _alone(material, np.array(level), "loudness")


@dataclass(frozen=True)
class Alone:
    """Cross-validated macro-F1 from one number a clip."""

    scores: np.ndarray  # (repeats,)
    shuffled: np.ndarray  # (shuffles,): the same with the labels in another order, which is chance
    constant: float  # of the commonest class for all


def predictive(values: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, seed: int = 0) -> Alone:
    """How well a small tree tells the label from one number, on rows whose group it has not seen.

    Args:
        values: (n,), finite.
        labels: (n,) str.
        groups: (n,) str that stay together in a fold; None: rows are their own.
    """
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(seed)
    repeats = [list(_folds(labels, groups, seed + k)) for k in range(REPEATS)]
    scores = [_tree_score(values, labels, folds) for folds in repeats]
    shuffled = [_tree_score(values, rng.permutation(labels), repeats[0]) for _ in range(SHUFFLES)]
    constant = f1_score(labels, np.full(len(labels), _commonest(pd.Series(labels))), average="macro")
    return Alone(np.array(scores), np.array(shuffled), float(constant))


def _guesses(material: Material, column: str) -> list[Finding]:
    """Macro-F1 of the majority guess, from each side of a pair on the other, where both have labels."""
    frame = material.frame
    if frame[column].isna().all():
        raise NotCheckedError(f"no row has a {column}")
    labelled = frame["label"].notna().to_numpy()
    if not labelled.any():
        raise NotCheckedError("no row has a label")
    pairs = [
        (pair, frame[labelled & material.of(*pair.earlier)], frame[labelled & material.of(pair.later)])
        for pair in material.pairs()
    ]
    pairs = [(pair, known, asked) for pair, known, asked in pairs if len(known) and len(asked)]
    if not pairs:
        raise NotCheckedError("no two parts have labels")
    return [
        _guess(pair, known, asked, column)
        for pair, known, asked in pairs
        if asked[column].isin(known[column].dropna()).any()
    ]


def _guess(pair: Pair, known: pd.DataFrame, asked: pd.DataFrame, column: str) -> Finding:
    truth, guess = asked["label"].tolist(), majority_guess(known, asked, column)
    usual = _commonest(known["label"])
    labels = sorted({*truth, *guess, usual})
    reached = score(truth, guess, labels).macro_f1
    constant = score(truth, [usual] * len(truth), labels).macro_f1
    interval = statistics.interval(truth, [guess], labels)
    seen = asked[column].isin(known[column].dropna())
    name = {"group": "recording", "speaker": "speaker"}[column]
    sentence = (
        f"the majority label of the clip's {name} in {pair.name} ({usual} where that is unseen) "
        f"scores macro-F1 {reached:.3f} ({interval.low:.3f}-{interval.high:.3f}) on {pair.later}; "
        f"{usual} for all {constant:.3f}"
    )
    details = pd.DataFrame({"id": asked["id"], column: asked[column], "label": truth, "guess": guess})[seen.to_numpy()]
    severity: Severity = "warning" if interval.low > constant else "note"
    return Finding(severity, f"guess by {name}", str(pair), int(seen.sum()), sentence, details.reset_index(drop=True))


def _alone(material: Material, values: np.ndarray, what: str) -> list[Finding]:
    frame = material.frame
    if frame["label"].isna().all():
        raise NotCheckedError("no row has a label")
    rows = frame["label"].notna().to_numpy() & np.isfinite(values)
    common = frame["label"][rows].value_counts()
    rows &= frame["label"].isin(common[common >= FOLDS].index).to_numpy()
    groups = group_column(frame[rows], "auto")
    if len(set(values[rows])) < 2:
        raise NotCheckedError(f"no two clips differ in {what}")
    if rows.sum() < MIN_ROWS or frame["label"][rows].nunique() < 2:
        raise NotCheckedError(f"fewer than {MIN_ROWS} labelled clips, or one class")
    if groups is not None and groups.nunique() < FOLDS:
        groups = None
    found = predictive(
        values[rows], frame["label"][rows].to_numpy(dtype=str), None if groups is None else groups.to_numpy(dtype=str)
    )
    reached, chance = found.scores.mean(), found.shuffled.mean()
    sentence = (
        f"{what} alone tells the label with macro-F1 {reached:.3f} ± {found.scores.std(ddof=1):.3f} "
        f"({FOLDS}-fold{'' if groups is None else f' by {groups.name}'}, {REPEATS} times); with shuffled labels "
        f"{chance:.3f} ± {found.shuffled.std(ddof=1):.3f}, the commonest class for all {found.constant:.3f}"
    )
    by_label = pd.Series(values[rows]).groupby(frame["label"][rows].to_numpy()).describe()[["25%", "50%", "75%"]]
    details = by_label.rename_axis("label").reset_index().rename(columns={"50%": f"median {what}"})
    tells = reached > max(found.shuffled.max(), chance + WORTH)
    return [Finding("warning" if tells else "note", f"{what} alone", "+".join(material.parts), 0, sentence, details)]


def _commonest(labels: pd.Series) -> str:
    return str(Counter(labels).most_common(1)[0][0])


def _folds(labels: np.ndarray, groups: np.ndarray | None, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from sklearn.model_selection import GroupKFold, StratifiedKFold

    kind = StratifiedKFold if groups is None else GroupKFold
    yield from kind(FOLDS, shuffle=True, random_state=seed).split(labels, labels, groups)


def _tree_score(values: np.ndarray, labels: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]) -> float:
    from sklearn.metrics import f1_score
    from sklearn.tree import DecisionTreeClassifier

    guess = np.empty_like(labels)
    for rest, held_out in folds:
        tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, class_weight="balanced", random_state=0)
        guess[held_out] = tree.fit(values[rest, None], labels[rest]).predict(values[held_out, None])
    return float(f1_score(labels, guess, average="macro"))
