"""Stopping at a safe point: a signal sets a flag that the training loop looks at between steps.

Ctrl-C (SIGINT) comes from a person; SIGTERM and SIGUSR1 from a scheduler that wants the machine back.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_asked: list[int] = []  # of this process, what has asked for a stop
_conditions: list[Callable[[], bool]] = []


def note(number: int) -> None:
    """A stop has been asked for by this signal, here or in another process of this training."""
    _asked.append(number)


def forget() -> None:
    """A new command begins, in a process that may have had another."""
    _asked.clear()


def noted() -> bool:
    """Whether a stop is under way."""
    return bool(_asked)


def exit_code() -> int:
    """Of a program that stops on request: 1, or after a scheduler's signal 128 and its number, as shells say it."""
    number = _asked[-1] if _asked else signal.SIGINT
    return 1 if number == signal.SIGINT else 128 + number


class StopRequest:
    """True once the user, the scheduler, or another start of the same job has asked for an end."""

    number = 0  # of the signal

    def __bool__(self) -> bool:
        if not self.number and any(condition() for condition in _conditions):
            self.number = signal.SIGTERM
        return self.number != 0

    def __int__(self) -> int:
        """The signal that asked, or 0."""
        return int(self.number or signal.SIGINT) if self else 0


@contextmanager
def stop_when(condition: Callable[[], bool]) -> Iterator[None]:
    """While in it, that it is so is a reason to stop."""
    _conditions.append(condition)
    try:
        yield
    finally:
        _conditions.remove(condition)


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Within it, the first signal asks for a stop; a second Ctrl-C ends the program at once."""
    stop = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.number and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.number = stop.number or number

    try:
        former = {number: signal.signal(number, ask) for number in SIGNALS}
    except ValueError:  # not the main thread: whoever runs us there has to stop us another way
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def unheard() -> Iterator[None]:
    """Processes that this thread starts while in it never hear the signals; this program does, when it is over."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
