"""Numbers in paths: `data.mixture.0.root`, `speech.augment.effects.1.probability`, of the entries of a list, from 0."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from emospeech.config.words import Choice, section_of
from emospeech.runtime.errors import UserError

Model = type[BaseModel] | None  # the section, or that of a list's entries; None: the schema does not tell
Path = tuple[str, ...]


def placed(below: Any, above: Any, section: Model, path: Path = ()) -> Any:
    """`above`, in which each list of `below` whose entries it numbers is that list with those entries changed.

    Raises:
        UserError: if a list has no such entry.
    """
    if not isinstance(above, dict):
        return above
    if isinstance(below, list):
        return _numbered(below, above, section, path)
    there = below if isinstance(below, dict) else {}
    return {
        key: placed(there.get(key), value, _inside(section, key), (*path, str(key))) for key, value in above.items()
    }


def with_defaults(plain: dict[str, Any], section: type[BaseModel], path: Path = ()) -> dict[str, Any]:
    """A recipe in which numbered entries of a list that it does not have are those of the schema's default; changed
    in place.

    Raises:
        UserError: if that has no such entry.
    """
    for key, field in section.model_fields.items():
        value, inner = plain.get(key), section_of(field.annotation)
        if not isinstance(value, dict):
            continue
        if _is_list(field.annotation):
            items = [_plain(one) for one in field.default] if isinstance(field.default, list) else []
            plain[key] = _numbered(items, value, _model(field.annotation), (*path, key))
        elif inner is not None:
            with_defaults(value, inner, (*path, key))
    return plain


def _numbered(items: Sequence[Any], changes: Mapping[Any, Any], section: Model, path: Path) -> list[Any]:
    found = list(items)
    for key, change in changes.items():
        number = _number(str(key), len(items), path)
        found[number] = _merged(found[number], change, section, (*path, str(key)))
    return found


def _number(key: str, count: int, path: Path) -> int:
    """
    Raises:
        UserError: if there is no such entry.
    """
    where = ".".join(path)
    if key.isdecimal() and int(key) < count:
        return int(key)
    if not count:
        raise UserError(f"{where}.{key}: the list {where} is empty; give all of it, as '{where}=[…]'")
    numbers = f"numbered 0 to {count - 1}" if count > 1 else "numbered 0"
    entries = f"{count} entries" if count > 1 else "1 entry"
    if key.isdecimal():
        raise UserError(f"{where}.{key}: the list {where} has {entries}, {numbers}; for more give all of it")
    raise UserError(f"{where}.{key}: {where} is a list of {entries}, {numbers}; name one by its number, as {where}.0")


def _merged(below: Any, above: Any, section: Model, path: Path) -> Any:
    """One entry over another; a variant that is exchanged for another takes its own options with it."""
    if not isinstance(above, dict) or isinstance(below, list):
        return placed(below, above, section, path)
    old = {"name": below} if isinstance(below, str) else below if isinstance(below, dict) else {}
    if section is not None and issubclass(section, Choice) and above.get("name", old.get("name")) != old.get("name"):
        old = {key: value for key, value in old.items() if key in section.model_fields}
    new = {key: _merged(old.get(key), value, _inside(section, key), (*path, str(key))) for key, value in above.items()}
    return {**old, **new}


def _inside(section: Model, key: Any) -> Model:
    field = section.model_fields.get(key) if section is not None else None
    return _model(field.annotation) if field is not None else None


def _model(annotation: Any) -> Model:
    """The section somewhere in a type, as in `list[Annotated[Effect, …]] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model(one)) is not None), None)


def _is_list(annotation: Any) -> bool:
    """Whether a field may hold a list, and no keys and values."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    origins = [get_origin(one) for one in kinds]
    return list in origins and dict not in origins


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value
