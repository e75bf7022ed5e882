"""Threads that attack a server, and threads that ask it for what it is there for."""

import http.client
import json
import random
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from emospeech.serve.http.problems import CODES, MEDIA_TYPE
from service.asking import HOST, Answer, form
from service.attacks import ATTACKS, HANG_UP, NO_ANSWER, STALL, Attack, Material
from service.process import ROOT

PATIENCE = 90.0  # seconds for an answer
STALLED = 1.0  # seconds that a client holds a connection and says nothing
SECRETS = (b"root:x:0", b"Traceback", b"/dev/shm/emo", str(ROOT).encode())  # that no answer may hold
Probabilities = dict[str, float]


@dataclass
class Attacks:
    """What came of the attacks."""

    seed: int
    by_name: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    wrong: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return sum(self.by_name.values(), Counter())


@dataclass
class Good:
    """Requests that must be answered alike, whatever else comes."""

    asked: Sequence[tuple[bytes, str]]  # clips, and their texts
    reader: str | None  # a model that answers texts alone
    tolerance: float  # of a probability, while others are answered in the same batch
    first: list[Probabilities] = field(default_factory=list)
    last: list[Probabilities] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    bitwise: int = 0
    wrong: list[str] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)


def ask(port: int, clip: bytes, text: str) -> tuple[int, Any]:
    """Status and JSON of a good request."""
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE)
    try:
        body, kind = form([("audio", clip, "clip.wav"), ("text", text.encode(), None)])
        connection.request("POST", "/v1/predict", body, {"Content-Type": kind})
        found = connection.getresponse()
        return found.status, json.loads(found.read())
    finally:
        connection.close()


def once(port: int, good: Good) -> list[Probabilities]:
    """Each of them by itself, one after the other."""
    return [ask(port, clip, text)[1]["probabilities"] for clip, text in good.asked]


def good_until(port: int, until: float, good: Good) -> None:
    """Ask them in turn, and compare with what was said first."""
    number = 0
    while time.monotonic() < until:
        number = (number + 1) % len(good.asked)
        began = time.monotonic()
        try:
            status, answer = ask(port, *good.asked[number])
        except OSError as error:
            good.wrong.append(f"a good request got no answer: {error!r}")
            continue
        with good.lock:
            _compare(good, number, status, answer, time.monotonic() - began)


def _compare(good: Good, number: int, status: int, answer: Any, seconds: float) -> None:
    if status == 429:
        good.refused += 1
        return
    if status != 200:
        good.wrong.append(f"a good request was answered with {status}: {answer}")
        return
    good.seconds.append(seconds)
    first, now = good.first[number], answer["probabilities"]
    good.bitwise += first == now
    if max(abs(first[label] - now[label]) for label in first) > good.tolerance:
        good.wrong.append(f"a good request was answered with {now}, before with {first}")


def attack_until(port: int, until: float, attacks: Attacks, good: Good, number: int) -> None:
    """One attack after the other, drawn from the seed and the thread's number."""
    rng = random.Random(f"{attacks.seed}/{number}")
    while time.monotonic() < until:
        name = rng.choice(list(ATTACKS))
        attack = ATTACKS[name](rng, Material(*rng.choice(good.asked), good.reader))
        answer = sent(port, attack)
        with good.lock:
            attacks.by_name[name][answer.status if answer else NO_ANSWER] += 1
            if fault := _fault(attack, answer):
                attacks.wrong.append(f"{name}: {fault}: {attack.payload[:300]!r}")


def _fault(attack: Attack, answer: Answer | None) -> str | None:
    """What an answer should not be; None: it is as it should."""
    if answer is None:
        allowed = NO_ANSWER in attack.allowed or attack.manner in (HANG_UP, STALL)
        return None if allowed else "no answer"
    if answer.status not in attack.allowed | {429}:
        return f"answered with {answer.status}: {answer.body[:300]!r}"
    if any(secret in answer.body for secret in SECRETS):
        return f"tells what it must not: {answer.body[:300]!r}"
    if answer.headers.get("content-type") == MEDIA_TYPE and answer.body:
        problem = answer.json()
        if CODES.get(problem["code"]) != answer.status or problem["status"] != answer.status:
            return f"a problem that does not fit its status {answer.status}: {problem}"
    return None


def sent(port: int, attack: Attack) -> Answer | None:
    """What comes back; None: nothing whole."""
    try:
        with socket.create_connection((HOST, port), timeout=PATIENCE) as connection:
            with suppress(OSError):  # it may stop listening because it has answered
                connection.sendall(attack.payload)
            if attack.manner == HANG_UP:
                return None
            if attack.manner == STALL:
                connection.settimeout(STALLED)
            return _read(connection, attack.payload.partition(b" ")[0].decode("latin-1"))
    except OSError:
        return None


def _read(connection: socket.socket, method: str) -> Answer | None:
    reader = http.client.HTTPResponse(connection, method=method)
    try:
        reader.begin()
        body = reader.read()
    except (http.client.HTTPException, OSError, ValueError):
        return None
    return Answer(reader.status, {key.lower(): value for key, value in reader.getheaders()}, body)
