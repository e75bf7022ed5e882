"""Stopping at a safe point: Ctrl-C and SIGTERM set a flag that the training loop looks at between steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """True once the user, or the scheduler, has asked for an end."""

    def __init__(self) -> None:
        self.requested = False

    def __bool__(self) -> bool:
        return self.requested


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Within it, the first SIGINT or SIGTERM asks for a stop; a second Ctrl-C ends the program at once."""
    stop = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.requested = True

    try:
        former = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread: whoever runs us there has to stop us another way
        yield stop
        return
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
