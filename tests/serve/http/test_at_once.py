"""Many clients at once, and several models: nobody waits in vain, whoever is refused is told when to come again."""

import asyncio
import time

import pytest

from emospeech.runtime.errors import UserError
from emospeech.serve.engine.batching import Closed
from emospeech.serve.http.settings import Limits
from emospeech.serve.http.state import Server
from tests.serve.http.conftest import Fake
from tests.serve.http.scopes import request_scope


def test_a_client_that_hangs_up_while_it_waits(serve, fake, metric):
    client = serve(fake, batch=1)
    fake.free.clear()
    gone = asyncio.Event()

    async def ask(text, leaves):
        body = [b'{"text": "%s"}' % text]

        async def receive():
            if body:
                return {"type": "http.request", "body": body.pop(), "more_body": False}
            if leaves:
                await gone.wait()
                return {"type": "http.disconnect"}
            await asyncio.Event().wait()

        sent = []

        async def send(message):
            sent.append(message)

        await client.app(request_scope(content_length="15", content_type="application/json"), receive, send)
        return sent

    async def both():
        behind = client.server.behind(None)
        first = asyncio.ensure_future(ask(b"joy", False))
        await asyncio.to_thread(fake.busy.wait, 5)
        second = asyncio.ensure_future(ask(b"fear", True))
        while not len(behind.batcher):
            await asyncio.sleep(0.005)
        gone.set()
        while len(behind.batcher):
            await asyncio.sleep(0.005)
        fake.free.set()
        await asyncio.wait_for(asyncio.gather(first, second), 10)

    asyncio.run(both())
    assert [[one.text for one in batch] for batch in fake.seen] == [["joy"]], "nobody works for who is gone"
    assert client.app.traffic.taken == client.app.traffic.held == 0
    assert metric(client, "emospeech_queue_length") == 0
    assert metric(client, "emospeech_requests_in_flight") == 0


def test_more_than_can_wait_are_refused_and_told_when_to_come_again(serve, fake, together, problem, metric):
    client = serve(fake, queue=4, batch=2, max_batch_files=4)
    fake.free.clear()

    async def ask():
        async with together(client) as many:
            tasks = [asyncio.ensure_future(many.post("/v1/predict", json={"text": "anger"})) for _ in range(60)]
            while sum(task.done() for task in tasks) < 50:
                await asyncio.sleep(0.01)
            fake.free.set()
            return await asyncio.gather(*tasks)

    answers = asyncio.run(ask())
    answered = [one for one in answers if one.status_code == 200]
    assert 4 <= len(answered) <= 8
    for one in answers:
        if one.status_code != 200:
            problem(one, "busy")
            assert 1 <= int(one.headers["retry-after"]) <= 60
    assert metric(client, "emospeech_problems_total", code="busy") == 60 - len(answered)
    assert client.post("/v1/predict", json={"text": "fear"}).json()["label"] == "fear"
    assert client.app.traffic.taken == client.app.traffic.held == 0


def test_a_batch_for_which_there_is_no_room_at_all(serve, fake, together, problem):
    client = serve(fake, queue=2, batch=2, max_batch_files=2)
    fake.free.clear()

    async def ask():
        async with together(client) as many:
            first = asyncio.ensure_future(many.post("/v1/predict", json={"text": "joy"}))
            await asyncio.to_thread(fake.busy.wait, 5)
            full = asyncio.ensure_future(many.post("/v1/predict/batch", json={"texts": ["joy", "fear"]}))
            while len(client.server.behind(None).batcher) < 2:
                await asyncio.sleep(0.005)
            refused = await many.post("/v1/predict/batch", json={"texts": ["joy", "fear"]})
            fake.free.set()
            return refused, await full, await first

    refused, full, _ = asyncio.run(ask())
    problem(refused, "busy")
    assert [one["label"] for one in full.json()["results"]] == ["joy", "fear"]


def test_what_takes_too_long_is_given_up(serve, fake, problem):
    client = serve(fake, timeout=1.0)
    fake.free.clear()
    began = time.monotonic()
    assert "within 1 s" in problem(client.post("/v1/predict", json={"text": "joy"}), "timeout")
    problem(client.post("/v1/predict/batch", json={"texts": ["joy", "fear"]}), "timeout")
    assert time.monotonic() - began < 5
    fake.free.set()
    assert client.post("/v1/predict", json={"text": "fear"}).json()["label"] == "fear"
    assert [[one.text for one in batch] for batch in fake.seen] == [["joy"], ["fear"]]


def test_a_server_that_goes_down(serve, problem):
    client = serve()
    client.server.close(5)
    problem(client.post("/v1/predict", json={"text": "joy"}), "going_down")
    problem(client.post("/v1/predict/batch", json={"texts": ["joy"]}), "going_down")
    problem(client.get("/readyz"), "not_ready")
    assert client.get("/healthz").status_code == 200
    with pytest.raises(Closed):
        client.server.behind(None).batcher.submit(None)


# ---------------------------------------------------------------- several models


def test_models_are_asked_by_name_also_one_that_comes_later(serve, problem):
    client = serve(Fake("one"), Fake("two"))
    asked = {"text": "joy"}
    assert client.post("/v1/predict", json=asked).json()["model"]["name"] == "one"
    assert client.post("/v1/predict", json=asked | {"model": "two"}).json()["model"]["name"] == "two"
    assert "one, two" in problem(client.post("/v1/predict", json=asked | {"model": "three"}), "not_found")
    client.server.add(Fake("three"))
    assert client.post("/v1/predict", json=asked | {"model": "three"}).json()["model"]["name"] == "three"
    assert client.post("/v1/predict", json=asked).json()["model"]["name"] == "one"
    with pytest.raises(UserError, match="two models are called three"):
        client.server.add(Fake("three"))
    with pytest.raises(UserError, match="no model"):
        Server([], Limits())


def test_models_may_be_added_while_others_are_asked(serve, together):
    client = serve()

    async def ask():
        async with together(client) as many:
            adding = [asyncio.to_thread(client.server.add, Fake(f"m{k}")) for k in range(20)]
            asking = [many.post("/v1/predict", json={"text": "joy"}) for _ in range(40)]
            listing = [many.get(path) for path in ("/v1/models", "/metrics", "/readyz") for _ in range(10)]
            return await asyncio.gather(*asking, *listing, *adding)

    answers = asyncio.run(ask())
    assert {one.status_code for one in answers[:70]} == {200}
    assert len(client.server.models) == 21
