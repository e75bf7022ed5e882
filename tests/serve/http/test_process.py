"""`emospeech serve` as typed: a process of its own, sockets, signals, memory."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import httpx
import psutil
import pytest

pytestmark = pytest.mark.slow


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


@pytest.fixture(scope="module")
def begin(tmp_path_factory):
    made = []

    def begin(*arguments, **more):
        made.append(Served(tmp_path_factory.mktemp("log") / "log.txt", *arguments, **more))
        return made[-1]

    yield begin
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture(scope="module")
def server(begin, trained):
    limits = ["--max-bytes", 2_000_000, "--timeout", 10]
    return begin(trained("text"), trained("speech"), "--port", 0, *limits).ready()


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


# ---------------------------------------------------------------- the end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_under_way_is_answered_before_the_end(begin, trained, number):
    server = begin(trained("text"), "--port", 0).ready()
    head, body = as_json("hola")
    with server.connected() as connection:
        connection.sendall(request(body[:5], head))
        time.sleep(0.5)
        server.process.send_signal(number)
        time.sleep(1.0)
        assert server.process.poll() is None
        connection.sendall(body[5:])
        status, _, told = answer_of(connection)
    assert (status, json.loads(told)["transcript"]["text"]) == (200, "hola")
    assert server.process.wait(30) == 0
    assert server.said.rstrip().endswith("the server is down")
    assert "Traceback" not in server.said


@contextmanager
def occupied():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_what_cannot_be_served(trained, tmp_path, capsys):
    import shutil

    from emospeech.cli.main import main

    def refused(*arguments):
        assert main(["serve", *map(str, arguments)]) == 2
        said = capsys.readouterr().err
        assert said.count("error: ") == 1
        return said

    run = trained("speech")
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    weights = damaged / "model/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    assert "damaged" in refused(damaged, "--port", 0)
    (damaged / "model/config.json").write_text("{")
    assert "damaged" in refused(damaged, "--port", 0)
    assert "no run folder" in refused(tmp_path / "absent", "--port", 0)
    with occupied() as port:
        assert f"port {port}" in refused(run, "--port", port)
    assert "--port" in refused(run, "--port", 70_000)
    assert "--host" in refused(run, "--host", "no.such.host.invalid", "--port", 0)
    assert "two models are called speech" in refused(run, run, "--port", 0)
    assert "--queue" in refused(run, "--queue", 0)
    key = tmp_path / "key"
    for content in (b"", b"short", b"\xff" * 32, b"two words and more", "ñ".encode() * 20):
        key.write_bytes(content)
        assert f"--api-key-file {key}" in refused(run, "--port", 0, "--api-key-file", key)
    assert "absent" in refused(run, "--port", 0, "--api-key-file", tmp_path / "absent")
    assert "--allow-train" in refused(run, "--port", 0, "--allow-train", tmp_path / "absent")


def test_with_a_key_and_other_names(begin, trained, tmp_path):
    (tmp_path / "key").write_text("0123456789abcdef\n")
    options = ["--api-key-file", tmp_path / "key", "--allow-host", "voice.example.org:443"]
    server = begin(trained("text"), "--port", 0, *options).ready()
    key = {"authorization": "Bearer 0123456789abcdef"}
    assert server.post(json={"text": "hola"}).status_code == 401
    assert server.post(json={"text": "hola"}, headers=key).status_code == 200
    proxied = {"host": "voice.example.org", "x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https"}
    assert server.post(json={"text": "hola"}, headers=key | proxied).status_code == 200
    assert server.post(json={"text": "hola"}, headers=key | {"host": "evil.org"}).status_code == 421
    assert "0123456789abcdef" not in server.said
    assert server.ends() == 0


def test_at_an_address_of_version_6(begin, trained):
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
    server = begin(trained("text"), "--host", "::1", "--port", 0).ready()
    assert server.url.startswith("http://[::1]:")
    assert server.post(json={"text": "hola"}).status_code == 200
    assert server.ends() == 0


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_a_training_ends_with_its_server(begin, trained, challenge, tmp_path, signals):
    recipe = (trained("speech").parent / "speech.yaml").read_text().replace("epochs: 2", "epochs: 3000")
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/tiny.yaml").write_text(recipe)
    options = ["--allow-train", tmp_path / "recipes", "--runs-dir", tmp_path / "runs"]
    server = begin(trained("text"), "--port", 0, *options, cwd=tmp_path).ready()
    asked = {"recipe": "tiny", "name": "mine"}
    job = httpx.post(f"{server.url}/v1/train", json=asked, timeout=30).json()
    until = time.monotonic() + 90
    while httpx.get(f"{server.url}/v1/train/{job['id']}", timeout=30).json()["progress"] is None:
        assert time.monotonic() < until
        time.sleep(0.2)
    (training,) = server.seen.children()
    for number in signals:
        server.process.send_signal(number)
        time.sleep(0.2)
    server.process.wait(60)
    assert not training.is_running() or training.status() == psutil.STATUS_ZOMBIE
    assert (tmp_path / "runs/mine/config.yaml").is_file(), "it can be resumed"
    assert not (tmp_path / "runs/mine/scores.json").exists()
