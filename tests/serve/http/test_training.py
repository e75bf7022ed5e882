"""What a client may ask to be trained, and what not."""

import os

import pytest

from emospeech.runtime.errors import UserError
from emospeech.serve.http.training import recipes_in


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


def test_a_recipe_that_is_spoilt_later(training, recipes, problem):
    client = training()
    (recipes / "tiny.yaml").write_text("colour: red")
    (recipes / "text.yaml").unlink()
    assert client.get("/v1/train").json()["recipes"] == []
    for name in ("tiny", "text"):
        said = problem(client.post("/v1/train", json={"recipe": name, "name": "mine"}), "invalid")
        assert str(recipes) not in said


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
    assert str(tmp_path) not in said
    assert asked.get("overrides", {}).get("train.epochs") != "${oc.env:HOME}" or os.environ["HOME"] not in said
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
