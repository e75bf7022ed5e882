"""`emospeech serve` as typed: a process of its own, sockets, signals, memory."""

import asyncio
import json
import re
import time
from contextlib import suppress

import pytest

from tests.serve.http.processes import answer_of, as_json, request

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(begin, trained):
    limits = ["--max-bytes", 2_000_000, "--timeout", 10]
    return begin(trained("text"), trained("speech"), "--port", 0, *limits).ready()


def closed(connection):
    connection.settimeout(20)
    with suppress(ConnectionError):
        return connection.recv(1) == b""
    return True


# ---------------------------------------------------------------- large, slow, gone


def test_200_megabytes_are_refused_at_once(server):
    before = server.seen.memory_info().rss
    sent = 0
    with server.connected() as connection:
        head = b"Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 200000000\r\n"
        connection.sendall(request(head=head))
        assert answer_of(connection)[0] == 413
        connection.settimeout(20)
        with suppress(ConnectionError, TimeoutError):
            while sent < 200_000_000:
                sent += connection.send(b"x" * 65_536)
    assert sent < 20_000_000
    assert server.seen.memory_info().rss - before < 20_000_000
    assert server.alive()


def test_a_client_that_first_sends_all_sees_the_refusal(server):
    """As browsers and most libraries do: a file that is a little too large."""
    response = server.post(files={"audio": b"x" * 3_500_000})
    assert response.status_code == 413
    assert response.headers["connection"] == "close"


def test_who_asks_before_sending_is_not_told_to_go_on(server):
    with server.connected() as connection:
        head = b"Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 200000000\r\nExpect: 100-continue\r\n"
        connection.sendall(request(head=head))
        assert answer_of(connection)[0] == 413


def test_a_body_without_a_length(server):
    before = server.seen.memory_info().rss
    with server.connected() as connection:
        head = b"Content-Type: multipart/form-data; boundary=a\r\nTransfer-Encoding: chunked\r\n"
        first = b'--a\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        connection.sendall(request(head=head) + b"%x\r\n%s\r\n" % (len(first), first))
        part = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
        with suppress(ConnectionError):
            for _ in range(60):
                connection.sendall(part)
        assert answer_of(connection)[0] == 413
    assert server.seen.memory_info().rss - before < 40_000_000
    assert server.alive()


def test_an_answer_that_was_no_refusal_of_the_body_keeps_the_connection(server):
    with server.connected() as connection:
        for text, status in (("hola", 200), ("", 422), ("adiós", 200)):
            head, body = as_json(text)
            connection.sendall(request(body, head))
            assert answer_of(connection)[0] == status
        connection.sendall(request(b"x" * 1000, b"Content-Length: 1000\r\n", path=b"/v1/absent"))
        assert answer_of(connection)[0] == 404
        connection.sendall(request(head=b"Content-Length: 900000\r\n", path=b"/v1/models"))
        status, headers, _ = answer_of(connection)
        assert (status, headers["connection"]) == (413, "close")
        connection.sendall(b"x" * 900_000)
        assert closed(connection), "and takes the rest for no request"


def test_clients_that_go_away_in_the_middle(server):
    files = server.seen.num_fds()
    head, body = as_json("hola")
    wholes = [
        request(body, head),
        request(head=b"Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 99\r\n"),
    ]
    for k in range(150):
        with server.connected() as connection:
            whole = wholes[k % 2]
            connection.sendall(whole[: [len(whole), len(whole) - 3, 20][k % 3]])
    until = time.monotonic() + 15
    while server.seen.num_fds() > files + 3:
        assert time.monotonic() < until, "connections leak"
        time.sleep(0.1)
    assert server.alive()


def test_a_slow_body(begin, trained):
    server = begin(trained("text"), "--port", 0, "--timeout", 1).ready()
    with server.connected() as connection:
        head, body = as_json("hola")
        connection.sendall(request(body[:3], head))
        began = time.monotonic()
        for _ in range(15):
            time.sleep(0.1)
            with suppress(ConnectionError):
                connection.send(b"x" if time.monotonic() - began < 0.9 else b"")
        status, headers, told = answer_of(connection)
        assert (status, json.loads(told)["code"]) == (408, "slow_body")
        assert headers["content-type"] == "application/problem+json"
        assert closed(connection)
    assert server.alive()
    assert server.ends() == 0


# ---------------------------------------------------------------- many at once


async def ask_all(address, raw, count):
    async def one():
        for _ in range(50):
            with suppress(ConnectionError):
                reader, writer = await asyncio.open_connection(*address)
                writer.write(raw)
                await writer.drain()
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = int(re.search(r"content-length: (\d+)", head)[1])
                body = await reader.readexactly(length)
                writer.close()
                return int(head.split()[1]), head, body
            await asyncio.sleep(0.05)
        raise AssertionError("no connection")

    return await asyncio.gather(*(one() for _ in range(count)))


def test_a_thousand_at_once(server, sound, encoded):
    clip = encoded(sound(seconds=1.0), subtype="PCM_16")
    form = [b"--a", b'Content-Disposition: form-data; name="audio"; filename="clip.wav"', b"", clip]
    form += [b"--a", b'Content-Disposition: form-data; name="model"', b"", b"speech", b"--a--", b""]
    body = b"\r\n".join(form)
    head = b"Connection: close\r\nContent-Type: multipart/form-data; boundary=a\r\nContent-Length: %d\r\n" % len(body)
    asyncio.run(ask_all(server.address, request(body, head), 300))  # what a server needs once it has worked
    before, files = server.seen.memory_info().rss, server.seen.num_fds()
    answers = asyncio.run(ask_all(server.address, request(body, head), 1000))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 64
    for status, told, content in answers:
        if status == 429:
            assert int(re.search(r"retry-after: (\d+)", told)[1]) >= 1
            assert json.loads(content)["code"] == "busy"
    assert server.alive()
    time.sleep(1)
    assert server.seen.memory_info().rss < 1.15 * before
    assert server.seen.num_fds() <= files + 5


# ---------------------------------------------------------------- logs


def test_no_word_of_a_client_is_in_the_log(server, encoded):
    import numpy as np

    server.post(json={"text": "palabrasecreta"})
    server.post(files={"audio": ("nombresecreto.wav", b"junk"), "text": (None, "palabrasecreta")})
    server.post(files={"audio": ("nombresecreto.wav", encoded(np.full(16_000, 0.5)))}, data={"text": "palabrasecreta"})
    server.post(json={"text": "palabrasecreta", "model": "modelosecreto"})
    time.sleep(0.2)
    assert "secret" not in server.said
    assert "POST /v1/predict" in server.said
