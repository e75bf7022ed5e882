"""What checks are made of: a name among the known ones, and options as its entry takes them."""

import inspect
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from emospeech.config import Choice

Check = Callable[[Any, Mapping[str, Any]], str | None]  # value and the section's fields above it -> what is wrong


def one_of(kind: str, known: Iterable[str]) -> Check:
    """A check for a name, or a list of names."""
    names = list(known)

    def check(value: Any, _: Mapping[str, Any]) -> str | None:
        wrong = [one for one in (value if isinstance(value, list) else [value]) if one not in names]
        return f"unknown {kind} {', '.join(map(repr, wrong))}; known: {', '.join(names)}" if wrong else None

    return check


def folder_fault(name: str, _: Mapping[str, Any]) -> str | None:
    return None if Path(name).expanduser().is_dir() else f"no folder {name!r}"


def choice(kind: str, entries: Mapping[str, Any], sample: Sequence[Any] | None = None) -> Check:
    """A check for a name with options.

    Args:
        sample: what the entry is tried with, to find values that its options cannot take.
    """

    def check(value: Choice, _: Mapping[str, Any]) -> str | None:
        fault = one_of(kind, entries)(value.name, _)
        if fault:
            return fault
        fault = options_fault(entries[value.name], value.options)
        if fault or sample is None:
            return fault and f"{value.name}: {fault}"
        return tried(value.name, entries[value.name], sample, value.options)

    return check


def tried(name: str, entry: Any, supplied: Sequence[Any], options: Mapping[str, Any]) -> str | None:
    """Built once, which finds values of a wrong size or sign, or that do not go together."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # torch only warns of a layer without a parameter
            entry(*supplied, **options)
    except Exception as error:  # whatever the entry makes of them
        return f"{name} cannot be built with {dict(options)}: {error}"
    return None


def options_fault(entry: Any, options: Mapping[str, Any], extra: Sequence[str] = ()) -> str | None:
    """What is wrong with options as keyword-only parameters of `entry`: unknown, or of another type."""
    parameters = inspect.signature(entry).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    unknown = [name for name in options if name not in known]
    if unknown:
        names = ", ".join([*known, *extra])
        return f"unknown option {', '.join(unknown)}; " + (f"known: {names}" if names else "it takes none")
    hints = typing.get_type_hints(entry.__init__ if inspect.isclass(entry) else entry, include_extras=True)
    fields: dict[str, Any] = {name: (hints.get(name, Any), default) for name, default in known.items()}
    schema = pydantic.create_model("Options", __config__=pydantic.ConfigDict(strict=True), **fields)
    try:
        schema(**options)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        return f"{first['loc'][0]}: {first['msg'].lower()}, got {first['input']!r}"
    return None
