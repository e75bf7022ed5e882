"""A soak with bad input: what `emospeech serve` bears while it goes on answering good requests, the same as before.

    python benchmarks/serving_fuzz.py RUN… [--seconds 120] [--seed 0] [--batch 16]

Requests made of /openapi.json by schemathesis, and attacks by hand (benchmarks/service/attacks.py), come at the same
time as good requests. The first RUN should hear and read, as the demo's does. Asked by themselves before and after, the
good ones must be answered bit for bit alike; in a batch with others, to 1e-5, as sums come in another order (with
--batch 1: bit for bit, too). Exit code 1: an answer of 5xx, one that its schema does not allow or that an attack must
not have, a good one that changed, a traceback or a transcript in the log, a file or a descriptor left, a dead server.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from measuring import hardware
from service.asking import examples, get
from service.contract import Kept, conform
from service.load import percentile
from service.process import Running, serving
from service.soak import Attacks, Good, attack_until, good_until, once

ATTACKERS, GOOD = 4, 2  # threads
WARM_UPS = 10  # times that each good request is asked before anything is measured
SETTLE = 20.0  # seconds until kept-open connections and what stalled must be gone, and memory back
MEMORY = Path("/dev/shm")
SPARE_FILES = 8  # descriptors that may be more than at the beginning
SPARE_MEGABYTES = 250.0  # that allocators keep of the longest batches


@dataclass
class Watched:
    """Of the server's process."""

    before: float = 0.0  # megabytes, warm
    after: float = 0.0
    most: float = 0.0
    while_soaked: list[float] = field(default_factory=list)
    files_before: int = 0
    files_after: int = 0
    most_files: int = 0


@dataclass
class Soaked:
    """All that was seen."""

    watched: Watched
    contract: Kept
    attacks: Attacks
    good: Good
    wrong: list[str] = field(default_factory=list)


def soak(runs: Sequence[Path], seconds: float, seed: int, batch: int) -> Soaked:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipes").mkdir()
        # under a name that nobody guesses: the routes of training are asked, nothing is trained
        shutil.copy(runs[0] / "config.yaml", folder / "recipes" / "not_to_be_guessed.yaml")
        words = [*map(str, runs), "--batch", str(batch), "--allow-train", str(folder / "recipes")]
        with serving([*words, "--runs-dir", str(folder / "runs")]) as server:
            return _soaked(server, seconds, seed, batch)


def _soaked(server: Running, seconds: float, seed: int, batch: int) -> Soaked:
    cards = get(server.port, "/v1/models").json()["models"]
    reader = next((card["name"] for card in cards if card["reads"] and not card["needs_audio"]), None)
    good = Good([*examples(server.port)], reader, tolerance=0.0 if batch == 1 else 1e-5)
    for _ in range(WARM_UPS):
        once(server.port, good)
    good.first = once(server.port, good)
    watched = Watched(server.megabytes(), files_before=server.files())
    attacks, until, ended = Attacks(seed), time.monotonic() + seconds, threading.Event()
    watching = threading.Thread(target=_watch, args=(server, watched, ended))
    watching.start()
    with ThreadPoolExecutor(ATTACKERS + GOOD) as pool:
        threads = [pool.submit(attack_until, server.port, until, attacks, good, k) for k in range(ATTACKERS)]
        threads += [pool.submit(good_until, server.port, until, good) for _ in range(GOOD)]
        contract = conform(server.port, until, seed)
    for thread in threads:
        thread.result()
    soaked = Soaked(watched, contract, attacks, good)
    if server.alive:
        _settle()
        good.last = once(server.port, good)
        watched.after, watched.files_after = server.megabytes(), server.files()
    ended.set()
    watching.join()
    soaked.wrong = wrong(server, soaked)
    return soaked


def _watch(server: Running, watched: Watched, ended: threading.Event) -> None:
    while not ended.wait(0.25) and server.alive:
        watched.most_files = max(watched.most_files, server.files())
        watched.while_soaked.append(server.megabytes())
        watched.most = max(watched.most, server.most_megabytes())


def _settle() -> None:
    time.sleep(SETTLE)


def wrong(server: Running, soaked: Soaked) -> list[str]:
    """Everything that must not be, a line each."""
    found = [*soaked.contract.violations, *soaked.attacks.wrong, *soaked.good.wrong]
    statuses = soaked.contract.statuses + soaked.attacks.statuses
    found += [f"{count} answers of {status}" for status, count in statuses.items() if status >= 500]
    if not server.alive:
        return [*found, f"the server is dead: exit code {server.process.returncode}"]
    if soaked.good.first != soaked.good.last:
        found.append("good requests by themselves are answered otherwise at the end than at the beginning")
    log = server.log.read_text(encoding="utf-8", errors="replace")
    found += [f"a traceback in the log:\n{log[-3000:]}"] if "Traceback" in log else []
    found += [f"a transcript in the log: {text}" for _, text in soaked.good.asked if text in log]
    watched = soaked.watched
    if watched.files_after > watched.files_before + SPARE_FILES:
        found.append(f"{watched.files_after} open files, {watched.files_before} at the beginning")
    if watched.after > watched.before + SPARE_MEGABYTES:
        found.append(f"{watched.after:.0f} MB of memory, {watched.before:.0f} at the beginning")
    return found + [f"{path} is left" for path in _left(server)]


def _left(server: Running) -> set[Path]:
    """Folders of sound since the server began, that are still there a while later: other servers' come and go."""
    began = Path(f"/proc/{server.process.pid}").stat().st_mtime

    def young() -> set[Path]:
        found = set()
        for path in MEMORY.glob("emospeech_*"):
            with suppress(FileNotFoundError):
                found |= {path} if path.stat().st_mtime >= began else set()
        return found

    first = young()
    time.sleep(3)
    return first & young()


def told(soaked: Soaked) -> list[str]:
    watched, good = soaked.watched, soaked.good
    count = len(watched.while_soaked)
    quarters = ", ".join(f"{watched.while_soaked[k * count // 4]:.0f}" for k in range(1, 4)) if count else "unknown"
    every = soaked.contract.statuses + soaked.attacks.statuses

    def counts(statuses: Counter[int]) -> str:
        found = ", ".join(f"{status or 'none'} x {count}" for status, count in sorted(statuses.items()))
        return f"{statuses.total()} requests: {found}"

    return [
        f"by schema:   {counts(soaked.contract.statuses)}",
        f"attacks:     {counts(soaked.attacks.statuses)}",
        f"good:        {len(good.seconds)} answers, {good.bitwise} of them bit for bit as alone; {good.refused} x 429; "
        f"p50 {percentile(good.seconds, 50):.0f} ms, p95 {percentile(good.seconds, 95):.0f} ms",
        f"memory:      {watched.before:.0f} MB warm, {quarters} after each quarter, {watched.most:.0f} at most, "
        f"{watched.after:.0f} at the end",
        f"open files:  {watched.files_before} warm, {watched.most_files} at most, {watched.files_after} at the end",
        f"5xx: {sum(count for status, count in every.items() if status >= 500)}, "
        f"violations of the schema: {len(soaked.contract.violations)}, all that is wrong: {len(soaked.wrong)}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=16, help="as emospeech serve takes it")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    soaked = soak(given.runs, given.seconds, given.seed, given.batch)
    print("\n".join([*hardware(), f"load {os.getloadavg()[0]:.1f}", *told(soaked)]))
    for line in soaked.wrong[:50]:
        print(f"WRONG {line}")
    if given.json is not None:
        by_attack = {name: dict(statuses) for name, statuses in soaked.attacks.by_name.items()}
        record = {"by_attack": by_attack, "by_schema": dict(soaked.contract.statuses), "wrong": soaked.wrong}
        given.json.write_text(json.dumps(record, indent=1), encoding="utf-8")
    return int(bool(soaked.wrong))


if __name__ == "__main__":
    sys.exit(main())
