"""No word of a recipe that leaves the machine is a place on it, or a person; the recipe is one all the same."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emospeech import config
from emospeech.outputs.hub import scrub
from emospeech.systems import build

SECRET = "/home/maria/clinic"
RECIPE = {
    "name": "mine",
    "runs_dir": f"{SECRET}/runs",
    "data": {
        "mixture": [
            {
                "corpus": "audiofolder",
                "name": "a",
                "root": f"{SECRET}/a",
                "groups": "../maria/groups.csv",
                "label_map": {"happy": "joy"},
                "split": {"file": "folds_of_maria.csv", "fold": 1},
            },
            {"corpus": "emodb", "root": "maria/b", "split": {"dev_speakers": ["maria"], "test_speakers": ["maria2"]}},
        ]
    },
    "speech": {
        "encoder": "./encoders/speech",
        "augment": {
            "effects": [{"name": "noise", "folder": "~/maria/noise"}, "reverb"],
            "impulse_folder": f"{SECRET}/rooms",
        },
    },
    "text": {"encoder": "owner/roberta", "transcripts": "whisper", "whisper": {"model": f"{SECRET}/whisper.pt"}},
    "cache": {"folder": f"{SECRET}/cache", "frame_stride": 2},
}


def test_every_place_and_name_goes_and_the_rest_stays():
    plain = config.validate(RECIPE, "recipe").model_dump()
    found = scrub.recipe(plain)
    again = config.validate(found, "what was exported")
    assert "maria" not in str(found)
    assert again.runs_dir == "runs"
    assert again.cache is not None
    assert (again.cache.folder, again.cache.frame_stride) == (None, 2)
    assert [part.root for part in again.data.mixture] == [scrub.ELSEWHERE] * 2
    assert again.data.mixture[0].label_map == {"happy": "joy"}
    assert again.data.mixture[0].split.fold == 1
    assert again.data.mixture[1].split.dev_speakers == []
    assert (again.speech.encoder, again.text.encoder) == ("./encoders/speech", "owner/roberta")
    assert again.text.whisper.model == scrub.ELSEWHERE
    assert again.model == config.validate(RECIPE, "recipe").model


PLACES = st.one_of(
    st.from_regex(r"/[\w/ .-]{1,20}", fullmatch=True),
    st.from_regex(r"(~|\.\.|[A-Z]:)[/\\][\w/ .-]{1,20}", fullmatch=True),
    st.from_regex(r"[\w-]{1,8}/[\w-]{1,8}/[\w-]{1,8}", fullmatch=True),
)


@given(
    place=PLACES, keys=st.lists(st.sampled_from(["weights", "model", "options", "anything"]), min_size=1, max_size=4)
)
def test_whatever_looks_like_a_place_goes_wherever_it_stands(place, keys):
    plain = place
    for key in keys:
        plain = {key: [plain]}
    assert place not in str(scrub.recipe(plain))


@pytest.mark.parametrize(
    "word", ["cross_entropy", "xlsr", "FacebookAI/xlm-roberta-base", "16.0", "top:4", "es", "AdamW"]
)
def test_words_and_ids_of_the_hub_stay(word):
    assert scrub.recipe({"section": {"key": [word]}}) == {"section": {"key": [word]}}


SHIPPED = ["xlsr_roberta", "wavlm_roberta", "xlsr_roberta_lora", "audio_only_scratch", "text_only_scratch", "demo"]


@pytest.mark.parametrize("name", SHIPPED)
def test_recipes_that_ship_stay_what_they_are(name):
    plain = config.load(Path(__file__).parents[3] / "configs" / f"{name}.yaml", ["data.root=/data/maria"])
    kept = config.validate(scrub.recipe(plain.model_dump()), name)
    assert kept.data.root == scrub.ELSEWHERE
    assert (kept.speech, kept.text, kept.model, kept.train) == (plain.speech, plain.text, plain.model, plain.train)


@pytest.mark.parametrize("name", ["whispers/juan_perez_finetuned", "checkpoints/xlsr-juan"])
def test_a_folder_that_is_seen_from_elsewhere_alone_goes(name, tmp_path, monkeypatch):
    """Where one stands now there is no such folder, so its name could be an id."""
    monkeypatch.chdir(tmp_path)
    plain = {"text": {"whisper": {"model": name}, "encoder": "owner/roberta"}}
    found = scrub.recipe(plain, {"owner/roberta"}.__contains__)
    assert found == {"text": {"whisper": {"model": scrub.ELSEWHERE}, "encoder": "owner/roberta"}}


def test_a_whisper_is_named_if_the_cache_says_that_the_hub_has_it(trained, tmp_path, monkeypatch):
    from emospeech.encoders import checkpoint
    from emospeech.outputs.hub import folder

    run = shutil.copytree(trained("several_tasks"), tmp_path / "run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "commit", lambda name, revision: {"owner/whisper": "f" * 40}.get(name))
    system = build.load(run)
    for name, kept in (("owner/whisper", True), ("whispers/juan_perez", False)):
        stored = json.loads((run / "model" / "config.json").read_text(encoding="utf-8"))
        stored["recipe"]["text"] |= {"transcripts": "whisper", "whisper": {"model": name}}
        (run / "model" / "config.json").write_text(json.dumps(stored), encoding="utf-8")
        into = tmp_path / name.replace("/", "_")
        into.mkdir()
        written = folder.write(into, run / "model", system, None, False)
        assert ("juan" in (into / "config.json").read_text(encoding="utf-8")) is False
        assert (written.recipe["text"]["whisper"]["model"] == name) is kept
        assert len(written.notes) == (0 if kept else 1)


def test_what_was_loaded_from_a_folder_is_local_wherever_one_stands(tmp_path, monkeypatch):
    from emospeech.outputs.hub import encoders, folder

    monkeypatch.chdir(tmp_path)
    assert encoders.is_local({"name": "checkpoints/xlsr-juan", "revision": None, "sha256": "0" * 64})
    assert not folder._on_hub({}, "español/x")  # no name that the Hub takes
    assert not encoders.is_local({"name": "owner/xlsr", "revision": "f" * 40, "sha256": None})


def test_of_words_without_a_slash_a_whisper_is_a_published_size():
    from emospeech.encoders.transcribe.openai_whisper import published

    def model(name):
        return scrub.recipe({"text": {"whisper": {"model": name}}})["text"]["whisper"]["model"]

    assert [model(size) for size in published()] == list(published())
    assert model("juan_perez") == scrub.ELSEWHERE
