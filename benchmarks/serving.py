"""`emospeech serve` under load, on this machine alone: dynamic batches against one by one, then more than it can do.

    python benchmarks/serving.py RUN [--seconds 20] [--clients 1,4,16,64] [--rounds 2]
    python benchmarks/serving.py --full-size [--clients 1,4,8]

Two servers are started as a user starts them, one that gathers what waits into batches and one that does not. Clients
in this process send the demo corpus's clips with their texts, each asking again as soon as it is answered; the servers
take turns, A B A B, so that whatever else the machine does meets both. Then come requests at random, more than the
server can answer, whether others have been answered or not. --full-size needs no RUN: it makes one of XLS-R-300M and
XLM-R-large with random weights (4 GB on disk, 8 GB of memory). Exit code 1: an answer was neither 200 nor 429, or the
two servers say different things.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from measuring import hardware
from service import full_size
from service.asking import Connection, clip_request, examples
from service.load import Phase, closed, opened, together
from service.process import Running, serving

BATCHED, SINGLE = "batched", "one by one"
OPTIONS = {BATCHED: ("--batch", "16", "--batch-wait-ms", "5"), SINGLE: ("--batch", "1", "--batch-wait-ms", "0")}
WARMUPS = 12  # requests that are not measured
OVERLOADS = (2.0, 5.0)  # times the best rate seen
ALIKE = 1e-4  # probabilities of the same clip, in a batch and alone


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    clients: Sequence[int]
    seconds: float  # of each stretch
    rounds: int


@dataclass
class Found:
    """What was measured of one server."""

    rounds: dict[int, list[Phase]] = field(default_factory=dict)  # by clients
    overload: dict[float, Phase] = field(default_factory=dict)  # by requests a second
    before: float = 0.0  # megabytes
    after: float = 0.0
    probabilities: list[list[float]] = field(default_factory=list)  # of each clip

    @property
    def best(self) -> float:
        """Answers a second."""
        return max(together(phases).rate for phases in self.rounds.values())

    @property
    def phases(self) -> list[Phase]:
        return [phase for phases in self.rounds.values() for phase in phases] + list(self.overload.values())


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def measured(run: Path, plan: Plan, options: Sequence[str] = ()) -> dict[str, Found]:
    """Both servers under the same load, in turn."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving([str(run), *own, *options])) for name, own in OPTIONS.items()}
        requests = [clip_request(clip, text) for clip, text in examples(servers[SINGLE].port)]
        found = {name: Found() for name in servers}
        for name, server in servers.items():
            closed(server, requests, 4, 600, WARMUPS)
            found[name].probabilities = at_once(server, requests)
            found[name].before = server.megabytes()
        for clients in plan.clients:
            for number in range(plan.rounds):
                for name, server in servers.items():
                    phase = closed(server, requests, clients, plan.seconds)
                    found[name].rounds.setdefault(clients, []).append(phase)
                    say(f"round {number + 1}, {clients} clients, {name}: {phase.rate:.3g} answers/s")
        overloaded(servers, requests, found, plan)
        for name, server in servers.items():
            found[name].after = server.megabytes()
        return found


def at_once(server: Running, requests: Sequence[bytes]) -> list[list[float]]:
    """What it says of each clip, all asked at the same time: a batch, where the server makes batches."""

    async def ask(request: bytes) -> list[float]:
        connection = Connection(server.port)
        answer = (await connection.ask(request)).json()
        connection.close()
        return list(answer["probabilities"].values())

    async def ask_all() -> list[list[float]]:
        return await asyncio.gather(*(ask(request) for request in requests))

    return asyncio.run(ask_all())


def overloaded(
    servers: Mapping[str, Running], requests: Sequence[bytes], found: Mapping[str, Found], plan: Plan
) -> None:
    """The same rates for both, from what the better of them can do."""
    best = max(one.best for one in found.values())
    for times in OVERLOADS:
        for name, server in servers.items():
            found[name].overload[times * best] = opened(server, requests, times * best, plan.seconds)
            say(f"{times:g} times what it can do, {name}: done")


# ---------------------------------------------------------------------- telling


def table(found: Mapping[str, Found]) -> list[str]:
    head = f"{'clients':>7}  {'':<10}  {'req/s':>7}  {'p50 ms':>8}  {'p95 ms':>8}  {'p99 ms':>8}  {'batch':>5}"
    lines = [f"{head}  {'429':>5}  {'other':>5}  {'CPU server':>10}  {'client':>6}"]
    a, b = found[BATCHED], found[SINGLE]
    for clients in a.rounds:
        for name, one in found.items():
            lines.append(f"{clients:>7}  {name:<10}  {_row(together(one.rounds[clients]))}")
        pairs = [(x, y) for x, y in zip(a.rounds[clients], b.rounds[clients], strict=True) if y.rate]
        by_clock, by_cpu = (_spread([x / y for x, y in each]) for each in _rates(pairs))
        lines.append(f"{'':>7}  batched, times as many: {by_clock} a second, {by_cpu} a second of processor")
    for rate in a.overload:
        for name, one in found.items():
            lines.append(f"{'open':>7}  {name:<10}  {_row(one.overload[rate])}   {rate:.3g}/s came")
    for name, one in found.items():
        lines.append(f"memory of the server, {name}: {one.before:.0f} MB before, {one.after:.0f} MB after")
    return [*lines, f"probabilities of a clip, in a batch and by itself, differ by at most {differing(found):.1g}"]


def _rates(pairs: Sequence[tuple[Phase, Phase]]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """By the clock, and by the processor's."""
    return [(x.rate, y.rate) for x, y in pairs], [(x.per_cpu_second, y.per_cpu_second) for x, y in pairs]


def _row(phase: Phase) -> str:
    p50, p95, p99 = (f"{phase.percentile(percent):>8.1f}" for percent in (50, 95, 99))
    other = sum(count for status, count in phase.statuses.items() if status not in (200, 429))
    told = f"{phase.rate:>7.4g}  {p50}  {p95}  {p99}  {phase.mean_batch:>5.1f}  {phase.statuses[429]:>5}  {other:>5}"
    return f"{told}  {phase.server_cpu:>9.0%}   {phase.client_cpu:>5.0%}"


def _spread(ratios: Sequence[float]) -> str:
    if not ratios:
        return "none"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def differing(found: Mapping[str, Found]) -> float:
    """By how much the servers' probabilities differ at most, of the same clips in a batch and by themselves."""
    pairs = zip(found[BATCHED].probabilities, found[SINGLE].probabilities, strict=True)
    return max(abs(x - y) for a, b in pairs for x, y in zip(a, b, strict=True))


def as_json(found: Mapping[str, Found]) -> str:
    def told(phase: Phase) -> dict[str, object]:
        return {
            "rate": phase.rate, "per_cpu_second": phase.per_cpu_second, "mean_batch": phase.mean_batch,
            "statuses": dict(phase.statuses), "client_cpu": phase.client_cpu, "server_cpu": phase.server_cpu,
            "ms": {f"p{percent}": phase.percentile(percent) for percent in (50, 95, 99)},
        }  # fmt: skip

    return json.dumps(
        {
            name: {
                "clients": {clients: [told(phase) for phase in phases] for clients, phases in one.rounds.items()},
                "overload": {f"{rate:.1f}": told(phase) for rate, phase in one.overload.items()},
                "megabytes": [one.before, one.after],
            }
            for name, one in found.items()
        },
        indent=1,
    )


def wrong(found: Mapping[str, Found]) -> bool:
    """Whether something happened that must not."""
    statuses = {one.status for each in found.values() for phase in each.phases for one in phase.asked}
    return bool(statuses - {200, 429}) or differing(found) > ALIKE


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--tiny", action="store_true", help="with --full-size: encoders of no size, to try it out")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each stretch")
    parser.add_argument("--clients", default=None, help="numbers with commas between; default 1,4,16,64 (1,4,8)")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.full_size == (given.run is not None):
        parser.error("give a run folder, or --full-size")
    counts = [int(one) for one in (given.clients or ("1,4,8" if given.full_size else "1,4,16,64")).split(",")]
    plan = Plan(counts, given.seconds, given.rounds)
    with tempfile.TemporaryDirectory() as name:
        run = full_size.run_folder(Path(name), given.tiny) if given.full_size else given.run
        found = measured(run, plan, ("--timeout", "900") if given.full_size else ())
    print("\n".join([*hardware(), f"load {os.getloadavg()[0]:.1f}", *table(found)]))
    if given.json is not None:
        given.json.write_text(as_json(found), encoding="utf-8")
    return int(wrong(found))


if __name__ == "__main__":
    sys.exit(main())
