"""One recipe over another: its keys win; a variant that is exchanged for another takes its own options with it.

A variant may be written as a name alone or as a name with options; both are spelled out here, so that either may
stand over either: what all variants share (a learning rate, class weights) stays, the former variant's options go.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from emospeech.config.schema import Recipe
from emospeech.config.sections.data import OF_ONE
from emospeech.config.words import Choice, section_of
from emospeech.runtime.errors import UserError

Plain = dict[str, Any]


def choices(section: type[BaseModel] = Recipe, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Where the schema has variants: path and field, outer ones first."""
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is None:
            continue
        if issubclass(inner, Choice):
            yield (*path, name), field
        yield from choices(inner, (*path, name))


CHOICES = dict(choices())
WITH_ENCODER = ("speech", "text")  # sections in which `options` are those of the encoder named beside them


def spelled_out(recipe: Plain) -> Plain:
    """A recipe with every variant that is a name alone as `{name: …}`; changed in place."""
    for path in CHOICES:
        holder = _at(recipe, path[:-1])
        if holder is not None and isinstance(holder.get(path[-1]), str):
            holder[path[-1]] = {"name": holder[path[-1]]}
    return recipe


def without_replaced_options(lower: Plain, upper: Plain) -> Plain:
    """`lower` without the options of variants, and of encoders, for which `upper` names others; changed in place. Both
    spelled out."""
    for path, field in CHOICES.items():
        old, new = _at(lower, path), _at(upper, path)
        if old is None or new is None or "name" not in new or new["name"] == old.get("name", _default(field)):
            continue
        section = section_of(field.annotation)
        shared = section.model_fields if section else {}
        for option in [key for key in old if key not in shared]:
            del old[option]
    for part in WITH_ENCODER:
        old, new = _at(lower, (part,)), _at(upper, (part,))
        if old is not None and new is not None and new.get("encoder", old.get("encoder")) != old.get("encoder"):
            old.pop("options", None)
    return lower


def with_default_names(recipe: Plain) -> Plain:
    """A recipe in which options that stand without a name have that of the default variant; changed in place."""
    for path, field in CHOICES.items():
        chosen = _at(recipe, path)
        if chosen is not None and _default(field) is not None:
            chosen.setdefault("name", _default(field))
    return recipe


def refuse_thrown_away(upper: Plain, whole: Plain, where: str = "") -> None:
    """
    Args:
        upper: a file, a command line or a row, that was laid over others.
        whole: what came of it.

    Raises:
        UserError: if it names the single corpus or its root, and a mixture takes its place.
    """
    named, parts = _at(upper, ("data",)) or {}, (_at(whole, ("data",)) or {}).get("mixture")
    given = [key for key in OF_ONE if named.get(key) is not None]
    if not given or not isinstance(parts, list) or not parts:
        return
    corpora = [part.get("name") or part.get("corpus") for part in parts if isinstance(part, dict)]
    there = ", ".join(f"{number} {corpus}" for number, corpus in enumerate(corpora))
    raise UserError(
        f"{where}{', '.join(f'data.{key}' for key in given)}: of no use beside data.mixture, whose corpora have their "
        f"own ({there}); give {', '.join(f'data.mixture.0.{key}' for key in given)}, or data.mixture=[] for one corpus"
    )


def override_key(key: str) -> str:
    """`model.pooling` -> `model.pooling.name`, so that `model.pooling=max` is one key of it among others."""
    return f"{key}.name" if tuple(key.split(".")) in CHOICES else key


def _default(field: Any) -> str | None:
    return field.default.name if isinstance(field.default, Choice) else None


def _at(recipe: Plain, path: tuple[str, ...]) -> Plain | None:
    """The section at a path, if it is there and one."""
    section: Any = recipe
    for part in path:
        section = section.get(part) if isinstance(section, dict) else None
    return section if isinstance(section, dict) else None


def refuse_other_kinds(lower: Any, upper: Any, path: str = "") -> None:
    """
    Raises:
        UserError: if one has a section where the other has a list.
    """
    if isinstance(lower, dict) and isinstance(upper, list):
        raise UserError(f"{path}: should be a section (key: value), got {upper!r}")
    if isinstance(lower, list) and isinstance(upper, dict):
        raise UserError(f"{path}: should be a list, got {upper!r}")
    if isinstance(lower, dict) and isinstance(upper, dict):
        for key in lower.keys() & upper.keys():
            refuse_other_kinds(lower[key], upper[key], f"{path}.{key}" if path else str(key))
