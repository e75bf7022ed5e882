"""All runs of a folder beside each other: what each changes, and what it scores where.

A run's own dev or test clips may be of speakers or videos that it was trained on. Where a benchmark in the same folder
has refitted the same recipe under folds by speaker or by group, its score stands beside.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech import config
from emospeech.config import Recipe
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.systems.base import MAIN_TASK

APART = ("speaker", "group")  # what a protocol may keep apart
SCORES = ("dev", "test", "disjoint")
SOUP = "soup.json"  # see joined.soup


@dataclass(frozen=True)
class Score:
    """Macro-F1 with its 95 % interval."""

    value: float
    low: float
    high: float
    clips: int
    what: str = ""  # the protocol


@dataclass(frozen=True)
class Entry:
    """A finished run."""

    name: str  # its folder, below the folder of all
    began: str
    commit: str
    seed: int
    changes: tuple[str, ...]  # key=value, of its recipe to the base's
    scores: Mapping[str, Score]  # of `SCORES`, those that there are
    submissions: tuple[str, ...]


def read(folder: Path, base: str | None = None, submissions: Path | None = None) -> list[Entry]:
    """Finished runs, in the order of their names.

    Args:
        folder: of runs, some of which may be those of several seeds, or benchmarks.
        base: the run whose recipe the others are told by; None: the first that was begun.
        submissions: a folder of submissions with what stands beside them.

    Raises:
        UserError: if there is no finished run, or none of the name `base`.
    """
    if not folder.is_dir():
        raise UserError(f"no folder {folder}")
    runs = [RunFolder(path.parent) for path in sorted([*folder.glob("*/scores.json"), *folder.glob("*/*/scores.json")])]
    found = {_name(run, folder): run for run in runs if run.config.exists() and run.environment.exists()}
    finished = {name: run for name, run in found.items() if not _compares(run) and run.finished}
    recipes, starts = {}, {}
    for name, run in finished.items():
        try:
            recipes[name] = config.load(run.config)
            starts[name] = json.loads(run.environment.read_text(encoding="utf-8"))[0]
        except (UserError, ValueError, LookupError) as error:  # of another version, or cut short
            say(f"note: {run.path} is left out: {error}")
            recipes.pop(name, None)
    finished = {name: run for name, run in finished.items() if name in recipes}
    if not finished:
        raise UserError(f"{folder} holds no finished run")
    base = base or min(starts, key=lambda name: (starts[name]["time"], name))
    if base not in finished:
        raise UserError(f"--base {base}: no such finished run; there are {', '.join(finished)}")
    disjoint = dict(_disjoint([run for run in found.values() if _compares(run)]))
    sent = _sent(submissions)
    return [
        Entry(
            name,
            starts[name]["time"],
            (starts[name].get("commit") or "")[:9],
            recipes[name].train.seed,
            ("a soup",) if _is_soup(run) else _changes(recipes[base], recipes[name]),
            {**_scores(run), **_folds(run, disjoint.get(_key(recipes[name])))},
            tuple(sent.get(run.path.resolve(), ())),
        )
        for name, run in finished.items()
    ]


def _name(run: RunFolder, folder: Path) -> str:
    return run.path.relative_to(folder).as_posix()


def _compares(run: RunFolder) -> bool:
    return config.compares(run.config)


def _is_soup(run: RunFolder) -> bool:
    """Whether it is the mean of others, whose recipe is not how it came about."""
    return (run.path / SOUP).exists()


def _folds(run: RunFolder, found: Score | None) -> dict[str, Score]:
    return {} if found is None or _is_soup(run) else {"disjoint": found}


def _scores(run: RunFolder) -> dict[str, Score]:
    scores = json.loads(run.scores.read_text(encoding="utf-8"))
    return {
        part: Score(one["macro_f1"], one["macro_f1_interval"]["low"], one["macro_f1_interval"]["high"], one["count"])
        for part, one in scores.items()
        if part in SCORES
    }


def _disjoint(benchmarks: Sequence[RunFolder]) -> Iterator[tuple[str, Score]]:
    """What a recipe scores where nobody is on both sides, by what identifies it; later benchmarks win."""
    for run in benchmarks:
        try:
            asked = config.load_benchmark(run.config)
        except UserError as error:
            say(f"note: {run.path} is left out: {error}")
            continue
        protocols = asked.benchmark.protocols
        apart = {name for name, one in protocols.items() if one.kind == "loso" or one.by in APART}
        table = pd.read_csv(run.path / "table.csv", keep_default_na=False)
        for _, row in table[table["protocol"].isin(apart)].iterrows():
            overall = row["task"] == MAIN_TASK and not row["trained_on"] and not row["tested_on"]
            if overall and row["system"] in asked.rows:
                value, low, high = (float(row[name]) for name in ("macro_f1", "macro_f1_low", "macro_f1_high"))
                what = f"{run.path.name}: {row['protocol']}"
                yield _key(asked.rows[row["system"]]), Score(value, low, high, int(row["rows"]), what)


def _key(recipe: Recipe) -> str:
    """A recipe without its name, its seed, and who trains and tests by it."""
    plain = recipe.model_dump(exclude={"name", "runs_dir"})
    for key in ("split", "refit", "groups", "root"):
        plain["data"].pop(key, None)
    plain["train"].pop("seed", None)
    return json.dumps(plain, sort_keys=True)


def _changes(base: Recipe, own: Recipe) -> tuple[str, ...]:
    one, other = (dict(_leaves(recipe.model_dump(exclude={"name", "runs_dir"}))) for recipe in (base, own))
    keys = [*other, *(key for key in one if key not in other)]
    different = [key for key in keys if one.get(key, ...) != other.get(key, ...)]
    # a part that is taken away is told by itself, not by all that was in it
    gone = {key for key in different if key in other and other[key] is None}
    told = [key for key in different if not any(key.startswith(f"{part}.") for part in gone)]
    return tuple(f"{key}={'default' if key not in other else _short(other[key])}" for key in told)


def _leaves(plain: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(plain, dict) and plain:
        for key, value in plain.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, plain


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return {"None": "null"}.get(text, text if len(text) <= 40 else f"{text[:37]}…")


def _sent(folder: Path | None) -> dict[Path, list[str]]:
    """Run folder -> submissions that came of it."""
    found: dict[Path, list[str]] = {}
    for path in sorted(folder.glob("*.json")) if folder is not None and folder.is_dir() else ():
        told = json.loads(path.read_text(encoding="utf-8"))
        for task in told.get("tasks", {}).values() if isinstance(told, dict) else ():
            if "run" in task:
                found.setdefault(Path(task["run"]).resolve(), []).append(path.with_suffix(".csv").name)
    return found
