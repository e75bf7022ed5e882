"""What a command says while it works: lines and progress bars on standard error, from the main process alone."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from emospeech.runtime.distributed import is_main

T = TypeVar("T")


_hushed: ContextVar[bool] = ContextVar("hushed", default=False)
_said: set[str] = set()


def say(message: str) -> None:
    """One line for the person who watches; results go to standard output, this does not."""
    if is_main() and not _hushed.get():
        print(message, file=sys.stderr, flush=True)


def say_once(message: str) -> None:
    """A line that a program tells once, however often it comes there."""
    if message not in _said and not _hushed.get():
        _said.add(message)
        say(message)


@contextmanager
def hushed() -> Iterator[None]:
    """While in it nothing is said and no bar is shown: for steps of what somebody else tells of as a whole."""
    token = _hushed.set(True)
    try:
        yield
    finally:
        _hushed.reset(token)


class Bar(Protocol):
    """What `progress` gives: call it after each unit of work."""

    def __call__(self, advance: float = 1, note: str = "") -> None: ...


@contextmanager
def progress(description: str, total: int, start: int = 0) -> Iterator[Bar]:
    """A bar with count and remaining time on a terminal; a line now and then in a log file."""
    if not is_main() or _hushed.get():
        yield lambda advance=1, note="": None
    elif sys.stderr.isatty():
        with _terminal_bar(description, total, start) as bar:
            yield bar
    else:
        yield _LogBar(description, total, start)


def track(items: Iterable[T], description: str, total: int) -> Iterator[T]:
    """`items`, with progress."""
    with progress(description, total) as bar:
        for item in items:
            yield item
            bar()


@contextmanager
def _terminal_bar(description: str, total: int, start: int) -> Iterator[Bar]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(description, total=total, completed=start, note="")

        def bar(advance: float = 1, note: str = "") -> None:
            shown.update(task, advance=advance)
            if note:
                shown.update(task, note=note)

        yield bar


class _LogBar:
    """Progress for log files: at most a line every `EVERY` seconds."""

    EVERY = 20.0

    def __init__(self, description: str, total: int, start: int) -> None:
        self.description, self.total, self.start = description, total, start
        self.done = float(start)
        self.began = self.spoke = time.monotonic()

    def __call__(self, advance: float = 1, note: str = "") -> None:
        self.done += advance
        now = time.monotonic()
        if now - self.spoke < self.EVERY:
            return
        self.spoke = now
        left = (now - self.began) / max(self.done - self.start, 1) * (self.total - self.done)
        say(f"{self.description}: {self.done:.0f}/{self.total}, {left / 60:.1f} min left {note}".rstrip())
