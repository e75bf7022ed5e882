"""`emospeech prefetch`, as typed, from a Hub that serves folders of this machine; the cache must do alone then."""

import json
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emospeech.cli.main import main
from emospeech.config import recipes_folder
from emospeech.encoders.hub import cached, fetch
from emospeech.experiments import prefetch
from emospeech.runtime.errors import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(BaseHTTPRequestHandler):
    """Of the Hub's interface what its client asks for: info, the list of files, the files."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folders, asked, *connection):
        self.folders, self.asked = folders, asked
        super().__init__(*connection)

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        parts = self.path.partition("?")[0].strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name, rest = "/".join(parts[2:4] if api else parts[:2]), parts[4:]
        if name == "some/gated":
            return self.answer(403, b"", {"X-Error-Code": "GatedRepo"})
        if name not in self.folders:
            return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
        folder = self.folders[name]
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        if api and rest[:1] == ["tree"]:
            listed = [
                {"type": "file", "path": file, "oid": "0" * 40, "size": (folder / file).stat().st_size}
                for file in files
            ]
            return self.answer(200, json.dumps(listed).encode())
        if api:
            info = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}
            return self.answer(200, json.dumps(info).encode())
        file = "/".join(rest)
        headers = {"X-Repo-Commit": COMMIT}
        if file not in files:
            return self.answer(404, b"", {**headers, "X-Error-Code": "EntryNotFound"})
        if self.command == "GET":
            self.asked.append(f"{name}/{file}")
        return self.answer(200, (folder / file).read_bytes(), {**headers, "ETag": f'"{hash((name, file)) % 2**64:x}"'})

    def answer(self, status, content, headers=None):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


@pytest.fixture
def hub():
    """Its address, the folders it serves by id, and the files it was asked for."""
    folders, asked = {}, []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folders, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", folders, asked
    server.shutdown()
    server.server_close()


def typed(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """With a cache in `folder`, and no way out."""
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "TRANSFORMERS_"))}
    own = {"HF_HOME": str(folder / "hf"), "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_XET": "1", **environment}
    return subprocess.run(
        [sys.executable, "-m", "emospeech", "prefetch", "recipe.yaml", *words],
        cwd=folder, env={**plain, **own}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture
def recipe(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(f"data: {{corpus: audiofolder, root: {tmp_path}/to_come}}\n{text}", encoding="utf-8")
        return path

    return write


# -- what is needed ----------------------------------------------------------------------------------------------


def names(path: Path, *overrides: str) -> list[tuple[str, str]]:
    return [(need.what, need.name) for need in prefetch.needs(path, overrides)]


def test_parts_that_train_from_scratch_need_nothing(recipe):
    path = recipe("speech: {encoder: log_mel_cnn}\ntext: {encoder: subword_transformer}")
    assert names(path) == []
    (line,) = prefetch.run(path)
    assert line == f"nothing to fetch: {path} trains from scratch all that it is made of"


def test_encoders_whisper_and_weights(recipe):
    path = recipe("speech: {encoder: a/speech}\ntext: {encoder: b/text, transcripts: whisper}")
    whisper = ("whisper", "large-v3")
    assert names(path, "train.seed=[1,2]") == [("speech encoder", "a/speech"), ("text encoder", "b/text"), whisper]
    assert names(path, "text.transcripts=provided", "speech=null") == [("text encoder", "b/text")]
    assert names(path, "text=null") == [("speech encoder", "a/speech")]
    assert names(path, "text.encoder=subword_transformer", "speech=null", "text.whisper.model=openai/whisper-tiny") == [
        ("whisper", "openai/whisper-tiny")
    ]
    pictures = recipe("speech: {encoder: deep_spectrum, options: {weights: c/vgg}}")
    assert names(pictures) == [("VGG-16 weights", "c/vgg")]


def test_classical_systems_need_what_their_features_are_of(recipe):
    features = "[functionals, text, {name: deep_spectrum, weights: c/vgg, layer: fc1}]"
    path = recipe(
        f"system: classical\nclassical: {{features: {features}}}\nspeech: {{encoder: a/speech}}\n"
        "text: {encoder: b/text}\ntune: {grid: {classical.model.c: [1, 10]}}"
    )
    assert names(path) == [("VGG-16 weights", "c/vgg"), ("text encoder", "b/text")]


def test_every_row_of_a_benchmark_and_every_probed_encoder(recipe):
    rows = "benchmark: {rows: {one: {speech.encoder: a/one}, two: {speech.encoder: a/two}, again: {train.seed: 3}}}"
    path = recipe(f"speech: {{encoder: a/one}}\n{rows}")
    assert names(path) == [("speech encoder", "a/one"), ("speech encoder", "a/two")]
    probed = recipe("benchmark: {layerwise: {encoders: [a/one, b/two]}}")
    assert [name for _, name in names(probed)] == ["a/one", "b/two"]


def test_every_row_of_a_grid(recipe, tmp_path, monkeypatch, capsys):
    (tmp_path / "grid.yaml").write_text("axes: {speech.encoder: [a/one, a/two], text: [null, {encoder: b/text}]}")
    path = recipe("speech: {encoder: a/one}\ntext: {encoder: b/text}")
    monkeypatch.setattr(prefetch, "have", lambda need: (_ for _ in ()).throw(UserError(f"no {need.name}")))
    assert main(["prefetch", str(path), str(tmp_path / "grid.yaml"), "text.encoder=c/text"]) == 2
    said = capsys.readouterr().err
    assert [name for name in ("a/one", "a/two", "b/text", "c/text") if f"no {name}" in said] == [
        "a/one",
        "a/two",
        "b/text",
    ]


# -- fetching, and loading without a network ---------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_fetched_loads_offline(recipe, hub, tiny_xlsr, tiny_xlmr, tmp_path):
    address, folders, asked = hub
    folders |= {"own/speech": tiny_xlsr, "own/text": tiny_xlmr}
    (tmp_path / "hf").mkdir()
    recipe("speech: {encoder: own/speech}\ntext: {encoder: own/text}")
    done = typed(tmp_path, HF_ENDPOINT=address)
    assert done.returncode == 0, done.stderr
    speech, text, last = done.stdout.splitlines()
    size = sum(path.stat().st_size for path in tiny_xlsr.iterdir()) / 1e3
    snapshot = tmp_path / "hf/hub/models--own--speech/snapshots" / COMMIT
    assert speech == f"speech encoder  own/speech  revision {COMMIT}  {size:.1f} kB  in {snapshot}  loads offline"
    assert text.startswith(f"text encoder  own/text  revision {COMMIT}  ")
    assert last == f"on machines without network: HF_HUB_OFFLINE=1 HF_HOME={tmp_path / 'hf'}"
    assert sorted({file for file in asked if file.startswith("own/speech")}) == sorted(
        f"own/speech/{path.name}" for path in tiny_xlsr.iterdir()
    )
    again = typed(tmp_path, HF_HUB_OFFLINE="1")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[::2] == [f"{speech} (HF_HUB_OFFLINE is set)", last]


@pytest.mark.slow
def test_a_checkpoint_in_the_old_format_and_a_sentence_transformers_model(recipe, hub, tiny_xlmr, tiny_xlsr, tmp_path):
    """Weights that are no safetensors load offline, too; so do modules in folders of their own."""
    import shutil

    import torch
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

    old = shutil.copytree(tiny_xlsr, tmp_path / "old")
    torch.save(load_file(old / "model.safetensors"), old / "pytorch_model.bin")
    (old / "model.safetensors").unlink()
    (old / "flax_model.msgpack").write_bytes(b"no")
    modules = [Transformer(str(tiny_xlmr)), Pooling(16), Dense(16, 8)]
    SentenceTransformer(modules=modules, device="cpu").save(str(tmp_path / "vectors"))
    address, folders, asked = hub
    folders |= {"own/old": old, "own/vectors": tmp_path / "vectors"}
    recipe("speech: {encoder: own/old}\ntext: {encoder: own/vectors, level: sentence}")
    done = typed(tmp_path, HF_ENDPOINT=address)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("loads offline") == 2
    assert "own/old/flax_model.msgpack" not in asked


@pytest.mark.slow
def test_a_folder_is_checked_as_it_is(recipe, tiny_xlmr, tiny_xlsr, tmp_path):
    import shutil

    half = shutil.copytree(tiny_xlmr, tmp_path / "half")
    (half / "model.safetensors").unlink()
    recipe(f"speech: {{encoder: {tiny_xlsr}}}\ntext: {{encoder: {half}}}")
    done = typed(tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2].startswith(f"error: text encoder {half}: cannot load the model")
    done = typed(tmp_path, "text=null")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"speech encoder  {tiny_xlsr}  local  ")


@pytest.fixture
def reach(monkeypatch, tmp_path):
    """Have this process's client of the Hub look at an address, or nowhere, with a cache of its own."""

    def reach(address, offline=False):
        from huggingface_hub import constants

        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)

    return reach


def test_what_is_fetched_lies_in_the_cache(hub, reach, tiny_xlsr):
    address, folders, asked = hub
    folders["own/speech"] = tiny_xlsr
    reach(address)
    assert fetch("own/speech") == ""
    found = cached("own/speech")
    assert found.name == COMMIT
    for path in tiny_xlsr.iterdir():
        assert (found / path.name).read_bytes() == path.read_bytes()
    before = list(asked)
    assert fetch("own/speech") == ""
    assert asked == before  # nothing twice
    reach("http://127.0.0.1:1")
    assert fetch("own/speech").startswith("http://127.0.0.1:1 cannot be reached: ")
    reach(address, offline=True)
    assert fetch("own/speech") == "HF_HUB_OFFLINE is set"


@pytest.mark.parametrize(
    ("encoder", "address", "offline", "said"),
    [
        ("no/such", None, False, "has no model of this id, or it is a private one; check the name, or give a token"),
        ("some/gated", None, False, "some/gated: its licence is to be accepted first, at http://127.0.0.1"),
        ("no/such", "http://127.0.0.1:1", False, "no/such is not in the cache, and http://127.0.0.1:1 cannot be"),
        ("no/such", None, True, "no/such is not in the cache, and HF_HUB_OFFLINE is set. Run this where"),
    ],
)
def test_what_cannot_be_had_is_named(recipe, hub, reach, encoder, address, offline, said):
    path = recipe(f"speech: {{encoder: {encoder}}}")
    reach(address or hub[0], offline)
    with pytest.raises(UserError) as error:
        list(prefetch.run(path))
    assert str(error.value).startswith("speech encoder " + encoder)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_several_faults_are_told_together(recipe, monkeypatch):
    def absent(name):
        raise UserError(f"{name} is not there")

    monkeypatch.setattr(prefetch.hub, "fetch", absent)
    path = recipe("speech: {encoder: a/speech}\ntext: {encoder: b/text}")
    with pytest.raises(UserError) as error:
        list(prefetch.run(path))
    assert str(error.value).splitlines() == [
        "not everything can be had",
        "  - speech encoder a/speech is not there",
        "  - text encoder b/text is not there",
    ]


def test_whisper_of_openai_is_fetched_by_its_checksum(recipe, whisper_pt, monkeypatch):
    from emospeech.encoders.transcribe import openai_whisper

    monkeypatch.setattr(openai_whisper.OpenAICheckpoint, "fetch", lambda self: whisper_pt)
    need = prefetch.Need("whisper", "tiny", json.dumps({"model": "tiny", "backend": "auto"}))
    here = prefetch.have(need)
    assert (here.path, here.revision) == (whisper_pt, None)
    assert "by its checksum" in here.line()
    assert here.setting == f"XDG_CACHE_HOME={whisper_pt.parents[1]}"


@pytest.mark.slow
def test_the_loading_process_reaches_no_network(tiny_xlmr):
    """Neither of Whisper's own downloads nor of anything else."""
    need = prefetch.Need("whisper", "tiny", json.dumps({"model": "tiny", "backend": "openai"}))
    with prefetch.without_network() as load, pytest.raises(UserError, match="wants the network"):
        load(need)
    assert os.environ["HF_HUB_OFFLINE"] == "1"  # as the tests have it


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ("xlsr_roberta", ["facebook/wav2vec2-xls-r-300m", "llange/xlm-roberta-large-spanish"]),
        ("deep_spectrum/attention", ["timm/vgg16.tv_in1k"]),
        ("demo", []),
    ],
)
def test_the_needs_of_shipped_recipes(recipe, expected):
    """Whose data need not be here."""
    assert [need.name for need in prefetch.needs(recipes_folder() / f"{recipe}.yaml")] == expected
