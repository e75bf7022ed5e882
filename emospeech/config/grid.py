"""A grid of changes to a recipe: axes, whose product gives rows with names, and rows of their own.

    name: fusion_pooling              # of the table's folder, after the recipe's; left out: the file's
    axes:
      modalities: {both: {}, speech: {text: null}, text: {speech: null}}     # changes under names
      model.pooling: [attention, mean]                                       # a key and its values
    drop: [{modalities: [speech, text], model.pooling: mean}]                # combinations that are left out
    rows: {a wider head: {model.head.width: 1024}}                           # beside the product
    seeds: [1, 2, 3]                                                         # each row once under each

The first values of all axes together are the base; without axes, the first row is. What one axis takes away (`null`)
no other brings back.
"""

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from emospeech.config.reading import checked, read_yaml
from emospeech.config.words import NAME, Name, Section, Seed
from emospeech.runtime.errors import some

Changes = Mapping[str, Any]


class Grid(Section):
    """What its file may say."""

    name: Name | None = None
    axes: dict[str, Any] = {}  # a name -> changes under names; or a key of the recipe -> its values
    rows: dict[Name, dict[str, Any]] = {}
    drop: list[dict[str, Any]] = []  # axis -> a value, or several
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None  # null: those of the recipe

    @field_validator("axes")
    @classmethod
    def _are_axes(cls, axes: dict[str, Any]) -> dict[str, Any]:
        for axis, values in axes.items():
            named = isinstance(values, dict) and all(isinstance(one, dict | None) for one in values.values())
            if not (named or isinstance(values, list)):
                raise ValueError(
                    f"{axis}: should be a list of values of that key, or changes under names, as "
                    f"{{both: {{}}, speech: {{text: null}}}}, got {values!r}"
                )
        return {axis: {str(k): v for k, v in vs.items()} if isinstance(vs, dict) else vs for axis, vs in axes.items()}


@dataclass(frozen=True)
class Level:
    """One value of one axis."""

    axis: str
    label: str  # in names of rows
    named: bool  # its changes, by the label; else it is a value of the key that the axis is
    value: Any  # by which `drop` may name it, beside its label
    changes: Changes

    @property
    def where(self) -> str:
        """Its path in the file."""
        return f"axes.{self.axis}.{self.label}" if self.named else f"axes.{self.axis}"


@dataclass(frozen=True)
class Row:
    """One system."""

    name: str
    changes: dict[str, Any]  # to the recipe, nested
    levels: tuple[Level, ...] = ()  # one an axis; none of a row of its own


@dataclass(frozen=True)
class Expanded:
    """What a file gives, as far as it can be read."""

    name: str
    rows: tuple[Row, ...]  # the base first
    seeds: list[int] | None
    faults: tuple[str, ...]


def expanded(path: Path) -> Expanded:
    """Read a grid, and multiply it out.

    Raises:
        UserError: if there is no such file, or it is no YAML.
    """
    grid, found = _read(path)
    axes = _levels(grid.axes)
    product = [_row(levels) for levels in itertools.product(*axes)] if axes and all(axes) else []
    kept = [row for row, _ in product if not any(_is_meant(row, one) for one in grid.drop)]
    rows = [*kept, *(Row(name, _nested(dict(_leaves(changes)))) for name, changes in grid.rows.items())]
    found += [f"axes.{axis}: is empty; give it values" for axis, values in grid.axes.items() if not values]
    found += dict.fromkeys(clash for _, clashes in product for clash in clashes)
    found += _drops_nothing(grid.drop, axes) + _wrong_names(rows, axes)
    if not rows and not found:
        found = ["drop: leaves no row" if product else "is empty; give it axes, or rows"]
    elif product and product[0][0] not in kept:
        found.append(f"drop: takes away the base ({product[0][0].name}: the first of each axis); put another one first")
    return Expanded(grid.name or path.stem, tuple(rows), grid.seeds, tuple(found))


def _read(path: Path) -> tuple[Grid, list[str]]:
    """A grid without its faulty sections, and what is wrong with those."""
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(read_yaml(path, "grid", shipped="grids"), resolve=True)
    grid, found = checked(Grid, plain, None)
    if grid is None:
        faulty = {re.split(r"[.:]", fault, maxsplit=1)[0] for fault in found}
        faulty |= {"drop"} if "axes" in faulty else set()
        grid = Grid.model_validate({key: value for key, value in plain.items() if str(key) not in faulty})
    return grid, found


# -- names -----------------------------------------------------------------------------------------------------


def label(value: Any) -> str:
    """A value in a row's name.

    >>> [label(value) for value in ("facebook/wav2vec2-base", {"name": "late", "weights": "learned"}, [4, 8], None)]
    ['wav2vec2-base', 'late weights=learned', '4 8', 'none']
    """
    if isinstance(value, Mapping):
        options = [f"{key}={label(one)}" for key, one in value.items() if key != "name"]
        return " ".join([*([label(value["name"])] if "name" in value else []), *options]) or "none"
    if isinstance(value, list):
        return " ".join(map(label, value)) or "none"
    if value is None or isinstance(value, bool):
        return "none" if value is None else str(value).lower()
    return re.sub(r"[^\w .+=-]", "_", str(value).rstrip("/").rpartition("/")[2])


def _levels(axes: Mapping[str, Any]) -> list[list[Level]]:
    """Of each axis; a label has the key's end before it where it says nothing alone, or another axis has the same."""
    bare = {a: [str(v) if isinstance(values, dict) else label(v) for v in values] for a, values in axes.items()}
    ends = [axis.rpartition(".")[2] for axis in axes]
    found = []
    for axis, values in axes.items():
        if isinstance(values, dict):
            found.append([Level(axis, n, True, n, changes or {}) for n, changes in values.items()])
            continue
        end = axis.rpartition(".")[2]
        key = end if ends.count(end) == 1 else axis
        shared = any(set(bare[axis]) & set(names) for other, names in bare.items() if other != axis)
        told = [
            n if isinstance(v, str | dict) and not shared else f"{key}={n}"
            for n, v in zip(bare[axis], values, strict=True)
        ]
        found.append([Level(axis, n, False, v, {axis: v}) for n, v in zip(told, values, strict=True)])
    return found


def _wrong_names(rows: Sequence[Row], axes: Sequence[Sequence[Level]]) -> list[str]:
    found = []
    for levels in axes:
        labels = [level.label for level in levels]
        if doubled := [name for name in dict.fromkeys(labels) if labels.count(name) > 1]:
            found.append(f"axes.{levels[0].axis}: {some(doubled)} is there twice")
    names = [row.name for row in rows]
    doubled = [repr(name) for name in dict.fromkeys(names) if names.count(name) > 1]
    if doubled and not found:
        found.append(f"two rows would be called {some(doubled)}; leave one out, or give changes names of your own")
    odd = [name for name in dict.fromkeys(names) if not re.fullmatch(NAME, name)]
    what = "is no name of a folder; call it by letters, digits, blanks and . , _ + = -"
    return found + [f"{name!r} {what}" for name in odd]


# -- rows ------------------------------------------------------------------------------------------------------


def _row(levels: Sequence[Level]) -> tuple[Row, list[str]]:
    """A combination, and where its levels are at odds."""
    whose: dict[tuple[str, ...], Level] = {}
    values: dict[tuple[str, ...], Any] = {}
    clashes = []
    for level in levels:
        for path, value in _leaves(level.changes):
            if path in whose:
                clashes.append(f"{'.'.join(path)} is set twice: by {whose[path].where} and by {level.where}")
            whose[path], values[path] = level, value
    gone = [path for path, value in values.items() if value is None]
    kept = {path: value for path, value in values.items() if not any(_is_below(path, one) for one in gone)}
    for path, inner in [(path, inner) for path in kept for inner in kept if _is_below(inner, path)]:
        if kept[path] != {} and inner in values:
            first, second = (f"{'.'.join(one)} by {whose[one].where}" for one in (path, inner))
            clashes.append(f"both are set: {first}, and {second}")
            del values[inner]
    kept = {path: values[path] for path in kept if path in values}
    return Row(", ".join(level.label for level in levels), _nested(kept), tuple(levels)), clashes


def _is_below(path: tuple[str, ...], above: tuple[str, ...]) -> bool:
    return len(path) > len(above) and path[: len(above)] == above


def _leaves(changes: Changes, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Path and value of all that is set; keys of the outermost may be dotted."""
    for key, value in changes.items():
        inner = (*path, str(key)) if path else tuple(str(key).split("."))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, inner)
        else:
            yield inner, value


def _nested(leaves: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path, value in leaves.items():
        section = found
        for part in path[:-1]:
            section = section.setdefault(part, {})
        if value != {} or path[-1] not in section:
            section[path[-1]] = dict(value) if isinstance(value, dict) else value
    return found


# -- what is left out ------------------------------------------------------------------------------------------


def _is_meant(row: Row, dropped: Mapping[str, Any]) -> bool:
    """Whether a row has one of the values of every axis that is named."""
    of = {level.axis: level for level in row.levels}
    return bool(dropped) and all(axis in of and _has(of[axis], values) for axis, values in dropped.items())


def _has(level: Level, values: Any) -> bool:
    several = values if isinstance(values, list) and values != level.value else [values]
    return any(value == level.value or str(value) == level.label for value in several)


def _drops_nothing(dropped: Sequence[Mapping[str, Any]], axes: Sequence[Sequence[Level]]) -> list[str]:
    """Words of `drop` that mean nothing."""
    known = {levels[0].axis: levels for levels in axes if levels}
    found = []
    for number, one in enumerate(dropped):
        for axis, values in one.items():
            if axis not in known:
                found.append(f"drop.{number}.{axis}: no such axis; {_meant(axis, list(known))}")
                continue
            labels = [level.label for level in known[axis]]
            for value in values if isinstance(values, list) else [values]:
                if not any(_has(level, value) for level in known[axis]):
                    found.append(f"drop.{number}.{axis}: no value {value}; {_meant(str(value), labels)}")
    return found


def _meant(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known) or 'none'}"
