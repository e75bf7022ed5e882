"""Clients that wait for their answers (closed loop), and those that come when they come (open loop)."""

import asyncio
import itertools
import random
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from service.asking import Answer, Connection
from service.process import Running

NO_ANSWER = 0  # in place of a status


@dataclass(frozen=True)
class Asked:
    """One request, and what became of it."""

    status: int
    seconds: float  # from when it was due to its answer's last byte
    batch: int  # requests that the model answered together; 0: it did not


@dataclass
class Phase:
    """What was seen in a stretch of time."""

    seconds: float
    asked: list[Asked] = field(default_factory=list)
    client_cpu: float = 0.0  # share of one core
    server_cpu: float = 0.0

    @property
    def answered(self) -> list[Asked]:
        return [one for one in self.asked if one.status == 200]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.answered) / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Answers for each second that a core worked for the server: what a busy machine changes least."""
        return self.rate / self.server_cpu if self.server_cpu else float("nan")

    @property
    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.asked)

    @property
    def mean_batch(self) -> float:
        """Over batches; each answer tells the size of its own."""
        batches = sum(1 / one.batch for one in self.answered)
        return len(self.answered) / batches if batches else 0.0

    def percentile(self, percent: int) -> float:
        """Milliseconds within which so many of the answers came."""
        return percentile([one.seconds for one in self.answered], percent)


def percentile(seconds: Sequence[float], percent: int) -> float:
    """Milliseconds.

    >>> percentile([0.001 * k for k in range(1, 101)], 95)
    95.0
    """
    if not seconds:
        return float("nan")
    ordered = sorted(seconds)
    return round(1000 * ordered[max(-(-len(ordered) * percent // 100) - 1, 0)], 6)


def together(phases: Sequence[Phase]) -> Phase:
    """Several rounds of the same as one."""
    every = [one for phase in phases for one in phase.asked]
    return Phase(
        sum(phase.seconds for phase in phases),
        every,
        statistics.mean(phase.client_cpu for phase in phases),
        statistics.mean(phase.server_cpu for phase in phases),
    )


def closed(server: Running, requests: Sequence[bytes], clients: int, seconds: float, most: int | None = None) -> Phase:
    """So many clients, each of which asks again as soon as it is answered.

    Args:
        most: requests in all; None: as many as fit into the time.
    """
    return asyncio.run(_watched(server, _closed(server.port, requests, clients, seconds, most)))


def opened(server: Running, requests: Sequence[bytes], rate: float, seconds: float, seed: int = 0) -> Phase:
    """Requests that come at random, `rate` a second on average, whether others have been answered or not."""
    return asyncio.run(_watched(server, _opened(server.port, requests, rate, seconds, seed)))


async def _watched(server: Running, work: "asyncio.Future[list[Asked]] | object") -> Phase:
    began, mine, its = time.perf_counter(), time.process_time(), server.cpu_seconds()
    asked = await work  # type: ignore[misc]
    wall = time.perf_counter() - began
    return Phase(wall, asked, (time.process_time() - mine) / wall, (server.cpu_seconds() - its) / wall)


async def _closed(port: int, requests: Sequence[bytes], clients: int, seconds: float, most: int | None) -> list[Asked]:
    until = time.perf_counter() + seconds
    numbers, asked = itertools.count(), []

    async def client() -> None:
        connection = Connection(port)
        try:
            while time.perf_counter() < until and (most is None or len(asked) < most):
                asked.append(await _one(connection, requests[next(numbers) % len(requests)], time.perf_counter()))
                if asked[-1].status == 429:
                    await asyncio.sleep(0.05)  # as a client should, if shorter than it is told
        finally:
            connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return asked


async def _opened(port: int, requests: Sequence[bytes], rate: float, seconds: float, seed: int) -> list[Asked]:
    clock, idle = random.Random(seed), []
    began = time.perf_counter()
    asked: list[Asked] = []

    async def ask(request: bytes, due: float) -> None:
        connection = idle.pop() if idle else Connection(port)
        asked.append(await _one(connection, request, due))
        idle.append(connection)

    due, tasks = began, []
    for number in itertools.count():
        due += clock.expovariate(rate)
        if due > began + seconds:
            break
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(ask(requests[number % len(requests)], due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return asked


async def _one(connection: Connection, request: bytes, due: float) -> Asked:
    try:
        answer = await connection.ask(request)
    except (OSError, asyncio.IncompleteReadError):
        connection.close()
        return Asked(NO_ANSWER, time.perf_counter() - due, 0)
    return Asked(answer.status, time.perf_counter() - due, _batch(answer))


def _batch(answer: Answer) -> int:
    """Without reading all of the JSON, which would cost the client what the server is measured for."""
    if answer.status != 200:
        return 0
    return int(answer.body.rpartition(b'"batch":')[2].partition(b"}")[0])
