"""Which checkpoint a name is, what tells it from others, and what is said of one that cannot be used."""

import shutil

import pytest
import torch

from emospeech.encoders.transcribe import backends
from emospeech.encoders.transcribe.backends import choose, language_code
from emospeech.encoders.transcribe.hub_whisper import HubCheckpoint
from emospeech.encoders.transcribe.openai_whisper import OpenAICheckpoint
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import content_hash


def test_auto(whisper_pt, whisper_folder):
    assert isinstance(choose("large-v3"), OpenAICheckpoint)
    assert isinstance(choose(str(whisper_pt)), OpenAICheckpoint)
    assert isinstance(choose(str(whisper_folder)), HubCheckpoint)
    assert isinstance(choose("openai/whisper-large-v3"), HubCheckpoint)
    assert [choose(name).label for name in ("turbo", "openai/whisper-tiny")] == [
        "large-v3-turbo",
        "openai/whisper-tiny",
    ]


def test_identity(whisper_pt, whisper_folder, tmp_path):
    assert choose("large").identity() == choose("large-v3").identity() != choose("tiny").identity()
    assert len(choose("large-v3").identity()) == 64
    assert choose(str(whisper_pt)).identity() == content_hash(whisper_pt)
    moved = shutil.copytree(whisper_folder, tmp_path / "moved")
    assert choose(str(moved)).identity() == choose(str(whisper_folder)).identity()
    (moved / "generation_config.json").write_text("{}")
    assert choose(str(moved)).identity() != choose(str(whisper_folder)).identity()


@pytest.mark.parametrize(
    ("name", "backend", "expected"),
    [
        ("large-v9", "auto", r"unknown Whisper 'large-v9': give a size \(tiny.en, .*, a .pt file"),
        ("no/such/model.pt", "auto", r"no Whisper checkpoint 'no/such/model.pt': give a .pt file, or one of"),
        ("large-v3", "ctc", r"unknown backend 'ctc'; known: auto, openai, transformers"),
        ("large-v3", "transformers", r"no Whisper checkpoint 'large-v3' of transformers: give a Hub id"),
        ("./no/folder", "auto", r"no Whisper checkpoint './no/folder' of transformers"),
    ],
)
def test_no_such_checkpoint(name, backend, expected):
    with pytest.raises(UserError, match=expected):
        choose(name, backend)


@pytest.mark.parametrize("content", [b"junk", b"", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    (tmp_path / "tiny.pt").write_bytes(content)
    with pytest.raises(UserError, match=r"cannot load .*tiny\.pt: .*\n.*as openai-whisper downloads it"):
        choose(str(tmp_path / "tiny.pt")).load("cpu")


def test_a_file_of_other_tensors(tmp_path):
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match=r"cannot load .*other\.pt: 'dims'"):
        choose(str(tmp_path / "other.pt")).load("cpu")


def test_a_size_that_cannot_be_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(UserError) as error:
        choose("tiny").load("cpu")
    assert f"put the file into {tmp_path / 'whisper'}, or give its path: --model tiny.pt" in str(error.value)


def test_a_hub_id_that_is_not_here():
    with pytest.raises(
        UserError, match="cannot load the model from the Hub or its cache under the id 'nobody/nothing'"
    ):
        choose("nobody/nothing").identity()


def test_an_encoder_alone(whisper_folder, tmp_path):
    from transformers import WhisperModel

    WhisperModel.from_pretrained(whisper_folder).encoder.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"lacks \d+ weights of a Whisper that transcribes|cannot load the model"):
        choose(str(tmp_path)).load("cpu")


def test_another_tokenizer(whisper_folder, tiny_roberta, tmp_path):
    folder = shutil.copytree(whisper_folder, tmp_path / "mixed")
    for path in folder.glob("*token*"):
        path.unlink()
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink(missing_ok=True)
    for path in tiny_roberta.glob("*token*"):
        shutil.copy(path, folder)
    with pytest.raises(UserError, match="tokenizer"):
        choose(str(folder)).load("cpu")


def test_languages(whisper_pt, whisper_folder, tmp_path, request):
    made = request.getfixturevalue("whisper_english")
    assert {"es", "en", "zh"} <= set(choose(str(whisper_pt)).load("cpu").languages)
    assert list(choose(str(made[0])).load("cpu").languages) == ["en"]
    assert set(choose(str(whisper_folder)).load("cpu").languages) == {"en", "es", "de", "pt"}
    assert list(choose(str(made[1])).load("cpu").languages) == ["en"]


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("es", "es"),
        ("ES", "es"),
        ("Spanish", "es"),
        ("castilian", "es"),
        ("es-MX", "es"),
        ("pt_BR", "pt"),
        ("xx", None),
    ],
)
def test_language_code(word, code):
    assert language_code(word) == code


def test_the_dict_is_what_is_offered():
    assert set(backends.BACKENDS) == {"openai", "transformers"}
