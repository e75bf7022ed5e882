"""`emospeech serve` as typed: what it cannot serve, the names it answers under, and how it ends."""

import json
import signal
import socket
import time
from contextlib import contextmanager

import httpx
import psutil
import pytest

from tests.serve.http.processes import answer_of, as_json, request

pytestmark = pytest.mark.slow


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
