"""Encoders that train, as typed: on several processes, on real speech."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from emospeech.cli.main import main

# -- several processes ---------------------------------------------------------------------------------------------

OFF = (
    "hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop",
    "hidden_dropout_prob", "attention_probs_dropout_prob",
)  # fmt: skip
MASKS = {"mask_time_prob": 0.4, "mask_time_length": 3, "mask_feature_prob": 0.3, "mask_feature_length": 2}
RECIPE = """
data: {corpus: emospeech2024, root: ROOT, limit: 18}
speech: {encoder: SPEECH, layers: weighted, crop_seconds: 0.5}
text: {encoder: TEXT}
model: {dropout: 0.0, head: {blocks: 1, width: 16, dropout: 0.0}}
train: {epochs: 2, batch_size: 7, optimizer: {lr: 0.01}, trackers: []}
"""


@pytest.fixture
def typed(tmp_path, challenge, tiny_xlsr, tiny_xlmr):
    """words -> the losses of a run on so many processes, with encoders that drop nothing unless told to; speech is
    masked."""
    text = RECIPE.replace("ROOT", str(challenge))
    for word, source in (("SPEECH", tiny_xlsr), ("TEXT", tiny_xlmr)):
        folder = shutil.copytree(source, tmp_path / word)
        plain = json.loads((folder / "config.json").read_text())
        still = {key: 0.0 if key in OFF else plain[key] for key in plain}
        (folder / "config.json").write_text(json.dumps({**still, **(MASKS if word == "SPEECH" else {})}))
        text = text.replace(word, str(folder))
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")

    def run(processes, *words):
        launcher = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
        command = [sys.executable, "-m", *(launcher if processes > 1 else []), "emospeech", "train", "recipe.yaml"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        done = subprocess.run(
            [*command, f"name=with{processes}", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        lines = (tmp_path / f"runs/with{processes}/metrics.jsonl").read_text().splitlines()
        return [json.loads(line)["train_loss"] for line in lines]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("way", ["full", "top:1", "{name: lora, rank: 2}"])
def test_two_processes_are_one(typed, way, tmp_path):
    words = [f"speech.train={way}", f"text.train={way}", "train.gradient_checkpointing=true"]
    one, two = typed(1, *words), typed(2, *words, "train.accumulation=2")
    assert len(one) == 2
    assert two == pytest.approx(one, abs=1e-5)
    alone, shared = (load_file(tmp_path / f"runs/with{count}/model/model.safetensors") for count in (1, 2))
    assert alone.keys() == shared.keys()
    heeded = [name for name in alone if "k_proj.bias" not in name and "key.bias" not in name]  # attention ignores these
    apart = torch.cat([(shared[name] - alone[name]).abs().flatten() for name in heeded])
    # Adam moves a weight whose gradient is no more than the rounding of sums as far as any other, this way or that;
    # where all of an encoder trains there may be such
    assert (apart <= 1e-3).float().mean() >= (0.999 if way == "full" else 1.0)
    assert typed(1, *words, "speech.train.spec_augment=false", "--overwrite") != pytest.approx(one, abs=1e-3)


@pytest.mark.slow
def test_processes_that_drop_other_blocks_do_not_wait_for_each_other(typed):
    losses = typed(
        2, "speech.train={name: full, layerdrop: 0.5}", "text.train=full", "train.epochs=4", "train.precision=bf16"
    )
    assert len(losses) == 4
    assert np.isfinite(losses).all()


# -- as typed, on real speech --------------------------------------------------------------------------------------

ACTED = """
data: {corpus: audiofolder, root: ROOT, limit: 8}
speech: {encoder: SPEECH, layers: weighted, crop_seconds: 1.0}
model: {head: {blocks: 1, width: 16}}
train: {epochs: 1, batch_size: 4, optimizer: {lr: 1.0e-3}, trackers: []}
"""


@pytest.mark.parametrize("way", ["full", "top:2", "lora"])
def test_as_typed_on_real_speech(way, data_folder, tiny_wav2vec2_base, tmp_path, monkeypatch, capsys):
    if not (data_folder / "es_acted").is_dir():
        pytest.skip(f"es_acted is not in {data_folder}")
    monkeypatch.chdir(tmp_path)
    text = ACTED.replace("ROOT", str(data_folder / "es_acted")).replace("SPEECH", str(tiny_wav2vec2_base))
    (tmp_path / "acted.yaml").write_text(text, encoding="utf-8")
    assert main(["train", "acted.yaml", f"speech.train={way}", "train.gradient_checkpointing=true"]) == 0
    assert f"speech {way} " in capsys.readouterr().err
    clips = sorted((data_folder / "es_acted").glob("*.flac"))[:3]
    assert main(["predict", "runs/acted", *map(str, clips), "-o", "out.csv"]) == 0
    assert len(pd.read_csv("out.csv")) == 3


def test_nothing_to_extract(data_folder, tiny_wav2vec2_base, tmp_path, monkeypatch, capsys):
    if not (data_folder / "es_acted").is_dir():
        pytest.skip(f"es_acted is not in {data_folder}")
    monkeypatch.chdir(tmp_path)
    text = ACTED.replace("ROOT", str(data_folder / "es_acted")).replace("SPEECH", str(tiny_wav2vec2_base))
    (tmp_path / "acted.yaml").write_text(text, encoding="utf-8")
    assert main(["extract", "acted.yaml", "speech.train=lora", "cache={}"]) == 2
    assert "there is nothing to store" in capsys.readouterr().err
