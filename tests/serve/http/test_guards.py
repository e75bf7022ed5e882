"""Who may ask, from where, how much and for how long; and what is counted of it."""

import asyncio
import time

import pytest

from emospeech.runtime.errors import UserError
from emospeech.serve.http import guards
from emospeech.serve.http.settings import Limits
from tests.serve.http.scopes import request_scope

KEY = "0123456789abcdef-key"


# ---------------------------------------------------------------- the key


@pytest.mark.parametrize(
    ("header", "admitted"),
    [
        (f"Bearer {KEY}", True),
        (f"bearer {KEY}", True),
        (f"BEARER  {KEY} ", True),
        (None, False),
        ("", False),
        ("Bearer", False),
        ("Bearer ", False),
        (f"Bearer {KEY}x", False),
        (f"Bearer {KEY[:-1]}", False),
        (f"Basic {KEY}", False),
        (KEY, False),
        (f"Bearer\t{KEY}", False),
        ("Bearer \xff\xfe".encode("latin-1"), False),
        ("Bearer " + "x" * 20_000, False),
    ],
)
def test_all_of_v1_and_the_metrics_want_the_key(serve, problem, header, admitted):
    client = serve(key=KEY)
    headers = {} if header is None else {"authorization": header}
    for method, path in [("GET", "/v1/models"), ("POST", "/v1/predict"), ("POST", "/v1/predict/batch"),
                         ("GET", "/v1/limits"), ("GET", "/v1/examples"), ("GET", "/v1/absent"), ("GET", "/metrics"),
                         ("POST", "/v1/train")]:  # fmt: skip
        response = client.request(method, path, headers=headers)
        if admitted:
            assert response.status_code in (200, 404, 415)
        else:
            problem(response, "no_key")
            assert response.headers["www-authenticate"] == "Bearer"
            assert KEY not in response.text
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert client.get(path, headers=headers).status_code == 200


def test_no_other_way_to_write_a_path_gets_round_the_key(serve):
    client = serve(key=KEY)
    for path in ("//v1/models", "/%76%31/models", "/v1%2Fmodels", "/V1/models", "/./v1/models", "/page/../v1/models",
                 "/v1/models/", "/metrics/", "/v1/../metrics", "/%6detrics"):  # fmt: skip
        response = client.get(path, follow_redirects=False)
        assert response.status_code in (401, 404), (path, response.text)


def test_keys_are_compared_in_constant_time(serve, monkeypatch):
    compared = []
    compare = guards.hmac.compare_digest
    monkeypatch.setattr(guards.hmac, "compare_digest", lambda *two: (compared.append(two), compare(*two))[1])
    serve(key=KEY).get("/v1/models", headers={"authorization": "Basic abc"})
    assert compared


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("host", "admitted"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8000", True),
        ("[::1]", True),
        ("voice.example.org", True),
        ("voice.example.org:443", True),
        ("evil.example.org", False),
        ("127.0.0.1.evil.org", False),
        ("localhost:8000@evil.org", False),
        ("", False),
        ("x" * 5000, False),
    ],
)
def test_web_pages_cannot_rebind_their_name_to_this_machine(serve, problem, host, admitted):
    client = serve(hosts=[*guards.LOCAL, "voice.example.org"])
    for path in ("/", "/v1/models", "/healthz"):
        response = client.get(path, headers={"host": host, "x-forwarded-host": "localhost"})
        if admitted:
            assert response.status_code == 200
        else:
            assert len(problem(response, "wrong_host")) < 300
    assert serve().get("/healthz", headers={"host": host or "x"}).status_code == 200, "any name, where none is given"


def test_another_sites_page_may_not_read_and_not_train(serve, tmp_path):
    from emospeech.serve.http.jobs import Jobs

    jobs = Jobs({}, tmp_path, lambda run: None)
    client = serve(jobs=jobs)
    for headers in ({"content-type": "text/plain"}, {}):
        response = client.post("/v1/train", content=b'{"recipe": "a", "name": "b"}', headers=headers)
        assert response.status_code == 422, "a page of another site can send no JSON without asking first"
    asked = client.options(
        "/v1/predict", headers={"origin": "https://evil.org", "access-control-request-method": "POST"}
    )
    assert not [name for name in asked.headers if name.startswith("access-control")]
    jobs.close()


# ---------------------------------------------------------------- how much


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "9" * 30, "9" * 5000, "²"])
def test_lengths_that_are_none(serve, length):
    sent = {"content-length": length.encode("latin-1"), "content-type": "application/json"}
    assert serve().post("/v1/predict", content=b"{}", headers=sent).status_code in (400, 413)


def exchange(app, scope, receive):
    """(status, headers, parts of the body) of a request as a server passes it on."""
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    starts = [one for one in sent if one["type"] == "http.response.start"]
    assert len(starts) == 1
    assert not sent[-1].get("more_body", False), "an answer has an end"
    return starts[0]["status"], dict(starts[0]["headers"]), sent


def endless(read, pause=0.0, part=b"x" * 65_536):
    async def receive():
        await asyncio.sleep(pause)
        read.append(len(part))
        return {"type": "http.request", "body": part, "more_body": True}

    return receive


def test_a_length_that_is_too_large_is_refused_before_it_is_read(serve):
    client, read = serve(max_bytes=1_000_000), []
    scope = request_scope(content_length="200000000", content_type="multipart/form-data; boundary=a")
    status, headers, sent = exchange(client.app, scope, endless(read))
    assert status == 413
    assert headers[b"connection"] == b"close"
    assert sent[1]["more_body"], "the answer is out before the rest is read"
    assert sum(read) < 1_200_000, "it looks on for a while, so that the client sees its answer, and keeps nothing"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=a", "application/json"])
def test_a_body_without_a_length_is_read_as_far_as_the_limit(serve, kind):
    client, read = serve(max_bytes=1_000_000), []
    scope = request_scope(transfer_encoding="chunked", content_type=kind)
    first = [b'--a\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n']
    more = endless(read)

    async def receive():
        if first:
            return {"type": "http.request", "body": first.pop(), "more_body": True}
        return await more()

    status, headers, _ = exchange(client.app, scope, receive)
    assert (status, headers[b"connection"]) == (413, b"close")
    assert sum(read) < 3_500_000
    assert client.app.traffic.taken == client.app.traffic.held == 0


def test_other_routes_take_small_bodies(serve, problem):
    client = serve()
    problem(client.post("/v1/models", content=b"x" * 100_000), "too_large")
    problem(client.post("/v1/train", content=b"x" * 100_000), "too_large")


def test_a_body_that_comes_too_slowly(serve, monkeypatch):
    client, read = serve(timeout=1.0), []
    monkeypatch.setattr(guards, "LINGER_SECONDS", 0.2)
    for kind in ("multipart/form-data; boundary=a", "application/json"):
        scope = request_scope(content_length="1000", content_type=kind)
        began = time.monotonic()
        status, headers, _ = exchange(client.app, scope, endless(read, 0.3, b"\r\n"))
        assert (status, headers[b"connection"]) == (408, b"close")
        assert time.monotonic() - began < 2.5
    assert client.app.traffic.taken == client.app.traffic.held == 0


def test_a_client_that_hangs_up_while_it_sends(serve, metric):
    client = serve()
    messages = [{"type": "http.request", "body": b"--a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0) if len(messages) > 1 else messages[0]

    scope = request_scope(content_length="1000", content_type="multipart/form-data; boundary=a")
    exchange(client.app, scope, receive)
    assert client.app.traffic.taken == client.app.traffic.held == 0
    assert metric(client, "emospeech_requests_in_flight") == 0


# ---------------------------------------------------------------- what is counted


def test_nothing_that_clients_make_up_becomes_a_label(serve, clip):
    client = serve()
    for k in range(5):
        client.request(f"MADE{k}", "/v1/predict")
        client.get(f"/made/up/{k}")
        client.get(f"/page/{k}.js")
        client.get(f"/v1/examples/made{k}.wav")
        client.post("/v1/predict", json={"text": "joy", "model": f"made{k}"})
        client.post("/v1/predict", files={"audio": (f"made{k}.wav", clip)}, headers={"user-agent": f"made{k}"})
    text = client.get("/metrics").text
    assert "made" not in text.lower()
    assert 'route="/v1/predict"' in text
    assert 'route="/v1/examples/{name}.wav"' in text
    before = text.count("\n")
    client.request("MADEUP", "/v1/other")
    assert client.get("/metrics").text.count("\n") <= before + 20


def test_what_is_counted(serve, clip, metric):
    client = serve()
    client.post("/v1/predict", files={"audio": clip})
    client.post("/v1/predict/batch", json={"texts": ["joy", "fear"]})
    client.post("/v1/predict", files={"audio": b"junk"})
    assert metric(client, "emospeech_requests_total", route="/v1/predict", method="POST", status="200") == 1
    assert metric(client, "emospeech_requests_total", route="/v1/predict", method="POST", status="415") == 1
    assert metric(client, "emospeech_problems_total", code="not_audio") == 1
    assert metric(client, "emospeech_predictions_total", model="fake", label="fear") == 1
    assert metric(client, "emospeech_predictions_total", model="fake") == 3
    assert metric(client, "emospeech_audio_seconds_total") == pytest.approx(0.75, abs=0.2)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_bytes": 0}, "--max-bytes 0"),
        ({"max_seconds": float("nan")}, "--max-seconds nan"),
        ({"max_seconds": float("inf")}, "--max-seconds inf"),
        ({"segment_seconds": 0.5, "queue": 0}, "(?s)--segment-seconds 0.5.*--queue 0"),
        ({"max_batch_files": 65}, "no more than --queue 64 can wait"),
    ],
)
def test_limits_that_make_no_sense(limits, message):
    with pytest.raises(UserError, match=message):
        Limits(**limits)
