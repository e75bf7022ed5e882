"""The API as it is told: fields, schemas, examples, OpenAPI; of real systems and all their kinds of answers."""

import json
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest

from emospeech.serve.engine import served
from emospeech.serve.http import problems, schemas

PREDICTION = {
    "id", "name", "model", "label", "probabilities", "calibration", "modalities", "transcript", "audio", "segments",
    "tasks", "attention", "timing",
}  # fmt: skip


@pytest.fixture
def both(serve, trained):
    return serve(*(served.load(trained(name), segment_seconds=1.0) for name in ("both", "speech", "text", "tasks")),
                 segment_seconds=1.0)  # fmt: skip


def test_a_clip_with_its_transcript(both, clip, sound):
    asked = {"files": {"audio": ("clip.wav", clip)}, "data": {"text": "¡Qué alegría!", "explain": "true"}}
    answer = both.post("/v1/predict", **asked).json()
    assert set(answer) == PREDICTION
    schemas.Prediction.model_validate(answer)
    assert answer["name"] == "clip.wav"
    assert answer["model"].keys() == {"name", "version", "emospeech"}
    assert answer["model"]["name"] == "both"
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert max(answer["probabilities"], key=answer["probabilities"].get) == answer["label"]
    assert answer["calibration"]["fitted_to"] == "dev"
    assert answer["calibration"]["temperature"] > 0
    assert answer["modalities"] == ["speech", "text"]
    assert answer["transcript"] == {"text": "¡Qué alegría!", "source": "provided"}
    assert answer["audio"] == {"seconds": pytest.approx(len(sound()) / 16_000, abs=1e-3)}
    assert answer["segments"] == []
    assert answer["tasks"] == {}
    attention = answer["attention"]
    assert [word["text"] for word in attention["words"]] == ["¡Qué", "alegría!"]
    assert sum(attention["shares"].values()) == pytest.approx(1, abs=1e-4)
    assert sum(attention["speech"]["weights"]) == pytest.approx(attention["shares"]["speech"], abs=1e-3)
    assert len(attention["speech"]["weights"]) * attention["speech"]["step_seconds"] == pytest.approx(
        answer["audio"]["seconds"], abs=0.01
    )
    assert set(answer["timing"]) == {"decode_ms", "transcribe_ms", "queue_ms", "model_ms", "total_ms", "batch"}
    again = both.post("/v1/predict", **asked | {"data": {"text": "¡Qué alegría!"}}).json()
    assert again["attention"] is None
    assert again["id"] != answer["id"]
    assert again["probabilities"] == pytest.approx(answer["probabilities"])


def test_text_alone_as_json_and_as_a_form(both):
    told = both.post("/v1/predict", json={"text": "Déjame en paz", "model": "text", "explain": True}).json()
    form = both.post("/v1/predict", files={"text": (None, "Déjame en paz"), "model": (None, "text")}).json()
    assert told["probabilities"] == form["probabilities"]
    assert (told["name"], told["audio"], told["attention"]) == (None, None, None)


def test_long_audio_and_further_tasks(both, sound, encoded):
    clip = encoded(np.concatenate([sound("joy", k, 0.9) for k in range(3)]))
    answer = both.post("/v1/predict", files={"audio": clip}, data={"model": "tasks"}).json()
    schemas.Prediction.model_validate(answer)
    assert set(answer["tasks"]) == {"gender"}
    assert answer["tasks"]["gender"]["label"] in answer["tasks"]["gender"]["probabilities"]
    assert len(answer["segments"]) >= 3
    assert answer["segments"][0]["start"] == 0
    assert answer["segments"][-1]["end"] == pytest.approx(answer["audio"]["seconds"])


def test_a_batch_of_good_and_bad_in_the_order_asked(both, clip, encoded, sound):
    names = ["a.wav", "bad.wav", "c.wav", "silent.wav"]
    raw = [clip, b"junk", encoded(sound("fear", 9)), encoded(np.zeros(16_000))]
    files = [("audio", pair) for pair in zip(names, raw, strict=True)]
    results = both.post("/v1/predict/batch", files=files, data={"model": "speech"}).json()["results"]
    assert [one["name"] for one in results] == names
    assert [one.get("error", {}).get("code") for one in results] == [None, "not_audio", None, "silent"]
    for number in (0, 2):
        alone = both.post("/v1/predict", files={"audio": raw[number]}, data={"model": "speech"}).json()
        assert results[number]["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-5)
    assert set(results[1]) == {"name", "error"}
    assert set(results[1]["error"]) == {"type", "title", "status", "code", "detail"}
    texts = both.post("/v1/predict/batch", json={"texts": ["hola", "adiós"], "model": "text"}).json()["results"]
    assert [one["transcript"]["text"] for one in texts] == ["hola", "adiós"]
    form = [("audio", ("a.wav", clip)), ("audio", ("b.wav", clip)), ("text", (None, "hola")), ("text", (None, ""))]
    results = both.post("/v1/predict/batch", files=form).json()["results"]
    assert results[0]["transcript"]["text"] == "hola"
    assert results[1]["error"]["code"] == "text_needed", "this model needs it"


def test_models_and_limits(both):
    cards = both.get("/v1/models").json()["models"]
    assert [card["name"] for card in cards] == ["both", "speech", "text", "tasks"]
    assert [card["default"] for card in cards] == [True, False, False, False]
    assert [card["hears"] for card in cards] == [True, True, False, True]
    assert [card["reads"] for card in cards] == [True, False, True, False]
    assert [card["attends"] for card in cards] == [True, True, False, True]
    assert cards[3]["tasks"] == {"gender": ["female", "male"]}
    assert "label" not in cards[0]["tasks"]
    limits = both.get("/v1/limits").json()
    assert set(limits) == {"max_bytes", "max_seconds", "max_batch_files", "segment_seconds", "max_characters"}
    assert limits["segment_seconds"] == 1.0


def test_examples_can_be_heard_and_answered(both):
    examples = both.get("/v1/examples").json()["examples"]
    assert len(examples) >= 4
    for one in examples[:2]:
        wav = both.get(one["url"])
        assert wav.headers["content-type"] == "audio/wav"
        answer = both.post("/v1/predict", files={"audio": wav.content}, data={"text": one["text"]})
        assert answer.status_code == 200, answer.text


def test_openapi_is_valid_and_its_examples_are(serve, tmp_path):
    from emospeech.serve.http.jobs import Jobs

    jobs = Jobs({"tiny": tmp_path / "tiny.yaml"}, tmp_path, lambda run: None)
    document = serve(jobs=jobs).get("/openapi.json").json()
    jobs.close()
    assert document["openapi"].startswith("3.1")
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **document["components"]})
    named = document["components"]["schemas"]
    for name, schema in named.items():
        whole = {**schema, "components": document["components"]}
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **whole})
        validator = jsonschema_rs.validator_for(json.loads(json.dumps(whole)))
        for example in schema.get("examples", []):
            validator.validate(example)
        if "examples" not in schema and name in ("Prediction", "TextQuestion"):
            raise AssertionError(f"{name} has no example")
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}:
        assert reference in named
    assert set(document["paths"]) == {
        "/v1/predict", "/v1/predict/batch", "/v1/models", "/v1/limits", "/v1/examples", "/v1/examples/{name}.wav",
        "/healthz", "/readyz", "/metrics", "/v1/train", "/v1/train/{id}", "/v1/train/{id}/cancel",
    }  # fmt: skip
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            for status, response in told["responses"].items():
                kinds = set(response.get("content", {}))
                assert ("application/problem+json" in kinds) == (int(status) >= 400), (path, method, status)


def test_answers_follow_the_schemas_they_are_told_under(both, clip):
    document = both.get("/openapi.json").json()
    for path, response in {
        "/v1/predict": both.post("/v1/predict", files={"audio": clip}, data={"model": "speech"}),
        "/v1/models": both.get("/v1/models"),
        "/v1/limits": both.get("/v1/limits"),
        "/healthz": both.get("/healthz"),
        "/readyz": both.get("/readyz"),
    }.items():
        (told,) = document["paths"][path].values()
        schema = told["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema_rs.validator_for({**schema, "components": document["components"]}).validate(response.json())


def test_no_answer_is_a_code_that_nothing_gives():
    folder = Path(problems.__file__).parent
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in [*folder.glob("*.py"), *folder.parent.glob("engine/*.py")]
    )
    table = code[code.index("CODES: Mapping") : code.index("BY_STATUS")]
    for name in problems.CODES:
        assert code.replace(table, "").count(f'"{name}"') > 0, f"{name} is never given"
