"""Where a server listens, and how patient it is with who connects."""

import asyncio
import logging
import resource
import socket
from typing import Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from emospeech.runtime.errors import UserError

BACKLOG = 2048  # connections that wait to be accepted
LAST_PORT = 65_535
HEAD_SECONDS = 20.0  # in which the head of a first request must have come
KEEP_SECONDS = 10  # that a connection may rest between two requests
CONNECTIONS = 4096  # at once; uvicorn answers 503 to further ones


class Patient(H11Protocol):
    """uvicorn's HTTP, but a connection on which no request comes does not stay for ever."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._hurry = self.loop.call_later(HEAD_SECONDS, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hurry.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class WithoutQueries(logging.Filter):
    """Takes what stands behind a `?` out of the access log: it is a client's own."""

    def filter(self, record: logging.LogRecord) -> bool:
        args: Any = record.args
        if isinstance(args, tuple) and len(args) == 5:  # address, method, path, version, status
            record.args = (*args[:2], str(args[2]).partition("?")[0], *args[3:])
        return True


def settings(app: Any, timeout: float) -> Config:
    """uvicorn's.

    Args:
        timeout: seconds that a request may take, which a server that is going down grants, too.
    """
    found = Config(
        app,
        http=Patient,
        log_level="info",
        timeout_graceful_shutdown=round(timeout) + 5,
        timeout_keep_alive=KEEP_SECONDS,
        limit_concurrency=CONNECTIONS,
        server_header=False,
        lifespan="on",
    )
    logging.getLogger("uvicorn.access").addFilter(WithoutQueries())
    return found


def bound(host: str, port: int) -> socket.socket:
    """
    Raises:
        UserError: if the address cannot be had.
    """
    if not 0 <= port <= LAST_PORT:  # or the system would take what is left of it
        raise UserError(f"--port {port}: a port is a number up to {LAST_PORT}; 0: any that is free")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise UserError(f"--host {host}, --port {port}: no address of this machine ({error})") from None
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise UserError(
            f"cannot listen at {host}, port {port}: {getattr(error, 'strerror', None) or error}; "
            "name another with --port (0: any that is free)"
        ) from None
    listening.setblocking(False)
    return listening


def more_files() -> None:
    """As many open files as the machine lets this process have: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
