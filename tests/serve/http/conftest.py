"""A server in this process, over a system of a few lines or over trained ones."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from starlette.testclient import TestClient

from emospeech.serve.engine import served
from emospeech.serve.engine.asked import Reply, Verdict
from emospeech.serve.engine.served import ServedModel
from emospeech.serve.http import jobs as jobs_module
from emospeech.serve.http.app import create_app
from emospeech.serve.http.jobs import Jobs
from emospeech.serve.http.settings import Limits
from emospeech.serve.http.state import Server
from emospeech.serve.http.training import recipes_in
from tests.serve.http.processes import Served
from tests.serve.http.trainings import TEXT, TINY

LABELS = ("joy", "anger", "fear")


class Fake(ServedModel):
    """Hears and reads, needs neither; its answer is told by the text, and may be held back or fail."""

    def __init__(self, name="fake", **system):
        told = {"needs_audio": True, "needs_text": True, "may_lack": True, "tasks": {"label": LABELS}} | system
        super().__init__(name, SimpleNamespace(**told, forget=lambda: None), 1.5, "0123456789ab")
        self.free, self.busy = threading.Event(), threading.Event()
        self.free.set()
        self.seen = []

    def answer(self, questions):
        self.seen.append(list(questions))
        self.busy.set()
        assert self.free.wait(30)
        if any(question.text == "raise" for question in questions):
            raise RuntimeError("secret insides of the model")
        return [self._reply(question) for question in questions]

    def _reply(self, question):
        label = question.text if question.text in LABELS else LABELS[0]
        chances = {one: 0.8 if one == label else 0.1 for one in LABELS}
        used = ("speech",) * (question.waveform is not None) + ("text",) * (question.text is not None)
        source = None if question.text is None else "provided"
        return Reply({"label": Verdict(label, chances)}, used, question.text, source, (), None, 0.0)


@pytest.fixture
def fake():
    return Fake()


@pytest.fixture
def serve():
    """Models, limits and what `create_app` takes -> a client; several may be asked at once through `.app`."""
    made = []

    def serve(*models, key=None, hosts=None, jobs=None, **limits):
        server = Server(models or [Fake()], replace(Limits(), **limits))
        app = create_app(server, key, hosts, jobs)
        client = TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)
        client.server = server
        made.append(server)
        return client

    yield serve
    for server in made:
        server.close(5)


@pytest.fixture
def together():
    """An asynchronous client of the same app."""

    def together(client):
        transport = httpx.ASGITransport(client.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", timeout=60)

    return together


@pytest.fixture
def problem():
    """Checks that an answer is a problem of this code, in form and headers; what it says."""
    from emospeech.serve.http.problems import CODES

    def problem(response, code):
        assert response.headers["content-type"] == "application/problem+json", response.text
        body = response.json()
        assert set(body) == {"type", "title", "status", "code", "detail"}
        assert (body["code"], body["status"]) == (code, response.status_code), body
        assert response.status_code == CODES[code]
        assert body["type"] == "about:blank"
        assert ("retry-after" in response.headers) == (response.status_code in (429, 503, 504))
        secure(response)
        return body["detail"]

    return problem


def secure(response):
    """Every answer has them, once."""
    headers = response.headers
    for part in ("default-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "script-src 'self'"):
        assert part in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "cache-control" in headers
    assert len(headers.get_list("content-security-policy")) == 1


@pytest.fixture(name="secure")
def secure_():
    return secure


@pytest.fixture
def clip(sound, encoded):
    return encoded(sound())


@pytest.fixture
def metric():
    """The value of a metric with these labels, as /metrics tells it."""

    def metric(client, name, **labels):
        from prometheus_client.parser import text_string_to_metric_families

        found = [
            sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found)

    return metric


@pytest.fixture
def recipes(tmp_path, challenge):
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name, text in (("tiny", TINY), ("text", TEXT)):
        (folder / f"{name}.yaml").write_text(text.replace("ROOT", str(challenge)), encoding="utf-8")
    return folder


@pytest.fixture
def training(serve, recipes, tmp_path):
    """A client whose server trains; under `.jobs` what it has."""
    made = []

    def training(**more):
        holder = {}

        def finished(run):
            holder["client"].server.add(served.load(run))

        def taken(name):
            return any(model.name == name for model in holder["client"].server.models)

        jobs = Jobs(recipes_in(recipes), tmp_path / "runs", more.pop("finished", finished), taken)
        made.append(jobs)
        holder["client"] = client = serve(jobs=jobs, **more)
        client.jobs = jobs
        return client

    yield training
    for jobs in made:
        jobs.close()


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """In the place of `emospeech train` a script: quick, and it does what a test needs."""

    def stand_in(script):
        path = tmp_path / "stand_in.py"
        path.write_text(script, encoding="utf-8")
        wrapper = tmp_path / "python"
        wrapper.write_text(f'#!/bin/sh\nexec python3 {path} "$@"\n')
        wrapper.chmod(0o755)
        monkeypatch.setattr(jobs_module.sys, "executable", str(wrapper))

    return stand_in


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
