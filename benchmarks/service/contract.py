"""Requests made of /openapi.json, right ones and wrong ones, whose answers must be as it says (schemathesis)."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.failures import FailureGroup

from service.asking import HOST

EXAMPLES = 10  # of an operation and a mode, at a stretch
SHOWN = 600  # characters of a violation


@dataclass
class Kept:
    """What came of it."""

    statuses: Counter[int] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def conform(port: int, until: float, first_seed: int) -> Kept:
    """Ask every operation, again and again with other data, until then (`time.monotonic`)."""
    schema = schemathesis.openapi.from_url(f"http://{HOST}:{port}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    kept = Kept()
    for number in range(first_seed, first_seed + 100_000):
        for operation in operations:
            for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
                if time.monotonic() > until:
                    return kept
                _some(operation, mode, number, until, kept)
    return kept


def _allowed(failure: str, case: Any, answer: Any) -> bool:
    """Whether it is none of the server's faults."""
    if failure == "RejectedPositiveData":  # no sound, an unknown model, or nothing that the model can answer
        return True
    if failure == "AcceptedNegativeData":  # in a form all is text, so that a number or null is none the less right
        return case.media_type == "multipart/form-data" or answer.status_code == 413
    return bool(answer.status_code == 429)


def _some(operation: Any, mode: Any, number: int, until: float, kept: Kept) -> None:
    @seed(number)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=operation.as_strategy(mode))
    def ask(case: Any) -> None:
        if time.monotonic() > until:
            return
        answer = case.call(timeout=90)
        kept.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer)
        except FailureGroup as group:
            kept.violations += [
                f"{operation.label}: {type(one).__name__}: {str(one)[:SHOWN]}: {case.as_curl_command()[:SHOWN]}"
                for one in group.exceptions
                if not _allowed(type(one).__name__, case, answer)
            ]

    with suppress(Unsatisfiable):  # an operation that takes nothing has no wrong data
        ask()
