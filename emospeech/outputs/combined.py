"""Prediction files of several systems made into one, and an honest estimate of what that is worth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emospeech.data.folds.assign import k_fold
from emospeech.metrics.calibration import Reliability, reliability, temperature, tempered
from emospeech.metrics.decisions import RULES, applied
from emospeech.metrics.scores import encode, score
from emospeech.metrics.statistics import Interval, interval
from emospeech.outputs import sources
from emospeech.outputs.members import Members, read, truth_of
from emospeech.outputs.sources import Source
from emospeech.runtime.columns import aligned
from emospeech.runtime.errors import UserError, some
from emospeech.runtime.files import content_hash
from emospeech.systems.base import as_predictions
from emospeech.systems.ensemble import WAYS, Combine

FOLDS = 5


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
    stages: Mapping[str, Reliability]  # of out-of-fold predictions: as combined, after temperature, after rule


@dataclass(frozen=True)
class Fitted:
    """A way to combine with what follows it, fitted to out-of-fold predictions."""

    combine: Combine
    temperature: float
    offsets: np.ndarray  # (classes,)

    def __call__(self, chances: np.ndarray) -> np.ndarray:
        return self.stages(chances)[-1]

    def stages(self, chances: np.ndarray) -> list[np.ndarray]:
        """(rows, classes) as combined, after the temperature, and after the rule."""
        plain = self.combine(chances)
        cooled = tempered(plain, self.temperature)
        return [plain, cooled, applied(cooled, self.offsets)]


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
        stages: dict[str, Reliability] = {}
    else:
        known, truth, groups = fitted_to(asked.out_of_fold, asked.gold, asked.by, members)
        codes, folds = encode(truth, known.labels), folds_of(known, truth, groups, asked.seed)
        way = (asked.how, asked.rule, asked.seed)
        fitted = fit(known.chances, codes, folds, *way)
        by_stage = nested(known.chances, codes, folds, *way)
        found = estimate(known, truth, by_stage[-1], f"{asked.how}, rule {asked.rule}")
        stages = _stages(by_stage, codes, asked.rule)
        told = list(lines(found, len(known.ids)))
    new = members.in_order()
    chances = pd.DataFrame(fitted(new.chances), index=new.ids, columns=new.labels)
    chances = chances.loc[list(members.ids), list(members.labels)]
    answers = as_predictions(list(members.ids), chances.to_numpy().tolist(), members.labels)
    return Done(answers, _record(asked, fitted, members, found, stages), told, stages)


def fitted_to(
    out_of_fold: Sequence[Source], gold: Path, by: str | None, members: Members
) -> tuple[Members, list[str], list[str] | None]:
    """The out-of-fold files, in order; their rows' true labels, and their groups.

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
    known = known.in_order()
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
    """Probabilities of all rows by stage, (3, rows, classes), each by an ensemble fitted to the other folds."""
    found = np.empty((3, *chances.shape[1:]))
    for number in np.unique(folds):
        rest = folds != number
        fitted = fit(chances[:, rest], truth[rest], folds[rest], how, rule, seed)
        found[:, ~rest] = fitted.stages(chances[:, ~rest])
    return found


def _stages(by_stage: np.ndarray, truth: np.ndarray, rule: str) -> dict[str, Reliability]:
    """Name -> how far the probabilities can be believed; a rule that does nothing is no stage."""
    names = ["as combined", "after the temperature", *([f"after the rule {rule}"] if rule != "none" else [])]
    return {name: reliability(chances, truth) for name, chances in zip(names, by_stage, strict=False)}


def _plain(how: str, classes: int) -> Fitted:
    """A way that nothing is fitted of."""
    return Fitted(WAYS[how].fit(np.empty(0), np.empty(0), 0), 1.0, np.zeros(classes))


def folds_of(members: Members, truth: Sequence[str], groups: Sequence[str] | None, seed: int) -> np.ndarray:
    """The fold of each row, (rows,): those of the files, as a benchmark leaves them, unless groups are named.

    Raises:
        UserError: if groups or folds are too few, or files have different folds, which together keep nothing apart.
    """
    by = "name the column of --gold whose rows share a fold: --by speaker, or --by id if none do"
    if groups is None and members.at_odds:
        raise UserError(f"the out-of-fold files were made in different folds; {by}")
    if groups is None and members.folds is not None:
        if len(set(members.folds)) < 3:
            raise UserError(f"the out-of-fold files have two folds, and an ensemble is fitted in folds of folds; {by}")
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


def _record(
    asked: Asked, fitted: Fitted, members: Members, found: Sequence[Scored], stages: Mapping[str, Reliability]
) -> dict[str, Any]:
    """What is kept beside the file."""
    return {
        "how": asked.how,
        "rule": asked.rule,
        "seed": asked.seed,
        "members": {str(path): sources.identity(path) for path in (*asked.files, *asked.out_of_fold)},
        "gold": None if asked.gold is None else {str(asked.gold): content_hash(asked.gold)},
        "temperature": fitted.temperature,
        "offsets": dict(zip(sorted(members.labels), fitted.offsets.tolist(), strict=True)),
        "out_of_fold": [{"name": one.name, "macro_f1": one.macro_f1, "ece": one.ece} for one in found],
        "reliability": {name: asdict(one) for name, one in stages.items()},
    }
