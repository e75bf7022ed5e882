"""Requests as bytes, made once, and what comes back: so little work that the server's is what is measured."""

import asyncio
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"
BOUNDARY = "----emospeech-benchmark"
Field = tuple[str, bytes, str | None]  # name, content, file name


@dataclass(frozen=True)
class Answer:
    """Of a server."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def form(fields: Sequence[Field]) -> tuple[bytes, str]:
    """A multipart body, and its content type."""
    parts = []
    for name, content, file in fields:
        told = f'; filename="{file}"' if file is not None else ""
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode() + content)
    return b"\r\n".join([*parts, f"--{BOUNDARY}--\r\n".encode()]), f"multipart/form-data; boundary={BOUNDARY}"


def request(path: str, body: bytes, kind: str, method: str = "POST") -> bytes:
    """All bytes of a request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def clip_request(clip: bytes, text: str, name: str = "clip.wav") -> bytes:
    """POST /v1/predict of a clip with its text."""
    return request("/v1/predict", *form([("audio", clip, name), ("text", text.encode(), None)]))


def get(port: int, path: str) -> Answer:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("GET", path)
        found = connection.getresponse()
        return Answer(found.status, {key.lower(): value for key, value in found.getheaders()}, found.read())
    finally:
        connection.close()


def examples(port: int) -> list[tuple[bytes, str]]:
    """The clips that a server gives to try it with: wav files, and what is said in them."""
    told = get(port, "/v1/examples").json()["examples"]
    return [(get(port, urlsplit(one["url"]).path).body, one["text"]) for one in told]


class Connection:
    """One that is kept open, and opened anew where the server closed it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Answer:
        """
        Raises:
            OSError, asyncio.IncompleteReadError: if no whole answer comes.
        """
        if self._reader is None or self._writer is None or self._reader.at_eof():
            self.close()
            self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
        self._writer.write(request)
        await self._writer.drain()
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:] if line)}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(lines[0].split()[1]), headers, body)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
