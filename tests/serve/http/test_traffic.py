"""What is under way: who is not whole takes no place, bytes are bounded together, long clips wait for each other."""

import asyncio

import pytest

from emospeech.serve.engine.batching import Batcher, Full
from emospeech.serve.http.guards import Guards
from emospeech.serve.http.metrics import Metrics
from emospeech.serve.http.problems import Problem
from emospeech.serve.http.settings import Limits
from emospeech.serve.http.traffic import Traffic

FEW = Limits(queue=1, max_batch_files=1, batch=1, max_bytes=1000)  # three places


def test_places_and_room():
    told = []
    traffic = Traffic(2, 100, told.append)
    traffic.hold(60)
    traffic.enter()
    traffic.enter()
    with pytest.raises(Problem, match="2 requests are under way"):
        traffic.enter()
    with pytest.raises(Problem, match="too much is being sent"):
        traffic.hold(41)
    traffic.leave(60, entered=True)
    traffic.hold(100)
    traffic.enter()
    assert (traffic.taken, traffic.held, told) == (2, 100, [1, 2, 1, 2])


async def reading(scope, receive, send):
    """An app that reads the body, and answers."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def head(**more):
    headers = [(b"host", b"localhost"), (b"content-length", b"10")]
    headers += [(key.replace("_", "-").encode(), value.encode()) for key, value in more.items()]
    return {"type": "http", "method": "POST", "path": "/v1/predict", "headers": headers}


async def asked(guards, receive, **more):
    statuses = []

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await guards(head(**more), receive, send)
    return statuses[0]


def test_who_sends_nothing_keeps_nobody_out():
    guards = Guards(reading, FEW, Metrics())

    async def whole():
        return {"type": "http.request", "body": b"0123456789", "more_body": False}

    async def run():
        silence = asyncio.Event()
        held = [b"012", b"3"]

        async def trickling():
            if held:
                return {"type": "http.request", "body": held.pop(), "more_body": True}
            await silence.wait()
            return {"type": "http.disconnect"}

        waiting = [asyncio.create_task(asked(guards, trickling)) for _ in range(20)]
        await asyncio.sleep(0)
        found = await asked(guards, whole)
        silence.set()
        await asyncio.gather(*waiting)
        return found

    assert asyncio.run(run()) == 200
    assert guards.traffic.taken == guards.traffic.held == 0


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example", "sec_fetch_site": "cross-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:8000", "sec_fetch_site": "same-origin"}, 200),
        ({"origin": "http://localhost:8000"}, 200),
        ({"origin": "https://behind.a.proxy", "sec_fetch_site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_pages_of_other_sites_may_not_ask(headers, status):
    async def whole():
        return {"type": "http.request", "body": b"0123456789", "more_body": False}

    assert asyncio.run(asked(Guards(reading, FEW, Metrics()), whole, **headers)) == status


def test_with_a_key_a_foreign_page_needs_it():
    async def whole():
        return {"type": "http.request", "body": b"0123456789", "more_body": False}

    key = "0123456789abcdef"
    told = {"origin": "https://a.client", "sec_fetch_site": "cross-site", "authorization": f"Bearer {key}"}
    assert asyncio.run(asked(Guards(reading, FEW, Metrics(), key), whole, **told)) == 200


def test_long_clips_fill_the_queue_sooner():
    import threading

    go = threading.Event()
    batcher = Batcher(lambda items: (go.wait(10), items)[1], most=4, wait=0.0, room=8, size=lambda item: item)
    first = batcher.submit(1)
    while not first.running():
        pass
    futures = [batcher.submit(5), batcher.submit(3)]
    with pytest.raises(Full):
        batcher.submit(1)
    go.set()
    assert [one.result(10).value for one in (first, *futures)] == [1, 5, 3]
    assert batcher.answered >= 1
    batcher.close()
