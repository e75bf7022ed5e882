"""`emospeech extract` and `emospeech cache …`, as they are typed; killed, run twice at once, and on bad input."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emospeech.cli.main import main
from emospeech.encoders.store import upkeep
from emospeech.encoders.store.shards import Shard

RECIPE = """
name: run
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: SPEECH, layers: weighted, crop_seconds: 0.5, augment: {probability: 0.6}}
text: {encoder: TEXT}
model: {head: {blocks: 0}}
cache: {folder: store, views: VIEWS}
train: {epochs: 1, batch_size: 8, trackers: []}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch, challenge, tiny_xlsr, tiny_xlmr):
    monkeypatch.chdir(tmp_path)
    words = {"ROOT": challenge, "SPEECH": tiny_xlsr, "TEXT": tiny_xlmr}

    def write(views=2):
        text = RECIPE.replace("VIEWS", str(views))
        for word, path in words.items():
            text = text.replace(word, str(path))
        Path("recipe.yaml").write_text(text, encoding="utf-8")
        return "recipe.yaml"

    return write


@pytest.fixture
def typed(capsys):
    def go(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return go


def test_extract_then_train_then_look_and_prune(recipe, typed, challenge):
    code, out, err = typed("extract", recipe())
    assert code == 0
    assert "the features of 48 utterances are ready" in out  # those of the challenge's test, too
    assert "2 views of each training clip" in err
    assert "in store (" in err
    code, out, err = typed("train", "recipe.yaml")
    assert code == 0, err
    assert "extracting" not in err
    assert "stored features of frozen encoders (speech, text)" in err
    table = challenge / "EmoSPeech_phase_2_test_public.csv"
    code, _, err = typed("submit", "runs/run", "--test", table, "-o", "answers.csv")
    assert code == 0, err
    assert "12 of 12 rows are read from the stored features in store" in err
    speech, text = (one.name for one in upkeep.listed(Path("store")))
    code, out, _ = typed("cache", "ls", "--folder", "store")
    assert code == 0
    assert "2 sets" in out
    assert "78 utterances" in out  # 30 training clips twice, 6 dev clips, 12 of the test
    assert "3 x 16 fp16" in out
    assert typed("cache", "verify", "--folder", "store")[0] == 0
    code, out, _ = typed("cache", "prune", text, "--dry-run", "--folder", "store")
    assert f"would remove {text}" in out
    assert typed("cache", "prune", text, "--folder", "store")[0] == 0
    assert [one.name for one in upkeep.listed(Path("store"))] == [speech]
    assert typed("cache", "prune", "--unused-days", 1, "--folder", "store")[1].startswith("0.0 kB")
    assert typed("cache", "prune", "--all", "--folder", "store")[0] == 0
    assert not upkeep.listed(Path("store"))


def test_verify_names_what_is_damaged_and_removes_it_when_asked(recipe, typed):
    typed("extract", recipe())
    (shard, *_) = sorted(Path("store").glob("speech-*/*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-50] ^= 255
    shard.write_bytes(content)
    code, out, err = typed("cache", "verify", "--folder", "store")
    assert code == 1
    assert f"{shard.name} is damaged" in out
    assert "--remove" in err
    code, out, _ = typed("cache", "verify", "--remove", "--folder", "store")
    assert code == 0
    assert not shard.exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["extract", "recipe.yaml", "cache=null"], "keeps no features (cache: null)"),
        (["extract", "recipe.yaml", "cache.dtype=fp8"], "cache.dtype: should be"),
        (["extract", "recipe.yaml", "cache.write=false"], "never written"),
        (["extract", "recipe.yaml", "cache.views=0"], "cache.views"),
        (["cache", "prune", "speech-0", "--folder", "store"], "holds no feature set speech-0"),
        (["cache", "prune", "a", "--all"], "not both"),
        (["extract", "recipe.yaml", "speech=null", "text={encoder: subword_transformer}"], "nothing to store"),
    ],
)
def test_mistakes(recipe, typed, arguments, expected):
    recipe()
    code, _, err = typed(*arguments)
    assert code == 2
    assert expected in err
    assert "Traceback" not in err


def start(views=2):
    command = [sys.executable, "-m", "emospeech", "extract", "recipe.yaml"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


def shards(store):
    """Those a reader sees: what a killed process was writing has a name that begins with a dot."""
    return sorted(path for path in store.glob("*/*.safetensors") if not path.name.startswith("."))


def states(store=Path("store")):
    """Key -> bytes of every state in the store."""
    found = {}
    for path in shards(store):
        shard = Shard(path)
        shard.check()
        found |= {key: shard.get(key).values.numpy().tobytes() for key in shard.keys}
    return found


@pytest.mark.slow
def test_killed_at_ten_moments_and_finished_it_is_the_same_store(recipe, tmp_path):
    """Nothing that was finished is lost: what is there grows from one attempt to the next."""
    recipe(views=40)
    whole = start()
    began = time.monotonic()
    assert whole.wait(300) == 0, whole.stderr.read()
    seconds = time.monotonic() - began
    expected = states()
    Path("store").rename("whole")
    draw, there = random.Random(0), 0
    for _ in range(10):
        process = start()
        time.sleep(draw.uniform(0.4, 1.0) * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert len(states()) >= there
        there = len(states())
    final = start()
    assert final.wait(300) == 0, final.stderr.read()
    assert states() == expected


@pytest.mark.slow
def test_two_at_once_share_the_work(recipe):
    recipe(views=40)
    pair = [start(), start()]
    said = [process.communicate(timeout=300)[1] for process in pair]
    assert [process.returncode for process in pair] == [0, 0], said
    keys = [key for path in shards(Path("store")) if path.parent.name.startswith("speech-") for key in Shard(path).keys]
    assert len(set(keys)) == 30 * 40 + 6 + 12
    assert len(keys) < 1.3 * len(set(keys))  # at most the units in hand when the second began were done twice
