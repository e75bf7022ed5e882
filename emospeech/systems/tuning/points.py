"""What a recipe may be tuned to: the combinations of its grid, the corners of its space."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emospeech.config import Checks, Range, Recipe, Tune, varied
from emospeech.runtime.errors import UserError, gather

# the same for every point: which rows there are, and whether a part of them steers
FIXED = ("data", "name", "runs_dir", "tune", "cache", "system", "train.keep")
# what decides which features are made of clips
HEARING = ("speech", "text", "classical", "cache")


@dataclass(frozen=True)
class Point:
    """One combination."""

    changes: Mapping[str, Any]  # dotted key -> value
    recipe: Recipe  # with them, and nothing left to tune

    @property
    def name(self) -> str:
        """Its changes; those of a recipe as it is: none."""
        return ", ".join(f"{key.removeprefix('classical.')}={value}" for key, value in self.changes.items())


def point(recipe: Recipe, changes: Mapping[str, Any], checks: Checks | None = None) -> Point:
    """
    Raises:
        UserError: if the changes make no recipe.
    """
    where = f"tune: {dict(changes)}"
    return Point(changes, varied({**recipe.model_dump(), "tune": None}, changes, where, checks))


def points(recipe: Recipe, checks: Checks | None = None) -> list[Point]:
    """All combinations of the recipe's grid, in its order, the last key fastest; one of a recipe without any.

    Raises:
        UserError: with the faults of all of them.
    """
    grid = None if recipe.tune is None else recipe.tune.grid
    if grid is None:
        return _all(recipe, [{}], checks)
    grids = grid if isinstance(grid, list) else [grid]
    found = [dict(zip(one, values, strict=True)) for one in grids for values in itertools.product(*one.values())]
    return _all(recipe, found, checks)


def corners(recipe: Recipe, checks: Checks | None = None) -> list[Point]:
    """The recipe as it is, and with each value of its space alone, or each end of a range.

    Raises:
        UserError: with the faults of all of them.
    """
    space = {} if recipe.tune is None else recipe.tune.space or {}
    ends = {key: [one.low, one.last] if isinstance(one, Range) else one for key, one in space.items()}
    return _all(recipe, [{}, *({key: value} for key, values in ends.items() for value in values)], checks)


def _all(recipe: Recipe, changes: Sequence[Mapping[str, Any]], checks: Checks | None) -> list[Point]:
    attempts: list[Callable[[], Point]] = [lambda one=one: point(recipe, one, checks) for one in changes]  # type: ignore[misc]
    return gather("tune: not all of its combinations are recipes", attempts)


def _candidates(recipe: Recipe, checks: Checks | None = None) -> list[Point]:
    drawn = recipe.tune is not None and recipe.tune.space is not None
    return corners(recipe, checks) if drawn else points(recipe, checks)


def heard(recipe: Recipe) -> list[Recipe]:
    """Of the recipes that it may be tuned to, one for each way to make features of clips; the recipe itself, of one
    that has nothing to tune."""
    found = {one.recipe.model_dump_json(include=set(HEARING)): one.recipe for one in reversed(_candidates(recipe))}
    return list(reversed(found.values()))


def check(recipe: Recipe, checks: Checks) -> None:
    """
    Raises:
        UserError: if there is nothing to tune, or what a fold cannot change (the rows), or what is no recipe.
    """
    if recipe.tune is None:
        return
    where = "tune.space" if recipe.tune.grid is None else "tune.grid"
    keys = recipe.tune.keys
    if wrong := [key for key in keys if any(f"{key}.".startswith(f"{one}.") for one in FIXED)]:
        raise UserError(f"{where}: {', '.join(wrong)} cannot be tuned; inner folds are of the same rows")
    twice = [f"{key} and {one}" for key in keys for one in keys if one.startswith(f"{key}.")]
    if twice and recipe.tune.space is not None:
        raise UserError(f"{where}: {', '.join(twice)}: one is a part of the other; give whole values of the first")
    found = [] if _is_empty(recipe.tune) else _candidates(recipe, checks)
    if not found:
        raise UserError(f"{where}: it is empty; give keys and their values, as {{classical.model.c: [1, 10]}}")
    for what, part in (("hear", "hears"), ("read", "reads")):
        if any(getattr(one.recipe, part) for one in found) and not getattr(recipe, part):
            raise UserError(
                f"{where}: some of its values {what}, and the recipe itself does not; begin with one that does"
            )


def _is_empty(tune: Tune) -> bool:
    if tune.space is not None:
        return not tune.space or any(one == [] for one in tune.space.values())
    return not tune.keys
