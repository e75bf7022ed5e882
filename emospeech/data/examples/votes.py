"""Soft labels: how the votes on a clip fell, as text in a table, to the share of each label.

Written `joy:3 anger:1`, or `joy=0.7;anger=0.3`, or as a JSON object; numbers of votes and probabilities alike.
"""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emospeech.runtime.errors import some

# a name, a colon or equals sign, a number; then blanks, a comma or a semicolon
VOTE = re.compile(r"\s*([^:=;,]+?)\s*[:=]\s*([^\s:=;,]+)\s*[;,]?\s*")


def shares(text: str, labels: Sequence[str]) -> list[float]:
    """The share of each label, in their order; they sum to 1.

    >>> shares("joy:3 anger:1", ["anger", "fear", "joy"])
    [0.25, 0.0, 0.75]

    Raises:
        ValueError: with all that is wrong.
    """
    votes = _from_json(text) if text.lstrip().startswith("{") else _from_words(text)
    names = [name for name, _ in votes]
    numbers = [_number(value) for _, value in votes]
    unknown = [name for name in names if name not in labels]
    doubled = sorted({name for name in names if names.count(name) > 1})
    faulty = [f"{name}:{value}" for (name, value), number in zip(votes, numbers, strict=True) if number is None]
    wrong = [f"unknown label {some([repr(name) for name in unknown])}; known: {', '.join(labels)}"] if unknown else []
    wrong += [f"{', '.join(doubled)} is there twice"] if doubled else []
    wrong += [f"not a number of votes, 0 or more: {', '.join(faulty)}"] if faulty else []
    total = sum(number or 0.0 for number in numbers)
    wrong += ["all votes are 0"] if not wrong and not total else []
    if wrong:
        raise ValueError("; ".join(wrong))
    found = dict(zip(names, numbers, strict=True))
    return [(found.get(label) or 0.0) / total for label in labels]


def faults(column: pd.Series, sources: pd.Series, labels: Sequence[str]) -> list[str]:
    """What is wrong with a column of votes, each with file and line; an empty field has no fault."""
    found = []
    for text, source in zip(column, sources, strict=True):
        try:
            if pd.notna(text):
                shares(text, labels)
        except ValueError as error:
            found.append(f"{'' if pd.isna(source) else f'{source}: '}{column.name} {text!r}: {error}")
    return found


def targets(hard: pd.Series, names: Sequence[str], votes: pd.Series | None = None) -> np.ndarray:
    """float64 (rows, classes): the shares of each row's votes; without votes, its label alone; without that, zeros."""
    index = {name: k for k, name in enumerate(names)}
    found = np.zeros((len(hard), len(names)))
    for row, label in enumerate(hard):
        if votes is not None and pd.notna(votes.iloc[row]):
            found[row] = shares(votes.iloc[row], names)
        elif pd.notna(label):
            found[row, index[label]] = 1.0
    return found


def _from_words(text: str) -> list[tuple[str, Any]]:
    votes, place = [], 0
    while place < len(text):
        match = VOTE.match(text, place)
        if match is None:
            raise ValueError(f"cannot read {text[place:]!r}; votes are written as joy:3 anger:1")
        votes.append((match[1], match[2]))
        place = match.end()
    return votes


def _from_json(text: str) -> list[tuple[str, Any]]:
    try:
        votes: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON object ({error})") from None
    return votes


def _number(value: Any) -> float | None:
    """A count or probability, or None if it is none."""
    if isinstance(value, bool | list) or value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
