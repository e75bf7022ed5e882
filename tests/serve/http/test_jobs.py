"""Trainings over HTTP: how they go, and how they end; each is a process of its own."""

import time
from pathlib import Path

import pytest

from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.serve.http import jobs as module
from tests.serve.http.trainings import WAITS, begin, children, wait_for, wait_until


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
    id = begin(client, overrides={"train.epochs": 150})
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
    assert steps < 150
    again = begin(client, overrides={"train.epochs": 150}, resume=True)
    assert wait_for(client, again, "finished", seconds=150)["scores"]["dev"]
    assert len(run.metrics.read_text().splitlines()) >= 150
    assert Path(run.model).is_dir()
    assert client.post("/v1/predict", json={"text": "hola", "model": "mine"}).json()["code"] == "audio_needed"
