"""Prediction files of several systems made into one, and an honest estimate of what that is worth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emospeech.data.folds.assign import k_fold
from emospeech.metrics.calibration import reliability, temperature, tempered
from emospeech.metrics.decisions import RULES, applied
from emospeech.metrics.scores import encode, score
from emospeech.metrics.statistics import Interval, interval
from emospeech.outputs import sources, submission
from emospeech.outputs.sources import Source
from emospeech.runtime.columns import aligned
from emospeech.runtime.errors import UserError, faults, some
from emospeech.runtime.files import content_hash
from emospeech.systems.base import as_predictions
from emospeech.systems.ensemble import WAYS, Combine

FOLDS = 5
SUMS = 1e-3  # how far a row's probabilities may be from 1


@dataclass(frozen=True)
class Asked:
    """What is to be made one, and how."""

    how: str  # a key of `WAYS`
    rule: str  # a key of `RULES`
    files: tuple[Source, ...]
    out_of_fold: tuple[Source, ...] = ()  # of the same systems, in their order
    gold: Path | None = None
    by: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Done:
    """What comes of it."""

    predictions: pd.DataFrame
    record: dict[str, Any]
    lines: list[str]


@dataclass(frozen=True)
class Members:
    """Several files about the same rows."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    labels: tuple[str, ...]
    chances: np.ndarray  # (members, rows, classes)
    folds: tuple[str, ...] | None = None  # of each row, where all files tell the same


@dataclass(frozen=True)
class Fitted:
    """A way to combine with what follows it, fitted to out-of-fold predictions."""

    combine: Combine
    temperature: float
    offsets: np.ndarray  # (classes,)

    def __call__(self, chances: np.ndarray) -> np.ndarray:
        return applied(tempered(self.combine(chances), self.temperature), self.offsets)


@dataclass(frozen=True)
class Scored:
    """Macro-F1 of out-of-fold predictions, and how far their probabilities are off."""

    name: str
    macro_f1: float
    interval: Interval
    ece: float


def run(asked: Asked) -> Done:
    """
    Raises:
        UserError: if the files do not fit each other, or what a way or rule is fitted to is lacking.
    """
    check(asked)
    members = read(asked.files)
    if not asked.out_of_fold or asked.gold is None:
        fitted, found, told = _plain(asked.how, len(members.labels)), list[Scored](), list[str]()
    else:
        known, truth, groups = fitted_to(asked.out_of_fold, asked.gold, asked.by, members)
        codes, folds = encode(truth, known.labels), folds_of(known, truth, groups, asked.seed)
        way = (asked.how, asked.rule, asked.seed)
        fitted = fit(known.chances, codes, folds, *way)
        found = estimate(known, truth, nested(known.chances, codes, folds, *way), f"{asked.how}, rule {asked.rule}")
        told = list(lines(found, len(known.ids)))
    answers = as_predictions(list(members.ids), fitted(members.chances).tolist(), members.labels)
    return Done(answers, _record(asked, fitted, members, found), told)


def fitted_to(
    out_of_fold: Sequence[Source], gold: Path, by: str | None, members: "Members"
) -> tuple["Members", list[str], list[str] | None]:
    """The out-of-fold files, their classes in the order of the others; their rows' true labels, and their groups.

    Raises:
        UserError: if they tell other classes apart, or are about rows that are to be answered; or as `truth_of`.
    """
    known = read(out_of_fold)
    if set(known.labels) != set(members.labels):
        raise UserError(
            f"{known.names[0]} tells {', '.join(known.labels)} apart, {members.names[0]} {', '.join(members.labels)}; "
            "they are to be of the same systems"
        )
    if both := sorted(set(known.ids) & set(members.ids)):
        raise UserError(
            f"{len(both)} rows are among those to answer and those it is fitted to: {some(both)}; its estimate says "
            "what it is worth on them"
        )
    order = [known.labels.index(label) for label in members.labels]
    known = replace(known, labels=members.labels, chances=known.chances[..., order])
    return known, *truth_of(known, gold, by)


def is_fitted(asked: Asked) -> bool:
    """Whether it is made with out-of-fold predictions."""
    return WAYS[asked.how].fitted or asked.rule != "none" or bool(asked.out_of_fold) or asked.gold is not None


def check_words(asked: Asked) -> None:
    """
    Raises:
        UserError: if a word is unknown.
    """
    for word, name, known in (("--how", asked.how, WAYS), ("--rule", asked.rule, RULES)):
        if name not in known:
            raise UserError(f"unknown {word} {name!r}; known: {', '.join(known)}")


def check(asked: Asked) -> None:
    """What is asked for, before anything is read.

    Raises:
        UserError: if a word is unknown, or what a way or rule is fitted to is lacking.
    """
    check_words(asked)
    needs = WAYS[asked.how].fitted or asked.rule != "none"
    if needs and not (asked.out_of_fold and asked.gold):
        what = f"--how {asked.how}" if WAYS[asked.how].fitted else f"--rule {asked.rule}"
        raise UserError(f"{what} is fitted to predictions of labelled rows: give them with --out-of-fold and --gold")
    if bool(asked.out_of_fold) != (asked.gold is not None):
        raise UserError("--out-of-fold and --gold go together")
    if asked.out_of_fold and len(asked.out_of_fold) != len(asked.files):
        raise UserError(
            f"{len(asked.files)} files to combine but {len(asked.out_of_fold)} with --out-of-fold; one a system, in "
            "the same order"
        )


def read(paths: Sequence[Source]) -> Members:
    """Files with id, label and p_<class> …, or what gives such, in the order of the first one's rows and classes.

    Raises:
        UserError: if one has no probabilities, or they are about other rows or classes.
    """
    frames = [sources.predictions(path) for path in paths]
    own = [_probabilities(path, frame) for path, frame in zip(paths, frames, strict=True)]
    first, ids = own[0], frames[0]["id"].tolist()
    for path, frame, one in zip(paths, frames, own, strict=True):
        if wrong := submission.faults_of(frame, ids, list(one.columns)):
            raise faults(f"{path} and {paths[0]} are not about the same rows", wrong)
        if set(one.columns) != set(first.columns):
            raise UserError(
                f"{path} tells {', '.join(one.columns)} apart, {paths[0]} {', '.join(first.columns)}; an ensemble "
                "needs the same classes"
            )
    chances = np.stack([one.loc[ids, list(first.columns)].to_numpy() for one in own])
    told = [tuple(frame.set_index("id")["fold"].loc[ids]) if "fold" in frame else None for frame in frames]
    same = told[0] if len(set(told)) == 1 else None
    return Members(tuple(map(str, paths)), tuple(ids), tuple(first.columns), chances, same)


def _probabilities(path: Source, frame: pd.DataFrame) -> pd.DataFrame:
    """Class -> probability, by id."""
    columns = frame.columns.tolist()
    further = tuple(f"p_{task}_" for task in columns if any(name.startswith(f"p_{task}_") for name in columns))
    named = [name for name in columns if name.startswith("p_") and not name.startswith(further)]
    if not named:
        raise UserError(f"{path} has no probabilities (p_<class> …), which an ensemble is made of")
    values = frame.set_index("id")[named].apply(pd.to_numeric, errors="coerce")
    off = values.isna().any(axis=1) | (values < 0).any(axis=1) | ((values.sum(axis=1) - 1).abs() > SUMS)
    if off.any():
        raise UserError(
            f"{path}: of {off.sum()} rows the probabilities are no numbers from 0 to 1 that sum to 1: "
            f"{some(values.index[off].tolist())}"
        )
    return values.rename(columns=lambda name: name.removeprefix("p_"))


def truth_of(members: Members, gold: Path, by: str | None) -> tuple[list[str], list[str] | None]:
    """True labels of the members' rows, and the groups whose rows are kept together.

    Raises:
        UserError: if the gold table does not tell them.
    """
    known = submission.read(gold).drop_duplicates("id").set_index("id")
    if lacking := [id for id in members.ids if id not in known.index]:
        raise UserError(f"{gold} has no row for {len(lacking)} ids of {members.names[0]}: {some(lacking)}")
    rows = known.loc[list(members.ids)]
    if strange := sorted(set(rows["label"]) - set(members.labels)):
        raise UserError(f"{gold}: the members know no label {', '.join(map(repr, strange))}")
    if by is not None and by not in rows:
        raise UserError(f"{gold}: no column {by!r} for --by; there are id, {', '.join(rows.columns)}")
    return rows["label"].tolist(), None if by is None else rows[by].tolist()


def fit(chances: np.ndarray, truth: np.ndarray, folds: np.ndarray, how: str, rule: str, seed: int) -> Fitted:
    """Temperature and rule are fitted to what the way gives of rows that it was not fitted to."""
    whole = WAYS[how].fit(chances, truth, seed)
    inner = whole(chances)
    for number in np.unique(folds) if WAYS[how].fitted else ():
        rest = folds != number
        inner[~rest] = WAYS[how].fit(chances[:, rest], truth[rest], seed)(chances[:, ~rest])
    by = temperature(inner, truth)
    return Fitted(whole, by, RULES[rule](tempered(inner, by), truth))


def nested(chances: np.ndarray, truth: np.ndarray, folds: np.ndarray, how: str, rule: str, seed: int) -> np.ndarray:
    """Probabilities of all rows, each by an ensemble that was fitted to the other folds: (rows, classes)."""
    found = np.empty(chances.shape[1:])
    for number in np.unique(folds):
        rest = folds != number
        found[~rest] = fit(chances[:, rest], truth[rest], folds[rest], how, rule, seed)(chances[:, ~rest])
    return found


def _plain(how: str, classes: int) -> Fitted:
    """A way that nothing is fitted of."""
    return Fitted(WAYS[how].fit(np.empty(0), np.empty(0), 0), 1.0, np.zeros(classes))


def folds_of(members: Members, truth: Sequence[str], groups: Sequence[str] | None, seed: int) -> np.ndarray:
    """The fold of each row, (rows,): those of the files, as a benchmark leaves them, unless groups are named.

    Raises:
        UserError: if there are too few groups.
    """
    if groups is None and members.folds is not None and len(set(members.folds)) > 2:
        codes: np.ndarray = np.unique(members.folds, return_inverse=True)[1]
        return codes
    count = FOLDS if groups is None else min(FOLDS, len(set(groups)))
    if count < 3:
        raise UserError(f"an ensemble is fitted in folds of folds, which {count} groups are too few for")
    return k_fold(list(members.ids), list(truth), None if groups is None else list(groups), count, seed)


def estimate(members: Members, truth: Sequence[str], combined: np.ndarray, name: str) -> list[Scored]:
    """Of each member, and of the ensemble."""
    codes = encode(truth, members.labels)

    def scored(title: str, chances: np.ndarray) -> Scored:
        chosen = [members.labels[k] for k in chances.argmax(axis=1)]
        known = score(truth, chosen, members.labels).macro_f1
        return Scored(title, known, interval(truth, [chosen], members.labels), reliability(chances, codes).ece)

    pairs = [*zip(members.names, members.chances, strict=True), (name, combined)]
    return [scored(title, chances) for title, chances in pairs]


def lines(found: Sequence[Scored], rows: int) -> Iterator[str]:
    """To print."""
    yield f"{rows} rows, each predicted by what has not seen it; the ensemble by one fitted to the other folds"
    body = [
        [one.name, f"{one.macro_f1:.4f}", f"{one.interval.low:.4f}-{one.interval.high:.4f}", f"{one.ece:.3f}"]
        for one in found
    ]
    yield from aligned([["out of fold", "macro-F1", "95 % interval", "ECE"], *body], left=1)


def _record(asked: Asked, fitted: Fitted, members: Members, found: Sequence[Scored]) -> dict[str, Any]:
    """What is kept beside the file."""
    return {
        "how": asked.how,
        "rule": asked.rule,
        "seed": asked.seed,
        "members": {str(path): sources.identity(path) for path in (*asked.files, *asked.out_of_fold)},
        "gold": None if asked.gold is None else {str(asked.gold): content_hash(asked.gold)},
        "temperature": fitted.temperature,
        "offsets": dict(zip(members.labels, fitted.offsets.tolist(), strict=True)),
        "out_of_fold": [{"name": one.name, "macro_f1": one.macro_f1, "ece": one.ece} for one in found],
    }
