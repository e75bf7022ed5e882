"""What stands before the routes: who may ask, how much, and how many at once. Pure ASGI, so that a body that is refused
is not read first."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from emospeech.serve.http.metrics import Metrics
from emospeech.serve.http.problems import CODES, Problem
from emospeech.serve.http.settings import BODY_SLACK, Limits
from emospeech.serve.http.traffic import Traffic

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREDICT = "/v1/predict"
GUARDED = ("/v1/", "/metrics")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SMALL_BODY = 65_536  # bytes of a request that sends no audio
LONGEST_NUMBER = 20  # digits
BODIES = 8  # of the largest size that are held at once
LINGER_SECONDS = 5.0  # in which a client may notice that its body is not wanted
LOCAL = ("127.0.0.1", "localhost", "[::1]", "::1")
CSP = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"permissions-policy", b"microphone=(self)"),
]


def header(scope: Scope, name: bytes) -> str | None:
    """Of a request; None without."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def without_port(host: str) -> str:
    """
    >>> [without_port(host) for host in ("a.org:80", "a.org", "[::1]:80", "[::1]")]
    ['a.org', 'a.org', '[::1]', '[::1]']
    """
    name, _, port = host.rpartition(":")
    return name if port.isdecimal() else host


class Guards:
    """Refuses what must not reach a route, counts what does, and gives every answer its headers.

    Args:
        app: what is guarded.
        key: without it nobody may ask anything of /v1 and /metrics; None: everybody may.
        hosts: the only names that the server answers under, against web pages that rebind theirs to this machine;
            None: any.
    """

    def __init__(
        self, app: App, limits: Limits, metrics: Metrics, key: str | None = None, hosts: Sequence[str] | None = None
    ) -> None:
        self.app, self.limits, self.metrics = app, limits, metrics
        self.key, self.hosts = key, hosts
        self.traffic = Traffic(limits.in_flight, BODIES * limits.max_bytes, metrics.in_flight.set)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        predicts = scope["path"].startswith(PREDICT) and scope["method"] == "POST"
        body = _Body(scope, receive, self._most(predicts), self.limits, self.traffic if predicts else None)
        answer = _Answer(send, body)
        try:
            await self._answered(scope, body, answer, predicts)
        finally:
            await answer.end()

    async def _answered(self, scope: Scope, body: "_Body", answer: "_Answer", predicts: bool) -> None:
        began = time.perf_counter()
        try:
            self._admit(scope, predicts)
        except Problem as problem:
            self._counted(scope, problem.status, began, problem.code)
            await problem.response()(scope, body.receive, answer)
            return
        try:
            await self.app(scope, body.receive, answer)
        except Problem as problem:  # of the body, while a route read it
            if not answer.begun:
                await problem.response()(scope, body.receive, answer)
        finally:
            body.leave()
            self._counted(scope, answer.status, began)

    def _counted(self, scope: Scope, status: int, began: float, code: str | None = None) -> None:
        route = getattr(scope.get("route"), "path", None) or "other"
        # of what clients make up, such as methods, nothing becomes a label
        method = scope["method"] if route != "other" and scope["method"] in METHODS else "other"
        self.metrics.requests.labels(route, method, str(status)).inc()
        self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
        if code is not None:
            self.metrics.problems.labels(code).inc()

    def _admit(self, scope: Scope, predicts: bool) -> None:
        """
        Raises:
            Problem: if the request must not go further; its body is not read.
        """
        name = without_port((header(scope, b"host") or "").lower())
        if self.hosts is not None and name not in self.hosts:
            raise Problem(
                "wrong_host", f"this server answers under {', '.join(self.hosts[:2])} only, not {name[:80]!r}"
            )
        self._require_own_page(scope, name)
        if self.key is not None and scope["path"].startswith(GUARDED) and not self._has_key(scope):
            raise Problem("no_key", "give the server's key, as the header Authorization: Bearer KEY")
        length = header(scope, b"content-length") or "0"
        if not (length.isdecimal() and len(length) < LONGEST_NUMBER):
            raise Problem("bad_request", "Content-Length is no number")
        if int(length) > self._most(predicts):
            raise Problem("too_large", _too_large(self._most(predicts)))
        if predicts:
            self.traffic.require_place()

    def _most(self, predicts: bool) -> int:
        """Bytes of a request's body."""
        return self.limits.max_bytes + BODY_SLACK if predicts else SMALL_BODY

    def _require_own_page(self, scope: Scope, name: str) -> None:
        """A page of another site may not use the server through its visitor's browser; with a key it cannot anyway.

        Raises:
            Problem: if one does.
        """
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if self.key is not None or origin is None or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return
        own = without_port(origin.lower().partition("://")[2]) in (name, *(self.hosts or ()))
        if site not in ("same-origin", "none") and not (site is None and own):
            raise Problem("foreign_page", f"the page of {origin[:80]!r} may not ask this server")

    def _has_key(self, scope: Scope) -> bool:
        told = header(scope, b"authorization") or ""
        kind, _, given = told.partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1", "replace"), (self.key or "").encode())
        return kind.lower() == "bearer" and same


def _too_large(most: int) -> str:
    return f"the request is larger than the {most / 1e6:.3g} MB that this server takes"


class _Body:
    """A request's body, as far as it may go: in bytes and in time.

    `traffic`: what it is counted in, if it is.
    """

    def __init__(self, scope: Scope, receive: Receive, most: int, limits: Limits, traffic: Traffic | None) -> None:
        self._receive, self.limits, self.traffic = receive, limits, traffic
        self.held, self.entered = 0, False
        self.most = self.left = most
        self.until = time.monotonic() + limits.timeout
        chunked = header(scope, b"transfer-encoding") is not None
        length = header(scope, b"content-length") or "0"
        self.ended = not chunked and length == "0"
        self.small = not chunked and len(length) <= len(str(SMALL_BODY))

    async def receive(self) -> Message:
        if self.ended:  # what is waited for now is that the client hangs up
            return await self._receive()
        try:
            async with asyncio.timeout(max(self.until - time.monotonic(), 0)):
                message = await self._receive()
        except TimeoutError:
            raise Problem("slow_body", f"the body did not come within {self.limits.timeout:g} s") from None
        count = len(message.get("body", b""))
        self.left -= count
        if self.left < 0:
            raise Problem("too_large", _too_large(self.most))
        self._look(message)
        self._count(count)
        return message

    def _count(self, count: int) -> None:
        """
        Raises:
            Problem: if there is no room for it, or no place for the request that is whole by it.
        """
        if self.traffic is None:
            return
        self.traffic.hold(count)
        self.held += count
        if self.ended and not self.entered:
            self.traffic.enter()
            self.entered = True

    def leave(self) -> None:
        """What it held is free again."""
        if self.traffic is not None:
            self.traffic.leave(self.held, self.entered)

    def _look(self, message: Message) -> None:
        self.ended = message["type"] != "http.request" or not message.get("more_body", False)

    async def discard(self) -> None:
        """Read on for a while without keeping it: a client that sends still would never see its answer, but a reset."""
        left = self.limits.max_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self.ended and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._look(message)


class _Answer:
    """Adds headers to an answer, and notes how it went.

    Where a large body, or one that comes too slowly, has not been read, the connection ends with the answer.
    """

    def __init__(self, send: Send, body: _Body) -> None:
        self._send, self._body = send, body
        self.begun = self.lingers = self.withheld = False
        self.status = 499  # as nginx has it: the client went away first

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun, self.status = True, message["status"]
            self.lingers = not self._body.ended and (not self._body.small or self.status == CODES["slow_body"])
            there = {key.lower() for key, _ in message["headers"]}
            more = [pair for pair in HEADERS if pair[0] not in there]
            more += [(b"connection", b"close")] if self.lingers else []
            message["headers"] = [*message["headers"], *more]
        elif self.lingers and not message.get("more_body", False):
            message, self.withheld = {**message, "more_body": True}, True
        await self._send(message)

    async def end(self) -> None:
        """The answer is out, as its length tells; the connection stays a little."""
        if self.withheld:
            await self._body.discard()
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
