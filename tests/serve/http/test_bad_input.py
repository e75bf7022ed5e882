"""What must not be answered is refused in a word that programs understand, and the server goes on."""

import json

import numpy as np
import pytest

PATHS = ("/v1/predict", "/v1/predict/batch")


def assert_alive(client):
    assert client.post("/v1/predict", json={"text": "anger"}).json()["label"] == "anger"
    assert client.get("/readyz").status_code == 200
    assert client.app.traffic.taken == client.app.traffic.held == 0


@pytest.fixture
def client(serve):
    client = serve(max_bytes=100_000, max_seconds=5.0, max_batch_files=3, max_characters=100)
    yield client
    assert_alive(client)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "empty"),
        (b"junk", "not_audio"),
        (b"\0" * 50_000, "not_audio"),
        ("long", "too_long"),
        ("short", "too_short"),
        ("silent", "silent"),
        ("cut mp3", "not_audio"),
        ("nan", "not_audio"),
        (b"x" * 100_001, "too_large"),
    ],
)
def test_clips(client, problem, encoded, sound, raw, code):
    made = {
        "long": lambda: encoded(sound()[:400].repeat(220), subtype="PCM_U8"),
        "short": lambda: encoded(sound()[:300]),
        "silent": lambda: encoded(np.zeros(8000)),
        "cut mp3": lambda: encoded(sound(seconds=4.0), 16_000, "MP3", None)[:9000],
        "nan": lambda: encoded(np.full(8000, np.nan)),
    }
    raw = made[raw]() if isinstance(raw, str) else raw
    said = problem(client.post("/v1/predict", files={"audio": ("clip.wav", raw)}), code)
    assert code == "too_large" or said.startswith("clip.wav: ")
    batch = client.post("/v1/predict/batch", files=[("audio", ("clip.wav", raw)), ("text", (None, "joy"))])
    if code == "too_large":
        problem(batch, code)
    else:
        assert batch.json()["results"][0]["error"]["code"] == code


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "unsupported"),
        ({"content": b"x", "headers": {"content-type": "audio/wav"}}, "unsupported"),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, "unsupported"),
        ({"data": {"text": "joy"}}, "unsupported"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, "bad_request"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary="}}, "bad_request"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=a"}}, "bad_request"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "bad_request"),
        ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, "bad_request"),
        (
            {"content": b"[" * 1000 + b"]" * 1000, "headers": {"content-type": "application/json"}},
            "invalid|bad_request",
        ),
        (
            {"content": b'{"text": ' + b"9" * 5000 + b"}", "headers": {"content-type": "application/json"}},
            "bad_request",
        ),
        ({"json": []}, "invalid"),
        ({"json": None}, "unsupported|invalid"),
        ({"json": {"text": 5}}, "invalid"),
        ({"json": {}}, "invalid"),
        ({"json": {"text": ""}}, "invalid"),
        ({"json": {"text": "  \n"}}, "nothing"),
        ({"json": {"text": "x" * 101}}, "too_much_text"),
        ({"json": {"text": "joy", "explain": "perhaps"}}, "invalid"),
        ({"json": {"text": "joy", "colour": 1}}, "invalid"),
        ({"json": {"text": "joy", "model": "absent"}}, "not_found"),
        ({"json": {"text": "joy", "model": ["fake"]}}, "invalid"),
        ({"json": {"text": "joy" * 20_000}}, "too_large"),
        ({"content": b'{"text": "\\ud800"}', "headers": {"content-type": "application/json"}}, "invalid"),
        ({"files": {"text": (None, "")}}, "nothing"),
        ({"files": {"model": (None, "fake")}}, "nothing"),
        ({"files": {"text": (None, "x" * 101)}}, "too_much_text"),
        ({"files": {"text": (None, "x" * 5000)}}, "too_large"),
        ({"files": {"text": (None, "joy"), "colour": (None, "1")}}, "invalid"),
        ({"files": {"text": (None, "joy"), "explain": (None, "perhaps")}}, "invalid"),
        ({"files": {"text": (None, "joy"), "model": (None, "../fake")}}, "not_found"),
        ({"files": {"text": ("a.txt", b"joy")}}, "invalid"),
        ({"files": {"audio": (None, "no file")}}, "invalid"),
        ({"files": [("text", (None, "a")), ("text", (None, "b"))]}, "invalid"),
        ({"files": [("text", (None, "joy")), ("model", (None, "a")), ("model", (None, "b"))]}, "invalid"),
        ({"files": [("audio", ("a", b"x")), ("audio", ("b", b"x"))]}, "too_large"),
        ({"files": [("text", (None, "a"))] * 9}, "too_large"),
    ],
)
def test_one(client, problem, asked, code):
    response = client.post("/v1/predict", **asked)
    assert response.json()["code"] in code.split("|"), response.text
    problem(response, response.json()["code"])


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"json": {"texts": []}}, "invalid"),
        ({"json": {"texts": "joy"}}, "invalid"),
        ({"json": {"text": "joy"}}, "invalid"),
        ({"json": {"texts": ["joy"] * 4}}, "too_large"),
        ({"json": {"texts": ["joy", ""]}}, "nothing"),
        ({"json": {"texts": ["joy", None]}}, "invalid"),
        ({"json": {"texts": [""] * 100_000}}, "too_large"),
        ({"files": [("audio", ("a", b"x"))] * 4}, "too_large"),
        ({"files": [("audio", ("a", b"x"))] * 2 + [("text", (None, "joy"))]}, "invalid"),
        ({"files": [("audio", ("a", b"x" * 60_000))] * 2}, "too_large"),
        ({"files": [("text", (None, "a"))] * 4}, "too_large"),
        ({"files": [("model", (None, "fake"))]}, "nothing"),
    ],
)
def test_several(client, problem, asked, code):
    problem(client.post("/v1/predict/batch", **asked), code)


@pytest.mark.parametrize("charset", ["utf-16", "idna", "raw_unicode_escape", "zlib", "\xff", "x" * 500])
def test_a_form_that_names_a_charset(client, charset):
    body = b'--a\r\nContent-Disposition: form-data; name="text"\r\n\r\nx\\ud800 \xff\xfe\r\n--a--\r\n'
    kind = f"multipart/form-data; boundary=a; charset={charset}".encode("latin-1")
    response = client.post("/v1/predict", content=body, headers={"content-type": kind})
    assert response.status_code in (200, 400, 422), response.text


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "C:\\x\\y.wav",
        "a\0b.wav",
        "x" * 10_000,
        "ñ😀.wav",
        "a\r\nX-Evil: 1",
        '<script>"',
        "‮evil",
        " ",
    ],
)
def test_names_are_told_back_harmlessly(client, clip, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    escaped = (
        name.replace("\\", "\\\\").replace('"', '\\"').encode("utf-8").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
    )
    head = b'--a\r\nContent-Disposition: form-data; name="audio"; filename="' + escaped + b'"\r\n\r\n'
    body = head + clip + b"\r\n--a--\r\n"
    response = client.post("/v1/predict", content=body, headers={"content-type": "multipart/form-data; boundary=a"})
    if response.status_code == 400:  # a header that is longer than one may be, or no header at all
        assert len(name) > 4000 or "\0" in name
        return
    assert response.status_code == 200, response.text
    told = response.json()["name"]
    assert len(told) <= 200
    assert told.isprintable()
    assert "x-evil" not in response.headers
    assert list(tmp_path.iterdir()) == []


def test_a_raw_line_break_in_a_name_is_no_header(client, clip):
    head = b'--a\r\nContent-Disposition: form-data; name="audio"; filename="a\r\nX-Evil: 1"\r\n\r\n'
    body = head + clip + b"\r\n--a--\r\n"
    response = client.post("/v1/predict", content=body, headers={"content-type": "multipart/form-data; boundary=a"})
    assert response.status_code in (200, 400, 422)
    assert "x-evil" not in response.headers


def test_files_of_a_refused_form_are_closed(client, monkeypatch):
    from starlette.datastructures import UploadFile

    made = []
    begin = UploadFile.__init__
    monkeypatch.setattr(
        UploadFile, "__init__", lambda one, *args, **more: (made.append(one), begin(one, *args, **more))[1]
    )
    files = [("audio", ("a", b"x" * 50_000)), ("colour", (None, "red"))]
    assert client.post("/v1/predict", files=files).status_code == 422
    assert client.post("/v1/predict", files={"audio": b"junk"}).status_code == 415
    assert client.post("/v1/predict", files={"audio": b"junk", "model": (None, "absent")}).status_code == 404
    assert len(made) == 3
    assert all(one.file.closed for one in made)


def test_uploads_never_lie_on_a_disk(serve, clip, monkeypatch):
    from starlette.datastructures import UploadFile

    client = serve()
    rolled = []
    close = UploadFile.close

    async def closing(one):
        rolled.append(one.file._rolled)
        await close(one)

    monkeypatch.setattr(UploadFile, "close", closing)
    assert client.post("/v1/predict", files={"audio": clip + b"\0" * 5_000_000}).status_code in (200, 415)
    assert rolled
    assert not any(rolled)


def test_a_model_that_raises(client, problem, capsys):
    said = problem(client.post("/v1/predict", json={"text": "raise"}), "failed")
    assert "secret" not in said
    assert "log" in said
    assert_alive(client)
    results = client.post("/v1/predict/batch", json={"texts": ["joy", "raise", "fear"]}).json()["results"]
    assert [one.get("label") or one["error"]["code"] for one in results] == ["joy", "failed", "fear"]
    assert "secret" not in json.dumps(results)


@pytest.mark.parametrize(
    ("system", "asked", "code"),
    [
        ({"may_lack": False}, {"json": {"text": "joy"}}, "audio_needed"),
        ({"may_lack": False}, {"files": {"audio": "CLIP"}}, "text_needed"),
        ({"may_lack": False, "needs_audio": False}, {"files": {"audio": "CLIP"}}, "text_needed"),
        ({"needs_text": False}, {"json": {"text": "joy"}}, "audio_needed"),
    ],
)
def test_what_a_model_needs(serve, problem, clip, system, asked, code):
    from tests.serve.http.conftest import Fake

    asked = {"files": {"audio": clip}} if "files" in asked else asked
    problem(serve(Fake(**system)).post("/v1/predict", **asked), code)


def test_routes_and_methods_that_are_none(client, problem, secure):
    for method, path in [("GET", "/absent"), ("POST", "/v1"), ("GET", "/v1/train"), ("POST", "/v1/train"),
                         ("GET", "/v1/predict/"), ("GET", "/page/../app.py"), ("GET", "/page/%2e%2e/app.py"),
                         ("GET", "/v1/examples/..%2f..%2fetc"), ("GET", "/docs")]:  # fmt: skip
        problem(client.request(method, path, follow_redirects=False), "not_found")
    problem(client.get("/v1/examples/absent.wav"), "not_found")
    for method, path in [
        ("GET", "/v1/predict"),
        ("PUT", "/v1/predict"),
        ("DELETE", "/v1/models"),
        ("OPTIONS", "/v1/predict"),
        ("POST", "/"),
    ]:
        response = client.request(method, path)
        problem(response, "wrong_method")
        assert response.headers["allow"]
    head = client.head("/")
    assert (head.status_code, head.content) == (200, b"")
    secure(head)
    for path in ("/", "/healthz", "/openapi.json", "/v1/models", "/metrics"):
        secure(client.get(path))
