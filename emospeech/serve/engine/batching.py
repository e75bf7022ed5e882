"""A bounded queue in front of one worker, which takes what has gathered as one batch."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Full(RuntimeError):  # noqa: N818 - a state, not a failure
    """The queue has no room now."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"the queue is full; try again in {retry_after:.0f} s")
        self.retry_after = retry_after  # seconds


class Closed(RuntimeError):  # noqa: N818
    """The batcher takes nothing more."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """An answer, and what it cost."""

    value: R
    waited: float  # seconds in the queue
    worked: float  # seconds of the batch that it was in
    batch: int  # items in that batch


@dataclass(eq=False)  # one is another only if it is the same: items may be arrays
class _Waiting(Generic[T, R]):
    item: T
    size: int
    future: "Future[Done[R]]"
    since: float = field(default_factory=time.monotonic)


class Batcher(Generic[T, R]):
    """Gives items to `work` in batches, from a thread of its own.

    While a batch is worked on, the next gathers. After a batch of several an idle worker waits `wait` seconds for
    company of the first item; who asks alone is answered at once. An item whose batch fails is tried again by itself,
    so that it fails for its own reasons only.

    Args:
        work: items -> an answer each, in order.
        most: summed size of the items of a batch; an item that is larger goes alone.
        wait: seconds.
        room: summed size of the items that may wait; one that is larger may wait alone.
        size: of an item.
    """

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        most: int = 16,
        wait: float = 0.005,
        room: int = 64,
        size: Callable[[T], int] = lambda item: 1,
        name: str = "batches",
    ) -> None:
        if most < 1 or room < 1 or wait < 0:
            raise ValueError(f"most and room should be 1 or more, wait 0 or more; got {most}, {room}, {wait}")
        self._work, self.most, self.wait, self.room, self._size = work, most, wait, room, size
        self._queue: deque[_Waiting[T, R]] = deque()
        self._change = threading.Condition()
        self._closed = self._had_company = False
        self._pace = 0.05  # seconds an item, smoothed
        self.answered = 0  # items so far, whatever became of them
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._queue)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closed

    def submit(self, item: T) -> "Future[Done[R]]":
        """The answer to come; cancelled before its batch begins, it costs nothing.

        Raises:
            Full: if too many wait.
            Closed: after `close`.
        """
        with self._change:
            if self._closed:
                raise Closed("the server is going down")
            waiting: _Waiting[T, R] = _Waiting(item, self._size(item), Future())
            if self._queue and self._waiting_size() + waiting.size > self.room:
                raise Full(max(1.0, self._pace * len(self._queue)))
            self._queue.append(waiting)
            self._change.notify_all()
        waiting.future.add_done_callback(self._drop_cancelled)
        return waiting.future

    def close(self, timeout: float | None = None) -> None:
        """Take nothing more, answer what waits, and end."""
        with self._change:
            self._closed = True
            self._change.notify_all()
        self._thread.join(timeout)

    # ------------------------------------------------------------- the worker

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            if batch:
                self._answer(batch)
                self.answered += len(batch)
            del batch  # while the next is waited for, nothing of this one is held

    def _next(self) -> list[_Waiting[T, R]] | None:
        """The next batch; None: closed, and nothing waits."""
        with self._change:
            self._change.wait_for(lambda: self._queue or self._closed)
            if not self._queue:
                return None
            until = self._queue[0].since + (self.wait if self._had_company else 0.0)
            while not self._closed and self._waiting_size() < self.most and (left := until - time.monotonic()) > 0:
                self._change.wait(left)
            return self._taken()

    def _waiting_size(self) -> int:
        return sum(waiting.size for waiting in self._queue)

    def _taken(self) -> list[_Waiting[T, R]]:
        taken: list[_Waiting[T, R]] = []
        total = 0
        while self._queue and (not taken or total + self._queue[0].size <= self.most):
            waiting = self._queue.popleft()
            if waiting.future.set_running_or_notify_cancel():
                taken.append(waiting)
                total += waiting.size
        self._had_company = len(taken) > 1
        return taken

    def _drop_cancelled(self, future: "Future[Done[R]]") -> None:
        """At once, with all that its item holds; unless the worker has taken it meanwhile."""
        if not future.cancelled():
            return
        with self._change:
            found = next((waiting for waiting in self._queue if waiting.future is future), None)
            if found is not None:
                self._queue.remove(found)

    def _answer(self, batch: Sequence[_Waiting[T, R]]) -> None:
        began = time.monotonic()
        try:
            answers = list(self._work([waiting.item for waiting in batch]))
            if len(answers) != len(batch):
                raise ValueError(f"{len(batch)} items have got {len(answers)} answers")
        except Exception as error:  # of one of them, maybe: each for itself
            if len(batch) == 1:
                with suppress(Exception):
                    batch[0].future.set_exception(error)
                return
            for waiting in batch:
                self._answer([waiting])
            return
        worked = time.monotonic() - began
        self._pace = 0.8 * self._pace + 0.2 * worked / len(batch)
        for waiting, answer in zip(batch, answers, strict=True):
            waiting.future.set_result(Done(answer, began - waiting.since, worked, len(batch)))
