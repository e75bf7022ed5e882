"""`emospeech serve` in a process of its own, and requests byte by byte."""

import json
import re
import signal
import socket
import subprocess
import sys
import time

import httpx
import psutil


class Served:
    """A process that serves."""

    def __init__(self, log, *arguments, cwd=None):
        self.log = log
        with log.open("wb") as stream:
            command = [sys.executable, "-m", "emospeech", "serve", *map(str, arguments)]
            self.process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=cwd)
        self.address = None

    @property
    def said(self):
        return self.log.read_text(encoding="utf-8")

    def ready(self):
        until = time.monotonic() + 120
        while (
            found := re.search(r"page: http://(\S+):(\d+)/", self.said)
        ) is None or "startup complete" not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < until, self.said
            time.sleep(0.05)
        self.address = (found[1].strip("[]"), int(found[2]))
        self.url = f"http://{found[1]}:{found[2]}"
        self.seen = psutil.Process(self.process.pid)
        return self

    def connected(self):
        return socket.create_connection(self.address, timeout=30)

    def post(self, **asked):
        return httpx.post(f"{self.url}/v1/predict", timeout=60, **asked)

    def alive(self):
        assert httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200
        assert self.post(json={"text": "hola"}).status_code == 200
        assert "emospeech_requests_in_flight 0.0" in httpx.get(f"{self.url}/metrics", timeout=10).text
        return True

    def ends(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)


def request(body=b"", head=b"", path=b"/v1/predict", method=b"POST"):
    return method + b" " + path + b" HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n" + body


def as_json(text):
    body = json.dumps({"text": text}).encode()
    return b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body), body


def answer_of(connection):
    """(status, headers, body) of the next answer on a socket."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = connection.recv(65_536)
        assert more, raw
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value for key, value in (line.split(": ", 1) for line in lines[1:])}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return int(lines[0].split()[1]), headers, body
