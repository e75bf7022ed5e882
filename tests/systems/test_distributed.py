"""One process and several with the same global batch are the same training."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

from emospeech.encoders.store.shards import Shard

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
text:
  encoder: subword_transformer
  options: {width: 16, vocabulary: 120, depth: 1, heads: 2, dropout: 0.0, token_dropout: 0.0}
model: {dropout: 0.0, head: {blocks: 1, width: 16, dropout: 0.0}}
train: {epochs: 4, batch_size: 7, optimizer: {lr: 0.01}, trackers: []}
"""


def train(folder, processes, *overrides):
    launcher = [sys.executable, "-m"]
    if processes > 1:
        launcher += ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}", "-m"]
    command = [*launcher, "emospeech", "train", "recipe.yaml", f"name=with{processes}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture
def folder(tmp_path, challenge):
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    return tmp_path


def same_training(folder, processes, *overrides):
    """One process and so many: each step's loss and each validation alike, each row of dev predicted once, in order."""
    histories, predictions = [], []
    for count in (1, processes):
        done = train(folder, count, "train.validate_every=1", *overrides)
        assert done.returncode == 0, done.stderr
        run = folder / f"runs/with{count}"
        histories.append([json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()])
        predictions.append(pd.read_csv(run / "dev_predictions.csv"))
    for one, many in zip(*histories, strict=True):
        assert many["train_loss"] == pytest.approx(one["train_loss"], abs=1e-5)
        assert many["dev_loss"] == pytest.approx(one["dev_loss"], abs=1e-4)
        assert many["dev_macro_f1"] == one["dev_macro_f1"]
    pd.testing.assert_frame_equal(predictions[0], predictions[1], rtol=0, atol=1e-4)
    environment = json.loads((folder / f"runs/with{processes}/environment.json").read_text())
    assert environment[0]["hardware"]["processes"] == processes
    split = pd.read_csv(folder / f"runs/with{processes}/split.csv")
    assert predictions[1]["id"].tolist() == split["id"][split["split"] == "dev"].tolist()
    return [entry["step"] for entry in histories[1]]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_same_losses_and_every_prediction_once(folder, processes):
    """Batches of 7, the last of an epoch of 1: uneven shares, and processes that have nothing to do."""
    assert same_training(folder, processes) == list(range(1, 21))


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [2, 4])
def test_fewer_rows_than_processes(folder, spanish_sentences, batch_size):
    """Nine rows train, one is dev: steps and validations with one row, or two, for three processes."""
    parts = ["train"] * 9 + ["dev"]
    rows = [f'{k}.wav,{"joy" if k % 3 else "fear"},"{spanish_sentences[k % 6]}",{part}' for k, part in enumerate(parts)]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label,transcription,split", *rows]), encoding="utf-8")
    for k in range(10):
        (folder / f"{k}.wav").touch()
    text = RECIPE.replace("{corpus: emospeech2024, root: ROOT}", "{corpus: audiofolder, root: .}")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    steps = same_training(folder, 3, f"train.batch_size={batch_size}", "train.loss.class_weights=inverse")
    assert len(steps) == 4 * -(-9 // batch_size)


@pytest.mark.slow
@pytest.mark.parametrize("only", ["head", "all"])
def test_a_second_stage_is_the_same(folder, only):
    steps = same_training(folder, 2, f"train.balanced_stage={{epochs: 2, only: {only}, lr: 0.01}}")
    assert steps == list(range(1, 31)), "20 of the first stage, 10 of the second"


BOTH = """
speech: {encoder: ENCODER, layers: weighted}
model: {dropout: 0.0, modality_dropout: DROP, fusion: FUSION, head: {blocks: 1, width: 16, dropout: 0.0}}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fusion", "modality_dropout"),
    [
        ("{name: late, weights: learned}", 0.5),
        ("{name: cross_attention, dropout: 0.0}", 0.0),
        ("gated", 0.0),
    ],
)
def test_fusions_of_both_modalities(folder, tiny_xlsr, challenge, fusion, modality_dropout):
    """A step whose share has lost a modality still gives every parameter a gradient, or processes would wait."""
    plain = RECIPE.replace("ROOT", str(challenge)).replace("model: {dropout: 0.0, head", "unused: {head")
    own = BOTH.replace("ENCODER", str(tiny_xlsr)).replace("FUSION", fusion).replace("DROP", str(modality_dropout))
    text = "\n".join(line for line in plain.splitlines() if not line.startswith("unused")) + own
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    histories = []
    for count in (1, 2):
        done = train(folder, count, "train.epochs=2")
        assert done.returncode == 0, done.stderr
        lines = (folder / f"runs/with{count}/metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line)["train_loss"] for line in lines])
    assert len(histories[1]) == 2
    if modality_dropout == 0:  # else each process draws for itself
        assert histories[1] == pytest.approx(histories[0], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("compatibility", ["dot", "parametrised"])
def test_pictures(folder, challenge, compatibility):
    """Every weight of deep spectrum gets a gradient in every process, or they would wait."""
    net = f"size: 32, bands: 16, width: 2, fc_width: 8, dropout: 0.0, attention: true, compatibility: {compatibility}"
    speech = f"speech: {{encoder: deep_spectrum, options: {{{net}}}}}"
    text = RECIPE.replace("ROOT", str(challenge)).replace("text:", f"{speech}\ntext:")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    histories = []
    for count in (1, 2):
        done = train(folder, count, "train.epochs=2", "text=null")
        assert done.returncode == 0, done.stderr
        lines = (folder / f"runs/with{count}/metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line)["train_loss"] for line in lines])
    assert histories[1] == pytest.approx(histories[0], abs=1e-4)


@pytest.mark.slow
def test_tasks_weighed_by_what_is_learned(folder, spanish_sentences):
    """Of a task with few labels, some processes have none while others do; of its learned weight all know the same."""
    genders = ["female", "male", "", "", "", "", ""]  # 7 and 6 sentences: another one each time
    lines = [
        f'{k:02d}.wav,{"joy" if k % 3 else "fear"},"{spanish_sentences[k % 6]}",{genders[k % 7]}' for k in range(36)
    ]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label,transcription,gender", *lines]), encoding="utf-8")
    for k in range(36):
        (folder / f"{k:02d}.wav").touch()
    text = RECIPE.replace("{corpus: emospeech2024, root: ROOT}", "{corpus: audiofolder, root: ., tasks: [gender]}")
    text = text.replace("model: {", "model: {trunk: {widths: [8]}, ")
    text = text.replace("train: {", "train: {task_weights: uncertainty, validate_every: 3, ")
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    histories = []
    for processes, accumulation in ((1, 1), (2, 1), (2, 2)):
        done = train(folder, processes, f"train.accumulation={accumulation}", "--overwrite")
        assert done.returncode == 0, done.stderr
        lines = (folder / f"runs/with{processes}/metrics.jsonl").read_text().splitlines()
        learned = ("train_loss", "weight_label", "weight_gender")
        histories.append([[json.loads(line)[name] for name in learned] for line in lines])
    assert histories[0][-1][1] != histories[0][-1][2]
    for history in histories[1:]:
        for one, other in zip(histories[0], history, strict=True):
            assert other == pytest.approx(one, abs=1e-5)


@pytest.mark.slow
def test_from_the_store(folder, tiny_xlsr, tiny_xlmr, challenge):
    """Two processes fill one store between them, and train from it as one process does."""
    text = f"""
data: {{corpus: emospeech2024, root: {challenge}}}
speech: {{encoder: {tiny_xlsr}, layers: weighted, crop_seconds: 0.5, augment: {{probability: 0.6}}}}
text: {{encoder: {tiny_xlmr}}}
model: {{dropout: 0.0, head: {{blocks: 1, width: 16, dropout: 0.0}}}}
train: {{epochs: 4, batch_size: 7, optimizer: {{lr: 0.01}}, trackers: []}}
"""
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    histories, stores = [], []
    for count in (1, 2):
        done = train(folder, count, f"cache={{views: 3, folder: store{count}}}")
        assert done.returncode == 0, done.stderr
        lines = (folder / f"runs/with{count}/metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line)["train_loss"] for line in lines])
        shards = [Shard(path) for path in (folder / f"store{count}").glob("*/*.safetensors")]
        stores.append(sorted(key for shard in shards for key in shard.keys))
    assert histories[1] == pytest.approx(histories[0], abs=1e-5)
    assert stores[1] == stores[0]  # nothing missing, nothing twice


@pytest.mark.slow
def test_a_sampler_and_a_measured_level(folder, challenge, tiny_xlsr):
    """The main process measures for all; every process has its share of one order."""
    text = f"""
data: {{corpus: emospeech2024, root: {challenge}}}
speech: {{encoder: {tiny_xlsr}, crop_seconds: 0.4, gain_dbfs: auto}}
model: {{dropout: 0.0, head: {{blocks: 0}}}}
train: {{epochs: 3, batch_size: 7, sampler: balanced, optimizer: {{lr: 0.01}}, trackers: []}}
"""
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")
    histories, levels = [], []
    for count in (1, 2):
        done = train(folder, count)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("speech.gain_dbfs: auto:") == 1
        lines = (folder / f"runs/with{count}/metrics.jsonl").read_text().splitlines()
        histories.append([json.loads(line)["train_loss"] for line in lines])
        levels.append(json.loads((folder / f"runs/with{count}/model/config.json").read_text())["recipe"]["speech"])
    assert levels[0] == levels[1]
    assert histories[1] == pytest.approx(histories[0], abs=1e-4)


@pytest.mark.slow
def test_a_users_mistake_ends_all_processes_with_one_message(folder):
    (folder / "recipe.yaml").write_text(RECIPE.replace("ROOT", str(folder)), encoding="utf-8")
    done = train(folder, 2)
    assert done.returncode != 0
    assert done.stderr.count("is not the EmoSPeech 2024 folder") == 1
    assert not (folder / "runs").exists()
