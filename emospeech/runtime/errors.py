"""The ways in which a command ends early: the user's mistake, work that failed, a stop that the user asked for."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


class UserError(ValueError):
    """Wrong input: one message that says what is wrong, where, and what would be right. Exit code 2."""


class WorkError(RuntimeError):
    """Work that cannot go on, for a reason that one message tells. Exit code 1."""


class Interrupted(RuntimeError):  # noqa: N818 - a stop on request is not an error
    """Work stopped on request (Ctrl-C, SIGTERM, SIGUSR1) after saving what there is. Exit code: `runtime.interrupt`."""


class Futile(Interrupted):
    """The same, where to go on in the same way would come to nothing: no scheduler should try. Exit code 1."""


def some(names: Sequence[object], limit: int = 3) -> str:
    """The first few of many, for a message that must stay readable.

    >>> some(["a.mp3", "b.mp3", "c.mp3", "d.mp3"])
    'a.mp3, b.mp3, c.mp3 and 1 more'
    """
    shown = ", ".join(str(name) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def faults(title: str, found: Sequence[str], limit: int = 20) -> UserError:
    """One error that lists every fault, so that the user mends them in one round."""
    lines = [f"  - {fault}" for fault in found[:limit]]
    if len(found) > limit:
        lines.append(f"  … and {len(found) - limit} more")
    return UserError("\n".join([title, *lines]))


def faults_of(where: object, found: Sequence[str]) -> UserError:
    """`faults` of one file, or of one thing that was read, with how many there are.

    >>> print(faults_of("rows.csv", ["line 2: the id is empty"]))
    rows.csv: 1 fault
      - line 2: the id is empty
    """
    return faults(f"{where}: {len(found)} fault{'s' if len(found) > 1 else ''}", found)


def gather(title: str, attempts: Iterable[Callable[[], T]]) -> list[T]:
    """The results of all attempts; their mistakes are told together, a single one in its own words.

    Raises:
        UserError: if any attempt raised one.
    """
    results, found = [], []
    for attempt in attempts:
        try:
            results.append(attempt())
        except UserError as error:
            found.append(str(error))
    different = list(dict.fromkeys(found))
    if len(different) == 1:
        raise UserError(different[0])
    if different:
        raise faults(title, [fault.replace("\n", "\n    ") for fault in different])
    return results
