"""`load_ablation`: a recipe and a grid as the rows of a benchmark."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emospeech.config.comparing import Comparison, changed
from emospeech.config.grid import Expanded, Row, expanded
from emospeech.config.reading import BENCHMARK, checked, examined, merged
from emospeech.config.schema import Recipe
from emospeech.config.sections.protocol import Benchmark
from emospeech.config.words import Checks
from emospeech.runtime.errors import UserError, faults_of, some

OWN_SPLIT = {"split": {"kind": "split"}}  # where the recipe names no protocol
NOT_ITS = ("rows", "quick", "published", "base")  # of a recipe's benchmark, whose rows give way to the grid's


def load_ablation(
    path: str | Path, grid: str | Path, overrides: Sequence[str] = (), checks: Checks | None = None
) -> Comparison:
    """Read both, and check every row's recipe.

    The protocols are those of the recipe, or where it has none, its own split. `train.seed` may be a list.

    Raises:
        UserError: with every fault of both, each with its path.
    """
    plain, read = merged(path, overrides), expanded(Path(grid))
    own = dict(plain.pop(BENCHMARK, None) or {})
    if own.get("layerwise") is not None:
        raise UserError(f"recipe {path} probes layers, which `emospeech benchmark` does; a grid has rows of its own")
    if not any(str(one).startswith("name=") for one in overrides):
        plain["name"] = f"{plain['name']}-{read.name}"
    plain, seeds = _seeds(plain, read)
    rows, mistaken, found = _recipes(plain, read.rows, checks)
    kept = {key: value for key, value in own.items() if key not in NOT_ITS}
    section = {
        **kept,
        "protocols": _seeded(kept.get("protocols") or OWN_SPLIT, seeds),
        "rows": {row.name: row.changes for row in read.rows},
        "base": read.rows[0].name if read.rows else None,
    }
    told = {f"recipe {path}": mistaken, f"grid {grid}": [*read.faults, *found]}
    if any(told.values()):
        raise UserError("\n".join(str(faults_of(where, wrong)) for where, wrong in told.items() if wrong))
    benchmark, wrong = checked(Benchmark, section, checks)
    if benchmark is None:
        raise faults_of(f"recipe {path}", [f"{BENCHMARK}.{fault}" for fault in wrong])
    first = next(iter(rows.values()))
    return Comparison(plain["name"], first.runs_dir, benchmark, rows, {**plain, BENCHMARK: section})


def _seeds(plain: dict[str, Any], read: Expanded) -> tuple[dict[str, Any], list[int] | None]:
    """The recipe with one seed, and all that are asked for: those of the recipe or command line before the grid's."""
    train = plain.get("train")
    given = train.get("seed") if isinstance(train, dict) else None
    if not (isinstance(train, dict) and isinstance(given, list) and given):
        return plain, read.seeds
    return {**plain, "train": {**train, "seed": given[0]}}, given


def _seeded(protocols: Any, seeds: list[int] | None) -> Any:
    if seeds is None or not isinstance(protocols, dict):
        return protocols
    return {name: {**one, "seeds": seeds} if isinstance(one, dict) else one for name, one in protocols.items()}


def _recipes(
    plain: Mapping[str, Any], rows: Sequence[Row], checks: Checks | None
) -> tuple[dict[str, Recipe], list[str], list[str]]:
    """Row -> its recipe; what is wrong with the recipe that all are made of; and what the grid makes wrong with it."""
    found: dict[str, Recipe] = {}
    wrong: dict[str, list[Row]] = {}
    for row in rows:
        recipe, told = _examined({**plain, "name": row.name}, row.changes, checks)
        if recipe is not None:
            found[row.name] = recipe
        for fault in told:
            wrong.setdefault(fault, []).append(row)
    if not wrong:
        return found, [], _alike(found)
    before = _examined(plain, {}, checks)[1]
    own = [fault for fault, whose in wrong.items() if fault in before and len(whose) == len(rows)]
    return found, own, [_placed(fault, whose, rows) for fault, whose in wrong.items() if fault not in own]


def _examined(
    plain: Mapping[str, Any], changes: Mapping[str, Any], checks: Checks | None
) -> tuple[Recipe | None, list[str]]:
    try:
        return examined(changed(plain, changes), checks)
    except UserError as error:
        return None, [str(error)]


def _placed(fault: str, whose: Sequence[Row], rows: Sequence[Row]) -> str:
    """A fault after its place in the grid, if there is one: the key that it names, or the changes that all its rows
    have and no others."""
    for level in [level for row in whose for level in row.levels]:
        if not level.named and fault.startswith(f"{level.axis}"):
            return f"axes.{fault}"
        if level.named and list(whose) == [row for row in rows if level in row.levels]:
            return f"{level.where}: {fault}"
    return f"rows.{some([row.name for row in whose])}: {fault}"


def _alike(recipes: Mapping[str, Recipe]) -> list[str]:
    """Rows that differ in nothing but their names."""
    first: dict[str, str] = {}
    found = []
    for name, recipe in recipes.items():
        content = recipe.model_copy(update={"name": ""}).model_dump_json()
        if (other := first.setdefault(content, name)) != name:
            found.append(f"{name!r} is the same system as {other!r}; leave one out (drop: takes out combinations)")
    return found
