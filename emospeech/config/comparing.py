"""`load_benchmark`: a recipe, and the systems that are compared with it, each the recipe with changes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emospeech.config.reading import BENCHMARK, checked, merged, over, refuse_thrown_away, validate, with_defaults
from emospeech.config.schema import Recipe
from emospeech.config.sections.protocol import Benchmark
from emospeech.config.words import NAME, Checks
from emospeech.runtime.errors import UserError, faults_of, some


@dataclass(frozen=True)
class Comparison:
    """What a benchmark is made of."""

    name: str  # of its folder
    runs_dir: str
    benchmark: Benchmark
    rows: Mapping[str, Recipe]  # in the order of the table
    plain: Mapping[str, Any]  # all of it, as its folder keeps it


def compares(path: str | Path, overrides: Sequence[str] = ()) -> bool:
    """Whether a recipe has a section `benchmark`."""
    return BENCHMARK in merged(path, overrides)


def load_benchmark(path: str | Path, overrides: Sequence[str] = (), checks: Checks | None = None) -> Comparison:
    """Read a recipe and its section `benchmark`, and check every row's recipe.

    Raises:
        UserError: with every fault, each with its path.
    """
    plain = merged(path, overrides)
    section = plain.pop(BENCHMARK, None) or {}
    benchmark, found = checked(Benchmark, section, checks)
    if benchmark is None:
        raise faults_of(f"recipe {path}", [f"{BENCHMARK}{'.' * (fault[:2] != ': ')}{fault}" for fault in found])
    rows = _rows(plain, benchmark, str(path), checks)
    if wrong := _names(plain, benchmark, rows):
        raise faults_of(f"recipe {path}", wrong)
    first = next(iter(rows.values()))
    return Comparison(plain["name"], first.runs_dir, benchmark, rows, {**plain, BENCHMARK: section})


def _names(plain: Mapping[str, Any], benchmark: Benchmark, rows: Mapping[str, Recipe]) -> list[str]:
    """What is wrong with the names of a benchmark whose rows are recipes by themselves."""
    name = plain["name"]
    found = [] if re.fullmatch(NAME, str(name)) else [f"name: {name!r} is no name of a folder"]
    for row, changes in benchmark.rows.items():
        own = sorted({str(key).split(".")[0] for key in changes} & {"name", "runs_dir"})
        found += [f"{BENCHMARK}.rows.{row}: {key} is that of the whole benchmark" for key in own]
    for protocol, published in benchmark.published.items():
        if unknown := [row for row in published if row not in rows]:
            there = ", ".join(rows)
            found.append(f"{BENCHMARK}.published.{protocol}: no row {', '.join(unknown)}; there are {there}")
    return found


def _rows(plain: Mapping[str, Any], benchmark: Benchmark, path: str, checks: Checks | None) -> dict[str, Recipe]:
    changes = benchmark.rows or {str(plain["name"]): _probing(benchmark)}
    rows: dict[str, Recipe] = {}
    wrong: dict[str, list[str]] = {}  # message -> rows
    for name, change in changes.items():
        try:
            rows[name] = varied({**plain, "name": name}, change, f"recipe {path}", checks)
        except UserError as error:
            wrong.setdefault(_to_type(str(error), change), []).append(name)
    if wrong:
        alone = not benchmark.rows
        told = [message if alone else f"{_whose(names, changes)}: {message}" for message, names in wrong.items()]
        raise UserError("\n".join(told))
    return rows


def _probing(benchmark: Benchmark) -> dict[str, Any]:
    """What makes a recipe one that hears with the first of the encoders that are probed, if any are."""
    if benchmark.layerwise is None:
        return {}
    features = {"system": "classical", "classical": {"features": ["speech"]}}
    return {**features, "speech": {"encoder": benchmark.layerwise.encoders[0]}, "text": None}


def _to_type(message: str, change: Mapping[str, Any]) -> str:
    """A row's fault, whose remedy is the row's where the row itself names the corpora."""
    data = change.get("data")
    for key in ("root", "mixture"):
        if f"data.{key}" in change or (isinstance(data, Mapping) and key in data):
            message = message.replace(f" as data.{key}", f" as {BENCHMARK}.rows.ROW.data.{key}")
    return message


def _whose(names: Sequence[str], all_rows: Mapping[str, Any]) -> str:
    return "every row" if len(names) == len(all_rows) > 1 else f"{BENCHMARK}.rows: {some(names)}"


def varied(plain: Mapping[str, Any], changes: Mapping[str, Any], title: str, checks: Checks | None = None) -> Recipe:
    """A recipe with changes, in nested dicts or under dotted keys.

    Raises:
        UserError: with every fault.
    """
    return validate(changed(plain, changes), title, checks)


def changed(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same as plain values, unchecked.

    Raises:
        UserError: if the changes cannot be made.
    """
    from omegaconf import OmegaConf

    upper = OmegaConf.create({})
    for key, value in changes.items():
        upper = over(upper, OmegaConf.create(nested(str(key).split("."), value)))
    both = over(OmegaConf.create(dict(plain)), upper)
    refuse_thrown_away(upper, both)
    whole: Any = OmegaConf.to_container(both, resolve=True)
    return with_defaults(whole)


def nested(path: Sequence[str], value: Any) -> dict[str, Any]:
    return {path[0]: value if len(path) == 1 else nested(path[1:], value)}
