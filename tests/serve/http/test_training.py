"""Trainings over HTTP: what may be asked for, how they go, and how they end; each is a process of its own."""

import os
import time
from pathlib import Path

import psutil
import pytest

from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.serve.engine import served
from emospeech.serve.http import jobs as module
from emospeech.serve.http.jobs import ENDED, Jobs
from emospeech.serve.http.training import recipes_in

TINY = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}, crop_seconds: 0.5}
model: {head: {blocks: 1, width: 8}}
train: {epochs: 2, batch_size: 16, trackers: []}
"""
TEXT = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
"""


@pytest.fixture
def recipes(tmp_path, challenge):
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name, text in (("tiny", TINY), ("text", TEXT)):
        (folder / f"{name}.yaml").write_text(text.replace("ROOT", str(challenge)), encoding="utf-8")
    return folder


@pytest.fixture
def training(serve, recipes, tmp_path, request):
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
        monkeypatch.setattr(module.sys, "executable", str(wrapper))

    return stand_in


WAITS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("stopped in order"), sys.exit(143)))
print("begun", *sys.argv[1:], flush=True)
time.sleep(60)
"""


def begin(client, **asked):
    response = client.post("/v1/train", json={"recipe": "tiny", "name": "mine", **asked})
    assert response.status_code == 202, response.text
    return response.json()["id"]


def wait_for(client, id, *states, seconds=120):
    until = time.monotonic() + seconds
    while (job := client.get(f"/v1/train/{id}").json())["state"] not in states:
        assert time.monotonic() < until, job
        assert job["state"] not in ENDED, job
        time.sleep(0.05)
    return job


def wait_until(condition, seconds=20):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def children():
    return [one for one in psutil.Process(os.getpid()).children(recursive=True) if one.status() != "zombie"]


# ---------------------------------------------------------------- what may be asked for


def test_without_leave_there_is_no_such_route(serve, problem):
    client = serve()
    for method, path in (
        ("GET", "/v1/train"),
        ("POST", "/v1/train"),
        ("GET", "/v1/train/x"),
        ("POST", "/v1/train/x/cancel"),
    ):
        problem(client.request(method, path, json={} if method == "POST" else None), "not_found")
    assert "/v1/train" not in client.get("/openapi.json").json()["paths"]


def test_what_there_is(training):
    told = training().get("/v1/train").json()
    assert told["jobs"] == []
    assert told["recipes"] == [
        {"name": "text", "corpora": ["emospeech2024"]},
        {"name": "tiny", "corpora": ["emospeech2024"]},
    ]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"recipe": "absent"}, "not_found"),
        ({"recipe": "../tiny"}, "not_found"),
        ({"recipe": "tiny.yaml"}, "not_found"),
        ({"recipe": 5}, "invalid"),
        ({"name": "../x"}, "conflict"),
        ({"name": "a/b"}, "conflict"),
        ({"name": ".hidden"}, "conflict"),
        ({"name": ""}, "conflict"),
        ({"name": "-x"}, "conflict"),
        ({"name": "a\n"}, "conflict"),
        ({"name": "ñ"}, "conflict"),
        ({"name": "a b"}, "conflict"),
        ({"name": "x" * 65}, "invalid"),
        ({"name": "fake"}, "conflict"),
        ({"colour": "red"}, "invalid"),
        ({"resume": "perhaps"}, "invalid"),
        ({"overrides": {"data.root": "/etc"}}, "invalid"),
        ({"overrides": {"runs_dir": "/tmp"}}, "invalid"),
        ({"overrides": {"name": "x"}}, "invalid"),
        ({"overrides": {"extends": "/etc/passwd"}}, "invalid"),
        ({"overrides": {"speech.encoder": "/root"}}, "invalid"),
        ({"overrides": {"text": None}}, "invalid"),
        ({"overrides": {"cache.folder": "/tmp/x"}}, "invalid"),
        ({"overrides": {"train": 1}}, "invalid"),
        ({"overrides": {"train.epochs\n": 1}}, "invalid"),
        ({"overrides": {"train.epochs=1 data.root": "/etc"}}, "invalid"),
        ({"overrides": {"train.trackers": "wandb"}}, "invalid"),
        ({"overrides": {"train.workers": 64}}, "invalid"),
        ({"overrides": {"classical.features": "functionals"}}, "invalid"),
        ({"overrides": {"train.epochs": "${oc.env:HOME}"}}, "invalid"),
        ({"overrides": {"train.epochs": "???"}}, "invalid"),
        ({"overrides": {"train.epochs": "many"}}, "invalid"),
        ({"overrides": {"train.epochs": 0}}, "invalid"),
        ({"overrides": {"train.epochs": [1]}}, "invalid"),
        ({"overrides": {"train.colour": 1}}, "invalid"),
        ({"overrides": {"model.head.width": "x: {y"}}, "invalid"),
        ({"overrides": {f"train.a{k}": 1 for k in range(51)}}, "invalid"),
    ],
)
def test_what_may_not_be_asked(training, problem, tmp_path, asked, code):
    client = training()
    said = problem(client.post("/v1/train", json={"recipe": "tiny", "name": "mine"} | asked), code)
    assert os.environ["HOME"] not in said.replace(str(tmp_path), "")
    assert client.get("/v1/train").json()["jobs"] == []
    assert not (tmp_path / "runs").exists()


def test_bodies_that_are_no_json(training, problem):
    client = training()
    json_type = {"content-type": "application/json"}
    for content in (b"", b"{", b"[1]", b"null", b"\xff", b"[" * 50_000):
        response = client.post("/v1/train", content=content, headers=json_type)
        problem(response, response.json()["code"])
        assert response.status_code in (400, 422)
    problem(client.get("/v1/train/absent"), "not_found")
    problem(client.post("/v1/train/absent/cancel"), "not_found")


def test_what_cannot_be_offered(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        recipes_in(tmp_path / "absent")
    with pytest.raises(UserError, match="no recipes"):
        recipes_in(tmp_path)
    (tmp_path / "a.yaml").write_text("data: {corpus: demo, root: x}\ncolour: red\n")
    with pytest.raises(UserError, match="colour"):
        recipes_in(tmp_path)


# ---------------------------------------------------------------- how they go


def test_names_stay_words_and_overrides_what_they_are(training, stand_in):
    stand_in("import sys; print(*sys.argv[1:], sep='\\n')")
    client = training(finished=lambda run: None)
    for name in ("2024", "null", "true", "1e5"):
        job = wait_for(
            client, begin(client, name=name, overrides={"train.epochs": 3, "train.keep": "last"}), "finished"
        )
        assert f'name="{name}"' in job["log"]
        assert "train.epochs=3" in job["log"]
        assert 'train.keep="last"' in job["log"]


def test_one_after_the_other_and_cancelled_while_it_waits_or_runs(training, stand_in, tmp_path, problem):
    stand_in(WAITS)
    client = training()
    first, second, third = (begin(client, name=name) for name in ("a", "b", "c"))
    assert wait_for(client, first, "running")["started"]
    wait_until(lambda: client.get(f"/v1/train/{first}").json()["log"])
    assert [client.get(f"/v1/train/{id}").json()["state"] for id in (second, third)] == ["queued", "queued"]
    assert "under way" in problem(client.post("/v1/train", json={"recipe": "tiny", "name": "b"}), "conflict")
    assert client.post(f"/v1/train/{second}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/v1/train/{first}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/v1/train/{first}/cancel").json()["state"] == "cancelled", "once more is no harm"
    wait_for(client, third, "running")
    assert client.get(f"/v1/train/{first}").json()["log"][-1] == "stopped in order"
    assert client.get(f"/v1/train/{second}").json()["log"] == []
    assert [job["name"] for job in client.get("/v1/train").json()["jobs"]] == ["c", "b", "a"]
    client.jobs.close()
    assert client.get(f"/v1/train/{third}").json()["message"] == "the server went down"
    assert children() == []
    problem(client.post("/v1/train", json={"recipe": "tiny", "name": "d"}), "busy")


def test_too_many_wait(training, stand_in, problem):
    stand_in(WAITS)
    client = training()
    wait_for(client, begin(client, name="first"), "running")
    for k in range(module.MOST_WAITING):
        begin(client, name=f"n{k}")
    problem(client.post("/v1/train", json={"recipe": "tiny", "name": "more"}), "busy")
    client.jobs.close()
    assert children() == []


def test_a_training_that_will_not_stop_is_ended(training, stand_in, monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.3)
    stand_in("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)")
    client = training()
    id = begin(client)
    wait_until(lambda: client.get(f"/v1/train/{id}").json()["log"])
    client.jobs.close()
    wait_until(lambda: children() == [])


def test_the_message_of_one_that_fails_is_its_error(training, stand_in):
    stand_in("import sys; print('working'); print('error: the corpus is empty\\n- in /data'); sys.exit(2)")
    client = training()
    job = wait_for(client, begin(client), "failed")
    assert job["message"] == "error: the corpus is empty\n- in /data"
    stand_in("import os; os.kill(os.getpid(), 9)")
    assert wait_for(client, begin(client, name="killed"), "failed")["message"] == "exit code -9"


@pytest.mark.parametrize("error", [UserError("damaged"), RuntimeError("boom"), OSError("disk full")])
def test_what_goes_wrong_after_a_training_ends_no_queue(training, stand_in, error):
    def finished(run):
        raise error

    stand_in("print('fine')")
    client = training(finished=finished)
    job = wait_for(client, begin(client), "finished", "failed")
    assert str(error) in job["message"]
    assert wait_for(client, begin(client, name="next"), "finished", "failed")["message"]


def test_a_folder_that_cannot_be_written(training, tmp_path):
    (tmp_path / "runs").write_text("a file")
    client = training()
    assert "runs" in wait_for(client, begin(client), "failed")["message"]
    assert wait_for(client, begin(client, name="next"), "failed")["message"]


@pytest.mark.slow
def test_trained_served_and_asked(training, tmp_path, problem):
    client = training()
    id = begin(client, recipe="text", name="mine", overrides={"train.seed": 3, "classical.model.c": 2.0})
    job = wait_for(client, id, "finished")
    assert (job["message"], job["recipe"], job["name"]) == (None, "text", "mine")
    assert job["scores"]["dev"]["macro_f1"] >= 0
    assert client.post("/v1/predict", json={"text": "hola", "model": "mine"}).json()["model"]["name"] == "mine"
    assert [card["name"] for card in client.get("/v1/models").json()["models"]] == ["fake", "mine"]
    assert "served already" in problem(client.post("/v1/train", json={"recipe": "text", "name": "mine"}), "conflict")
    text = RunFolder(tmp_path / "runs/mine").config.read_text()
    assert "seed: 3" in text
    RunFolder(tmp_path / "runs/other").path.mkdir()
    RunFolder(tmp_path / "runs/other").config.write_text("x")
    assert "resume=true" in problem(client.post("/v1/train", json={"recipe": "text", "name": "other"}), "conflict")


@pytest.mark.slow
def test_cancelled_while_it_runs_and_resumed(training, tmp_path):
    client = training()
    run = RunFolder(tmp_path / "runs/mine")
    id = begin(client, overrides={"train.epochs": 300})
    until = time.monotonic() + 100
    while (job := client.get(f"/v1/train/{id}").json())["progress"] is None:
        assert time.monotonic() < until, job
        assert job["state"] in ("queued", "running"), job
        time.sleep(0.1)
    assert {"step", "dev_macro_f1"} <= job["progress"].keys() or job["progress"]
    client.post(f"/v1/train/{id}/cancel")
    wait_until(lambda: children() == [], 60)
    assert run.started
    assert not run.finished
    steps = len(run.metrics.read_text().splitlines())
    assert steps < 300
    again = begin(client, overrides={"train.epochs": 300}, resume=True)
    assert wait_for(client, again, "finished", seconds=150)["scores"]["dev"]
    assert len(run.metrics.read_text().splitlines()) >= 300
    assert Path(run.model).is_dir()
    assert client.post("/v1/predict", json={"text": "hola", "model": "mine"}).json()["code"] == "audio_needed"
