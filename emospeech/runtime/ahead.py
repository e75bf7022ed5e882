"""Work done in threads ahead of its use, its results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def in_order(jobs: Iterable[Callable[[], T]], threads: int, depth: int) -> Iterator[T]:
    """The results of jobs, in their order; so many of those to come are begun before they are asked for."""
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, "ahead") as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
