"""To a Hub on loopback and back, as a user types it: in processes of its own, whose client starts with its address."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from emospeech.cli.main import main
from emospeech.outputs.hub import remote
from emospeech.runtime.errors import UserError
from emospeech.serve import model

REPOSITORY = "somebody/a-model"
ASK = """
import sys, emospeech
name, revision, text = sys.argv[1], sys.argv[2] or None, sys.argv[3]
print(emospeech.load(name, revision=revision)(text=text).probabilities)
"""


@pytest.fixture
def hub(fake_hub):
    with fake_hub.running() as found:
        yield found


@pytest.fixture
def typed(hub, fake_hub, tmp_path):
    """A command in a process of its own; its exit code, what it prints and what it complains of."""

    def run(*command, **more):
        plain = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "EMOSPEECH"))}
        own = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
        code = Path(remote.__file__).parents[3]
        env = plain | own | {"HF_TOKEN": fake_hub.TOKEN, "PYTHONPATH": str(code), "OMP_NUM_THREADS": "1"} | more
        env = {key: value for key, value in env.items() if value is not None}
        done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.slow
def test_pushed_and_loaded_by_its_id_it_gives_the_same(typed, hub, trained, fake_hub):
    push = ("-m", "emospeech", "push", str(trained("words")), REPOSITORY)
    code, out, err = typed(*push, "--private", "--licence", "mit")
    assert (code, err) == (0, "")
    assert f"pushed: {hub.url}/{REPOSITORY}/commit/" in out
    repository = hub.repositories[REPOSITORY]
    assert repository.private
    assert len(repository.commits) == 2, "the Hub's own, and one of ours"
    first = repository.branches["main"]
    assert b'emospeech.load("somebody/a-model")' in hub.files(REPOSITORY)["README.md"]

    here = model.load(trained("words"))(text="qué rabia").probabilities
    code, out, err = typed("-c", ASK, REPOSITORY, "", "qué rabia")
    assert code == 0, err
    assert out.strip() == str(dict(here))
    assert not [
        path for _, path in hub.requests if path.endswith(("README.md", ".gitattributes")) and "resolve" in path
    ]

    # to a branch of its own; what an earlier push had, and this one lacks, goes
    repository.commits[first]["stale.json"] = b"{}"
    code, out, err = typed(*push, "--revision", "trial")
    assert (code, err) == (0, "")
    assert set(hub.files(REPOSITORY, "trial")) == set(hub.files(REPOSITORY)) - {"stale.json"}
    assert repository.branches["main"] == first
    code, out, err = typed("-c", ASK, REPOSITORY, "trial", "qué rabia")
    assert (code, out.strip()) == (0, str(dict(here))), err

    # without network: what is in the cache
    code, out, err = typed("-c", ASK, REPOSITORY, "", "qué rabia", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert (code, out.strip()) == (0, str(dict(here))), err


@pytest.mark.slow
def test_who_may_not_push_is_told(typed, hub, trained, fake_hub):
    push = ("-m", "emospeech", "push", str(trained("words")), REPOSITORY)
    code, _, err = typed(*push, HF_TOKEN=None)
    assert code == 2
    assert "nothing can be pushed without an account" in err
    assert "hf auth login" in err
    code, _, err = typed(*push, HF_TOKEN="hf_unknown")
    assert code == 2
    assert "does not know this token" in err
    assert hub.repositories == {}
    hub.repositories[REPOSITORY] = fake_hub.Repository()
    hub.repositories[REPOSITORY].commit("main", {"config.json": b'{"model_type": "bert"}', "model.bin": b"x"}, "theirs")
    code, _, err = typed(*push, HF_TOKEN=fake_hub.READ_ONLY)
    assert code == 2
    assert "holds another model already" in err
    code, _, err = typed(*push)
    assert code == 2
    assert "holds another model already" in err
    assert set(hub.files(REPOSITORY)) == {"config.json", "model.bin"}
    code, _, err = typed("-m", "emospeech", "push", str(trained("words")), "other/repo", HF_TOKEN=fake_hub.READ_ONLY)
    assert code == 2
    assert "has no right to" in err
    code, _, err = typed(*push, HF_HUB_OFFLINE="1")
    assert code == 2
    assert "HF_HUB_OFFLINE is set" in err
    code, _, err = typed(*push, HF_ENDPOINT="http://127.0.0.1:9")
    assert code == 1
    assert "cannot be reached" in err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "files", "revision", "message"),
    [
        ("nobody/nothing", None, "", "has no model nobody/nothing, or not for you"),
        ("me/bert", {"config.json": b'{"model_type": "bert"}'}, "", "is no model that emospeech has exported"),
        ("me/empty", {"README.md": b""}, "", "it has no config.json"),
        ("me/broken", {"config.json": b"{"}, "", "config.json of me/broken is damaged"),
        ("me/new", {"config.json": b'{"model_type": "emospeech", "format": 9}'}, "", "has format 9"),
        ("me/bert", {"config.json": b"{}"}, "absent", "has no such revision"),
    ],
)
def test_what_cannot_be_loaded_by_id(typed, hub, fake_hub, name, files, revision, message):
    if files is not None:
        hub.repositories[name] = fake_hub.Repository()
        hub.repositories[name].commit("main", files, "theirs")
    code, _, err = typed("-c", ASK, name, revision, "x")
    assert code == 1
    assert f"UserError: {name}" in err or "UserError: " in err
    assert message in err


@pytest.mark.parametrize("name", ["model", "a/b/c", "me/", "/me", "me/mo del", "me/-x..y", "../x"])
def test_names_that_no_repository_can_have(trained, name, capsys):
    assert main(["push", str(trained("words")), name]) == 2
    assert "is no repository of the Hub; give owner/name" in capsys.readouterr().err


def test_runs_that_are_not_pushed(trained, tmp_path, capsys, monkeypatch):
    import shutil

    monkeypatch.setattr(remote, "require_login", lambda: pytest.fail("it is asked for before the run is looked at"))
    run = shutil.copytree(trained("words"), tmp_path / "run")
    starts = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    (run / "environment.json").write_text(json.dumps([{**starts[0], "commit": "abc+"}]), encoding="utf-8")
    assert main(["push", str(run), REPOSITORY]) == 2
    assert "code that no commit has (abc+: there were changes)" in capsys.readouterr().err
    (run / "scores.json").unlink()
    assert main(["push", str(run), REPOSITORY, "--dirty"]) == 2
    assert "is not finished" in capsys.readouterr().err


def test_a_folder_and_an_id_are_told_from_each_other(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(remote, "fetched", lambda name, revision: asked.append((name, revision)) or tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    assert model.folder_of("runs") == Path("runs")
    assert model.folder_of("runs/mistyped") == Path("runs/mistyped")  # an error of its own follows, without network
    assert model.folder_of(Path("owner/name")) == Path("owner/name")
    assert model.folder_of("./owner/name") == Path("owner/name")
    assert asked == []
    assert model.folder_of("owner/name") == tmp_path
    assert model.folder_of("runs/mistyped", "v1") == tmp_path
    assert asked == [("owner/name", None), ("runs/mistyped", "v1")]
    with pytest.raises(UserError, match=r"runs is a folder, and revision='v1' is of a Hub id"):
        model.folder_of("runs", "v1")
