"""Augmentation and mixup in training: the same stream across resume, processes and loaders; never on dev or test."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from emospeech import config
from emospeech.data import audio
from emospeech.data.audio.memory import AudioMemory
from emospeech.data.examples.augment import EFFECTS
from emospeech.experiments import run as experiments
from emospeech.runtime.errors import UserError, WorkError
from emospeech.systems import build
from emospeech.systems.features.sources import effects_of
from emospeech.systems.parts import build_augmenter, synthetic
from emospeech.training import loop

EACH = {
    "apply": "each",
    "probability": 0.5,
    "effects": [
        {"name": "pitch", "probability": 0.25, "semitones": [-3.0, 3.0]},
        {"name": "gaussian_noise", "amplitude": [1e-3, 1e-2]},
        *({"name": name} for name in EFFECTS if name not in ("pitch", "gaussian_noise")),
    ],
}
SPEECH = {
    "encoder": "log_mel_cnn",
    "options": {"width": 8, "bands": 16, "channels": [4], "dropout": 0.0, "time_masks": 1, "frequency_masks": 1},
    "crop_seconds": 0.3,
    "augment": EACH,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Tones of three labels by six speakers; of half of the clips the gender is known."""
    folder = tmp_path_factory.mktemp("corpus")
    lines = ["file_name,label,speaker,gender"]
    for k in range(36):
        time = np.arange(3200 + 200 * k) / audio.SAMPLE_RATE
        noise = np.random.default_rng(k).standard_normal(len(time))
        tone = 0.2 * np.sin(2 * np.pi * 300 * (1 + k % 3) * time) + 0.02 * noise
        soundfile.write(folder / f"{k:02d}.wav", tone, audio.SAMPLE_RATE, subtype="FLOAT")
        lines.append(f"{k:02d}.wav,{('joy', 'fear', 'anger')[k % 3]},s{k // 6},{('f', 'm', '', '')[k % 4]}")
    (folder / "metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def plain(tmp_path, corpus):
    def make(name, **train):
        return {
            "name": name,
            "runs_dir": str(tmp_path),
            "data": {
                "corpus": "audiofolder",
                "root": str(corpus),
                "tasks": ["gender"],
                "split": {"dev_speakers": ["s4"], "test_speakers": ["s5"]},
            },
            "speech": SPEECH,
            "model": {"dropout": 0.0, "head": {"blocks": 1, "width": 8, "dropout": 0.0}},
            "train": {
                "epochs": 3,
                "batch_size": 7,
                "optimizer": {"lr": 0.01},
                "mixup": {"alpha": 0.4, "probability": 0.7},
                "trackers": [],
                **train,
            },
        }

    return make


def trained(recipe, folder):
    experiments.run(recipe)
    return load_file(folder / recipe.name / "model" / "model.safetensors")


def recipe_of(plain):
    return config.validate(plain, "recipe", build.CHECKS)


def test_resumed_is_uninterrupted(plain, tmp_path, run_in_pieces):
    expected = trained(recipe_of(plain("whole")), tmp_path)
    np.random.seed(7)  # noqa: NPY002 - the global generators are in another state, and decide nothing
    run_in_pieces(recipe_of(plain("stopped")), 4)
    again = load_file(tmp_path / "stopped" / "model" / "model.safetensors")
    assert all(torch.equal(expected[key], again[key]) for key in expected)


@pytest.mark.slow
def test_loaders_change_nothing(plain, tmp_path):
    one, two = (trained(recipe_of(plain(f"workers{n}", workers=n)), tmp_path) for n in (0, 2))
    assert all(torch.equal(one[key], two[key]) for key in one)


PICTURES = {"size": 32, "bands": 16, "width": 2, "fc_width": 8, "dropout": 0.0, "time_masks": 2, "frequency_masks": 2}


@pytest.mark.slow
@pytest.mark.parametrize("masked", [False, True])
def test_one_process_or_two(plain, tmp_path, tiny_xlsr, masked):
    """Batches of 7, and the last of 3; the mixed targets of a step are shared between processes as its clips are, and
    a clip's masks are its own.

    Without batch norm, whose statistics are of each process.
    """
    encoder = {"encoder": "deep_spectrum", "options": PICTURES} if masked else {"encoder": str(tiny_xlsr)}
    speech = {**encoder, "crop_seconds": 0.3, "augment": EACH}
    histories, weights = [], []
    for count, accumulation in ((1, 1), (2, 1 + masked)):
        path = tmp_path / f"with{count}.yaml"
        recipe = {**plain(f"with{count}", accumulation=accumulation), "speech": speech}
        path.write_text(json.dumps(recipe), encoding="utf-8")
        launcher = [sys.executable, "-m"]
        if count > 1:
            launcher += ["torch.distributed.run", "--standalone", f"--nproc_per_node={count}", "-m"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run(
            [*launcher, "emospeech", "train", str(path)],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / f"with{count}" / "metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line)["train_loss"] for line in lines])
        weights.append(load_file(tmp_path / f"with{count}" / "model" / "model.safetensors"))
    assert len(histories[0]) == 3
    assert histories[1] == pytest.approx(histories[0], abs=1e-5)
    torch.testing.assert_close(weights[1], weights[0], rtol=0, atol=1e-3)


def test_a_loss_that_is_no_number_names_the_partner_too(plain, tmp_path, corpus, monkeypatch):
    """A clip that is met first as another's partner is full of what is no number."""
    recipe = recipe_of({**plain("run"), "speech": {**SPEECH, "augment": None}})
    met = []
    with monkeypatch.context() as patched:
        patched.setattr(loop._Run, "step", lambda _, micro, __: met.extend(micro[0].heard) or seen())
        with pytest.raises(RuntimeError, match="seen"):
            experiments.run(recipe)
    own = [row for row, _ in met]
    row, partner = next((row, other) for row, other in met if other is not None and other not in own)
    ids = experiments_rows(recipe, "train")["id"]
    load = AudioMemory.load
    monkeypatch.setattr(
        AudioMemory, "load", lambda memory, path: load(memory, path) * (np.nan if path.endswith(ids[partner]) else 1)
    )
    with pytest.raises(WorkError, match=r"the loss is not finite at step 0") as error:
        experiments.run(recipe, overwrite=True)
    named = str(error.value).split("its clips: ")[1].split(". Of the")[0].split(", ")
    assert f"{ids[row]} mixed with {ids[partner]}" in named
    assert [each.split()[0] for each in named] == [ids[one] for one in own]
    assert all((" mixed with " in each) == (other is not None) for each, (_, other) in zip(named, met, strict=True))


def seen():
    raise RuntimeError("seen")


def test_dev_and_test_are_heard_as_they_are(plain, tmp_path, monkeypatch):
    """An effect that would end the run is met in training, and nowhere else."""
    recipe = recipe_of(plain("run"))
    system = build.build(recipe, {"label": ["anger", "fear", "joy"], "gender": ["f", "m"]})
    system.assemble(tmp_path)
    rows = experiments_rows(recipe)
    feed = system._feed(None)
    raised = build_augmenter(recipe.speech.augment)
    monkeypatch.setattr(type(raised), "heard", lambda *_: (_ for _ in ()).throw(RuntimeError("augmented")))
    heard = feed.heard_whole(rows)
    assert heard.augment is None
    assert heard.partners is None
    assert len(list(feed.to_evaluate(rows, 0, 1).batches())) > 0
    with pytest.raises(RuntimeError, match="augmented"):
        next(iter(feed.batches(feed.for_training(rows, system.tasks, raised), [[ticket(0)]])))


def ticket(row):
    from emospeech.data.examples.batching import Ticket

    return Ticket(row, 0)


def experiments_rows(recipe, part="dev") -> pd.DataFrame:
    from emospeech.experiments import rows

    return getattr(rows.load(recipe), part)


# -- recipes -----------------------------------------------------------------------------------------------------


def faults(plain):
    with pytest.raises(UserError) as error:
        recipe_of(plain)
    return str(error.value)


def test_mixup_of_what_cannot_be_mixed(plain, tiny_xlsr):
    base = plain("run")
    text = {"encoder": "subword_transformer"}
    assert "train: mixup: it mixes waveforms and their labels, and a transcript" in faults({**base, "text": text})
    frozen = {**base, "speech": {"encoder": str(tiny_xlsr)}, "cache": {}}
    assert "the states of frozen speech are stored of single clips; give cache: null" in faults(frozen)
    recipe_of({**frozen, "cache": None})
    recipe_of({**base, "cache": {}})  # of speech from scratch nothing is stored
    assert "train.mixup.alpha: should be greater than 0" in faults(plain("run", mixup={"alpha": 0.0}))
    assert "train.mixup.probability" in faults(plain("run", mixup={"probability": 2.0}))


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        ({"effects": [{"name": "pitch", "semitones": [3.0, -3.0]}]}, "semitones should be two numbers"),
        (
            {"effects": [{"name": "pitch", "semitones": "high"}]},
            "a sequence value, got 'high'",
        ),
        ({"effects": [{"name": "pitch", "cents": [1.0, 2.0]}]}, "pitch: unknown option cents; known: semitones"),
        ({"effects": [{"name": "gain", "probability": 0.5}]}, "gain with a probability of its own, but apply: one"),
        ({"apply": "each", "effects": [{"name": "gain", "probability": 1.5}]}, "effects.0.probability: should be less"),
        ({"effects": [{"name": "noise", "folder": "/nowhere"}]}, "effects.0: noise: /nowhere holds no sound files"),
        ({"effects": [{"name": "time_mask", "floor_db": 3.0}]}, "floor_db should be -100 to 0, got 3.0"),
        ({"effects": [7]}, "speech.augment.effects.0: "),
        ({"effects": []}, "speech.augment.effects: "),
    ],
)
def test_faults_of_the_section(plain, augment, expected):
    base = plain("run")
    assert expected in faults({**base, "speech": {**SPEECH, "augment": augment}})


def section(plain, augment):
    return recipe_of({**plain("run"), "speech": {**SPEECH, "augment": augment}}).speech.augment


def test_flat_words_are_what_effects_do_not_say_themselves(plain):
    wanted = section(
        plain,
        {
            "effects": ["speed", {"name": "noise", "snr_db": [0.0, 1.0]}, {"name": "noise"}, "reverb"],
            "speeds": [1.2],
            "snr_db": [20.0, 10.0],
        },
    )
    speed, own, flat, reverb = build_augmenter(wanted).effects
    assert list(speed.factors) == [1.2]
    assert list(own.snr_db) == [0.0, 1.0]
    assert list(flat.snr_db) == [10.0, 20.0], "in whichever order the older words are"
    assert reverb.folder is None
    assert synthetic(wanted) == ["noise", "reverb"]


def test_stored_views_of_older_recipes_keep_their_names(plain):
    """Their keys are digests of this."""
    assert effects_of(section(plain, {"probability": 0.3})) == {
        "effects": ["speed", "reverb", "noise"],
        "speeds": [0.9, 1.1],
        "snr_db": [15.0, 25.0],
        "impulse_folder": None,
        "noise_folder": None,
    }


def test_stored_views_differ_by_all_that_is_done(plain, tmp_path):
    sound = 0.1 * np.random.default_rng(0).standard_normal(8000)
    soundfile.write(tmp_path / "a.wav", sound, audio.SAMPLE_RATE)
    gain = {"name": "gain"}
    variants = [
        {"effects": [gain]},
        {"effects": [{**gain, "db": [-3.0, 3.0]}]},
        {"apply": "each", "effects": [gain]},
        {"apply": "each", "effects": [gain], "probability": 0.1},
        {"apply": "each", "effects": [{**gain, "probability": 0.2}]},
        {"effects": [{"name": "noise"}]},
        {"effects": [{"name": "noise", "folder": str(tmp_path)}]},
        {"effects": [{"name": "noise", "snr_db": [1.0, 2.0]}]},
    ]
    told = [json.dumps(effects_of(section(plain, one)), sort_keys=True) for one in variants]
    assert len(set(told)) == len(variants)
    assert str(tmp_path) not in "".join(told), "a folder counts by what it holds"
    often = section(plain, {"effects": [{**gain, "db": [-3.0, 3.0]}], "probability": 0.1})
    assert json.dumps(effects_of(often), sort_keys=True) == told[1], "how often is drawn in training"
