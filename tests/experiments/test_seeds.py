"""Several seeds in one command: what is refused, what is left, and what is summed up."""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.experiments import seeds
from emospeech.experiments.run import Result
from emospeech.runtime.errors import Interrupted, UserError
from emospeech.runtime.runs import RunFolder

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 100, depth: 1, heads: 2}}
model: {head: {blocks: 0}}
train: {epochs: 2, batch_size: 8, optimizer: {lr: 0.01}, trackers: []}
"""


@pytest.fixture
def folder(tmp_path, challenge, monkeypatch) -> Path:
    """Where the runs go; the recipe lies in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    return tmp_path / "runs" / "r"


def train(seeds, *options):
    return main(["train", "r.yaml", f"train.seed={seeds}", *options])


def outcome(folder):
    """What must not depend on how the runs came about."""
    names = ("scores.json", "metrics.jsonl", "dev_predictions.csv", "model/model.safetensors")
    files = [folder / "seeds.json", folder / "seeds.csv", *(run / n for run in folder.glob("seed_*") for n in names)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# -- the summary -------------------------------------------------------------------------------------------------


def result(root, seed, split="id,split\na,dev\n", **scores):
    path = root / f"seed_{seed}"
    path.mkdir(parents=True)
    (path / "split.csv").write_text(split)
    return Result(RunFolder(path), {part: {"macro_f1": f1} for part, f1 in scores.items()})


def test_mean_and_standard_deviation_by_hand(tmp_path):
    results = {seed: result(tmp_path, seed, dev=dev, test=test) for seed, dev, test in ((3, 0.5, 0.2), (1, 0.7, 0.6))}
    summary = seeds.summed_up(results)
    assert summary.mean == pytest.approx({"dev": 0.6, "test": 0.4})
    assert summary.deviation == pytest.approx({"dev": 0.02**0.5, "test": 0.08**0.5})  # over n - 1
    assert list(seeds.lines(summary)) == [
        "seed              dev macro-F1       test macro-F1",
        "3                       0.5000              0.2000",
        "1                       0.7000              0.6000",
        "mean ± sd      0.6000 ± 0.1414     0.4000 ± 0.2828",
    ]


def test_one_seed_has_no_deviation(tmp_path):
    summary = seeds.summed_up({7: result(tmp_path, 7, dev=0.5)})
    assert summary.deviation == {"dev": None}
    assert list(seeds.lines(summary))[-1].split() == ["mean", "±", "sd", "0.5000", "±", "-"]


def test_runs_on_other_rows_have_no_common_mean(tmp_path):
    results = {1: result(tmp_path, 1, dev=0.5), 2: result(tmp_path, 2, split="id,split\nb,dev\n", dev=0.7)}
    with pytest.raises(UserError, match="seed_2: trained or scored on other rows than seed_1"):
        seeds.summed_up(results)


# -- the road ----------------------------------------------------------------------------------------------------


def test_a_run_each_and_a_summary(folder, capsys):
    assert train("[3,1]") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split("macro-F1")[0].split() for line in said[:2]] == [["seed", "3", "dev"], ["seed", "1", "dev"]]
    scores = {seed: json.loads((folder / f"seed_{seed}/scores.json").read_text())["dev"] for seed in (3, 1)}
    f1 = [scores[seed]["macro_f1"] for seed in (3, 1)]
    kept = json.loads((folder / "seeds.json").read_text())
    assert kept == {
        "seeds": [{"seed": n, "run": f"seed_{n}", "dev_macro_f1": one} for n, one in zip((3, 1), f1, strict=True)],
        "dev_macro_f1": {"mean": pytest.approx(sum(f1) / 2), "standard_deviation": pytest.approx(statistics.stdev(f1))},
    }
    assert pd.read_csv(folder / "seeds.csv").to_dict("records") == kept["seeds"]
    assert said[-1] == "runs: runs/r"
    assert re.fullmatch(r"mean ± sd +\d\.\d{4} ± \d\.\d{4}", said[-2])
    splits = {(folder / f"seed_{seed}/split.csv").read_bytes() for seed in (3, 1)}
    assert len(splits) == 1, "the same dev set under each seed"
    weights = {(folder / f"seed_{seed}/model/model.safetensors").read_bytes() for seed in (3, 1)}
    assert len(weights) == 2


def test_a_list_of_one_is_several_runs_too(folder, capsys):
    assert train("[5]") == 0
    assert json.loads((folder / "seeds.json").read_text())["dev_macro_f1"]["standard_deviation"] is None
    assert train("5", "name=single") == 0
    single = (folder.parent / "single/model/model.safetensors").read_bytes()
    assert (folder / "seed_5/model/model.safetensors").read_bytes() == single, "a seed's run is the run of that seed"
    assert not (folder.parent / "single/seeds.json").exists()


def test_seeds_can_be_added(folder, capsys):
    assert train("[1]") == 0
    before = (folder / "seed_1/environment.json").read_bytes()
    assert train("[1,2]") == 2
    assert "go on with --resume" in capsys.readouterr().err
    assert train("[1,2]", "--resume") == 0
    assert (folder / "seed_1/environment.json").read_bytes() == before, "what is finished is left alone"
    assert pd.read_csv(folder / "seeds.csv")["seed"].tolist() == [1, 2]


def test_a_single_run_of_that_name_is_in_the_way(folder, capsys):
    assert train("1") == 0
    for option in ([], ["--resume"], ["--overwrite"]):
        capsys.readouterr()
        assert train("[1,2]", *option) == 2
        assert "runs/r is a single run, so runs of several seeds cannot go into it" in capsys.readouterr().err
    assert not (folder / "seed_1").exists()


def test_all_runs_in_the_way_are_named_before_the_first_starts(folder, capsys):
    assert train("[2,3]") == 0
    (folder / "seeds.json").unlink()
    capsys.readouterr()
    assert train("[1,2,3]") == 2
    message = capsys.readouterr().err
    assert "runs/r/seed_2 holds a run already" in message
    assert "runs/r/seed_3 holds a run already" in message
    assert train("[1,2]", "train.epochs=3", "--resume") == 2
    assert "seed_2 was started with another recipe" in capsys.readouterr().err
    assert train("[1]", "--resume", "--overwrite") == 2
    assert not (folder / "seed_1").exists()


def test_a_folder_of_several_runs_is_no_run(folder, challenge, capsys):
    assert train("[1,2]") == 0
    table = str(challenge / "EmoSPeech_phase_2_test_public.csv")
    assert main(["submit", "runs/r", "--test", table, "-o", "s.csv"]) == 2
    assert "runs/r holds several runs; name one of them: runs/r/seed_1, runs/r/seed_2" in capsys.readouterr().err
    assert main(["submit", "runs/r/seed_2", "--test", table, "-o", "s.csv"]) == 0


# -- stopped and resumed -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_stopped_in_the_second_seed_and_resumed_is_the_same(folder):
    """Stopped from outside, as Ctrl-C does."""
    arguments = ["[1,2,3]", "train.epochs=12"]
    assert train(*arguments, "name=whole") == 0
    command = [sys.executable, "-m", "emospeech", "train", "r.yaml", f"train.seed={arguments[0]}", arguments[1]]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (folder / "seed_2/metrics.jsonl").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "--resume goes on" in said
    assert not (folder / "seed_2/scores.json").exists()
    assert not (folder / "seed_3").exists()
    assert not (folder / "seeds.json").exists()
    assert train(*arguments, "--resume") == 0
    assert outcome(folder) == outcome(folder.parent / "whole")


def test_overwriting_that_was_stopped_leaves_no_old_run_to_be_taken_for_a_new_one(folder, monkeypatch):
    assert train("[1,2,3]") == 0
    before = outcome(folder)
    single = seeds.experiment.run

    def stopped_at_seed_2(recipe, *arguments):
        if recipe.train.seed == 2:
            raise Interrupted("stopped")
        return single(recipe, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(seeds.experiment, "run", stopped_at_seed_2)
        assert train("[1,2,3]", "--overwrite") == 1
    left = {path.parent.name for path in folder.glob("*/scores.json")}
    assert left == {"seed_1"}
    assert not (folder / "seeds.json").exists()
    assert train("[1,2,3]", "--resume") == 0
    assert outcome(folder) == before


def test_overwriting_that_cannot_begin_keeps_the_old_runs(folder, make_challenge, capsys):
    root = make_challenge(folder.parents[1] / "mine", audio=False)
    assert train("[1,2]", f"data.root={root}") == 0
    table = root / "EmoSPeech_phase_2_train.csv"
    table.write_text(table.read_text().replace("label", "emotion", 1))
    assert train("[1,2]", f"data.root={root}", "--overwrite") == 2
    assert (folder / "seed_1/scores.json").exists()
    assert (folder / "seed_2/scores.json").exists()


@pytest.mark.slow
def test_several_processes_say_and_write_it_once(folder):
    launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "emospeech"]
    done = subprocess.run(
        [sys.executable, "-m", *launcher, "train", "r.yaml", "train.seed=[1,2]"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("mean ± sd") == 1
    assert done.stdout.count("seed 2  dev") == 1
    assert pd.read_csv(folder / "seeds.csv")["seed"].tolist() == [1, 2]
