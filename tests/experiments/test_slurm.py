"""`--slurm` as typed, with an sbatch and an squeue that only write down what they are asked; nothing runs."""

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from emospeech.cli.main import main
from emospeech.experiments.protocols import pictures
from emospeech.experiments.protocols.units import Unit

# prints 101, 102, …; refuses what is in the file `refused`
SBATCH = """#!/bin/bash
printf '%s\\n' "$*" >> asked
[ ! -f refused ] || ! grep -q "$(cat refused)" <<< "$*" || { echo "sbatch: error: no" >&2; exit 1; }
echo "SBATCH_PARTITION=${SBATCH_PARTITION-}" >> environment
echo "$((100 + $(wc -l < asked)))"
"""
# the states of the tasks, as the file `queue` has them
SQUEUE = """#!/bin/bash
case $(cat queue 2> /dev/null) in
    unknown) echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1 ;;
    down) echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1 ;;
    *) cat queue 2> /dev/null || true ;;
esac
"""


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    monkeypatch.setattr(pictures, "draw", lambda *_: None)


@pytest.fixture
def cluster(folder, monkeypatch):
    """A working folder that is the project's as far as --slurm looks, on a machine with Slurm."""
    Path("slurm").mkdir()
    for name in ("crossval", "ablations", "tuning", "collect"):
        Path(f"slurm/{name}.sh").touch()
    Path("bin").mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE)):
        Path(f"bin/{name}").write_text(text)
        Path(f"bin/{name}").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    Path("g.yaml").write_text("axes: {classical.model: [logistic_regression, lda]}\nseeds: [0, 1]\n", encoding="utf-8")
    return folder


def asked():
    return Path("asked").read_text().splitlines() if Path("asked").exists() else []


def record(run="runs/r"):
    return [json.loads(line) for line in Path(run, "slurm.jsonl").read_text().splitlines()]


def benchmark(*arguments):
    return main(["benchmark", "r.yaml", *arguments])


def test_one_array_and_a_job_that_collects(cluster, capsys):
    assert benchmark("classical.model=lda", "--slurm", "--sbatch=--time=2:00:00 --comment='a b'") == 0
    assert asked() == [
        "--parsable --array=0-3 --output=runs/r/logs/%x-%A_%a.log --time=2:00:00 --comment=a b "
        "slurm/crossval.sh r.yaml classical.model=lda",
        "--parsable --dependency=afterany:101 --output=runs/r/logs/%x-%j.log --time=2:00:00 --comment=a b "
        "slurm/collect.sh benchmark r.yaml classical.model=lda",
    ]
    out = capsys.readouterr().out.splitlines()
    assert out == ["4 units are missing: array 101 of 4 tasks, then job 102 makes the table", "logs: runs/r/logs"]
    (one,) = record()
    assert one.pop("time").endswith("+00:00")
    words = ["benchmark", "r.yaml", "classical.model=lda"]
    assert one == {"array": "101", "collect": "102", "tasks": 4, "units": 4, "command": words}
    assert Path("runs/r/logs").is_dir(), "Slurm makes no folders"
    assert Path("runs/r/config.yaml").exists()
    assert not list(Path("runs/r").rglob("predictions.csv"))


def test_nothing_is_submitted_twice(cluster, capsys):
    assert benchmark("--slurm") == 0
    Path("queue").write_text("RUNNING\nPENDING\nPENDING\n")
    assert benchmark("--slurm") == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert (
        told == "array 101 has not ended (1 running, 2 pending), and job 102 makes the table then; nothing is submitted"
    )
    assert benchmark("--slurm", "--overwrite") == 2
    assert "end it with scancel" in capsys.readouterr().err
    assert len(asked()) == 2
    Path("queue").write_text("down")
    assert benchmark("--slurm") == 1
    assert "squeue does not tell whether array 101 has ended" in capsys.readouterr().err
    assert len(asked()) == 2


@pytest.mark.parametrize("queue", ["", "unknown"])
def test_what_is_missing_alone(cluster, queue, capsys):
    """After an array that did some of it, and once all is done."""
    assert benchmark("--slurm", "--tasks", "2") == 0
    assert "--array=0-1 " in asked()[0]
    Path("queue").write_text(queue)
    run = Unit.run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Unit, "run", lambda self: run(self) if self.fold.name != "s02" else None)
        patch.setattr(
            Unit, "done", property(lambda self: self.fold.name == "s02" or (self.folder / "predictions.csv").exists())
        )
        assert benchmark("--share") == 0
    capsys.readouterr()
    assert benchmark("--slurm") == 0
    assert capsys.readouterr().out.startswith("1 units are missing: array 103 of 1 tasks")
    assert "--array=0-0 " in asked()[2]
    assert [(one["array"], one["tasks"], one["units"]) for one in record()] == [("101", 2, 4), ("103", 1, 1)]
    assert benchmark("--share") == 0
    capsys.readouterr()
    assert benchmark("--slurm", "--json", "all.json") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "all 4 units are done; nothing is submitted"
    assert out[1] == "loso: 24 rows tested, 4 folds"
    assert len(asked()) == 4
    assert json.loads(Path("all.json").read_text())
    assert pd.read_csv("runs/r/table.csv")["system"].tolist() == ["r"]


def test_an_ablation(cluster):
    assert main(["ablate", "r.yaml", "g.yaml", "--slurm", "--json", "all.json"]) == 0
    array, collect = asked()
    assert array == "--parsable --array=0-15 --output=runs/r-g/logs/%x-%A_%a.log slurm/ablations.sh r.yaml g.yaml"
    assert collect.endswith("slurm/collect.sh ablate r.yaml g.yaml --json=all.json")
    assert record("runs/r-g")[0]["units"] == 16


def test_a_search(cluster):
    Path("s.yaml").write_text("trials: 4\nspace: {classical.model.c: {low: 0.1, high: 10.0}}\n", encoding="utf-8")
    assert main(["tune", "r.yaml", "s.yaml", "tune.folds=2", "--slurm"]) == 0
    array, collect = asked()
    assert array.endswith("--array=0-9 --output=runs/r-s/logs/%x-%A_%a.log slurm/tuning.sh r.yaml s.yaml tune.folds=2")
    assert collect.endswith("slurm/collect.sh tune r.yaml s.yaml tune.folds=2")
    assert main(["tune", "r.yaml", "s.yaml", "--slurm", "--nested"]) == 0
    assert asked()[2].startswith("--parsable --array=0-7 --output=runs/r-s-nested/logs/")
    assert asked()[2].endswith("slurm/tuning.sh r.yaml s.yaml --nested")


def test_what_the_site_wants(cluster):
    Path("slurm/site.env").write_text("export SBATCH_PARTITION=short\n")
    assert benchmark("--slurm") == 0
    assert Path("environment").read_text() == "SBATCH_PARTITION=short\n" * 2


def test_sbatch_refuses(cluster, capsys):
    Path("refused").write_text("crossval")
    assert benchmark("--slurm") == 1
    assert "sbatch refused (--array=0-3" in capsys.readouterr().err
    assert not Path("runs/r/slurm.jsonl").exists()
    Path("refused").write_text("collect")
    assert benchmark("--slurm") == 1
    assert "The array 102 is submitted, but nothing collects its table" in capsys.readouterr().err
    assert (record()[0]["array"], record()[0]["collect"]) == ("102", "")


def test_the_table_needs_no_gpu(cluster):
    """It should not wait for one, nor hold it."""
    assert benchmark("--slurm", "--sbatch=-pgpu -G 1 --gres=gpu:1 --mem 8G -c4 --exclusive --time=30 --hold") == 0
    array, table = asked()
    assert " -pgpu -G 1 --gres=gpu:1 --mem 8G -c4 --exclusive --time=30 --hold slurm/crossval.sh r.yaml" in array
    assert "/%x-%j.log -pgpu --time=30 --hold slurm/collect.sh benchmark r.yaml" in table


def test_the_same_command_again_with_a_file_for_its_scores(cluster, capsys):
    """Which the job that collects writes, be it of a part."""
    assert benchmark("--slurm", "--json", "all.json") == 0
    assert "--json=all.json" in asked()[1]
    Path("all.json").write_text("[]")
    assert benchmark("--slurm", "--json", "all.json") == 0
    assert len(asked()) == 4
    Path("mine.json").write_text("[]")
    assert benchmark("name=other", "--slurm", "--json", "mine.json") == 2
    assert "mine.json" in capsys.readouterr().err


def test_ctrl_c_between_the_two_jobs(cluster, capsys):
    """They belong together, and must be known to whoever comes next."""
    Path("bin/sbatch").write_text(SBATCH + f"[ $(wc -l < asked) != 1 ] || kill -INT {os.getpid()}\n")
    assert benchmark("--slurm") == 0
    assert "to end them: scancel 101 102" in capsys.readouterr().err
    assert (record()[0]["array"], record()[0]["collect"]) == ("101", "102")


def test_planning_hears_nothing(cluster, monkeypatch):
    """On a login node: the clips of this corpus are empty files, and Whisper is to write what they say."""
    words = ["text.encoder=subword_transformer", "text.transcripts=whisper", "speech.encoder=log_mel_cnn"]
    assert benchmark("system=neural", "classical=null", *words, "--slurm") == 0
    assert len(asked()) == 2


def test_clips_that_a_task_dropped_are_not_missing(cluster, capsys):
    """A speaker of one clip, which is junk: the task leaves the fold out, and so does who counts later."""
    frame = pd.read_csv("corpus/metadata.csv")
    frame.loc[23, "speaker"] = "s09"
    frame.to_csv("corpus/metadata.csv", index=False)
    words = ["data.on_bad_audio=drop"]
    assert benchmark(*words, "--slurm") == 0
    assert "--array=0-4 " in asked()[0]
    pd.DataFrame({"id": ["023.wav"], "audio": ["023.wav"], "reason": ["junk"]}).to_csv(
        "runs/r/bad_audio.csv", index=False
    )
    assert benchmark(*words, "--slurm") == 0
    assert "--array=0-3 " in asked()[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sbatch=--array=0-7%2"], "--array: --tasks says how many tasks there may be"),
        (["--sbatch=-o x --dependency=1"], "--dependency: the job that collects depends on the array"),
        (["--sbatch=-a0-7"], "-a: --tasks says how many tasks there may be"),
        (["--sbatch=--out=x.log"], "--output: logs go into the run folder"),
        (["--sbatch=-M other"], "-M: jobs are looked after on the cluster"),
        (["--sbatch='"], "cannot be read: No closing quotation"),
        (["--share"], "--share and --slurm exclude each other"),
        (["classical.modl=lda"], "classical.modl: unknown key; did you mean model?"),
        (["benchmark.protocols.loso.by=group"], "protocol loso: no row has a group"),
    ],
)
def test_mistakes_are_told_before_anything_is_submitted(cluster, capsys, words, message):
    assert benchmark("--slurm", *words) == 2
    assert message in capsys.readouterr().err
    assert not asked()
    assert not Path("runs").exists()


def test_without_slurm_and_outside_the_project(folder, monkeypatch, capsys):
    assert benchmark("--slurm") == 2
    assert "has no slurm/collect.sh; give the command in the folder of the emospeech project" in capsys.readouterr().err
    Path("slurm").mkdir()
    Path("slurm/collect.sh").touch()
    Path("bin").mkdir()
    Path("bin/bash").symlink_to(shutil.which("bash"))
    monkeypatch.setenv("PATH", str(folder / "bin"))
    assert benchmark("--slurm") == 2
    assert "no sbatch here; --slurm is for a machine that submits to Slurm" in capsys.readouterr().err


def test_another_recipe_in_the_same_folder(cluster, capsys):
    assert benchmark("--slurm") == 0
    assert benchmark("classical.model=lda", "--slurm") == 2
    assert "was started with another recipe" in capsys.readouterr().err
    assert benchmark("classical.model=lda", "--slurm", "--overwrite") == 0
    assert [one["array"] for one in record()] == ["103"], "the record goes with what it is of"


def test_a_damaged_record_is_named(cluster, capsys):
    assert benchmark("--slurm") == 0
    Path("runs/r/slurm.jsonl").write_text('{"array": "1"}\n')
    assert benchmark("--slurm") == 1
    assert "runs/r/slurm.jsonl is damaged" in capsys.readouterr().err


def submit(told):
    with Path(told).open("w") as stream, contextlib.redirect_stdout(stream):
        sys.exit(benchmark("--slurm"))


def test_two_at_once_submit_one_array(cluster):
    """The second waits for the lock, looks again, and finds the first's array."""
    Path("bin/sbatch").write_text(SBATCH + "echo PENDING > queue; sleep 1\n")
    both = [multiprocessing.get_context("fork").Process(target=submit, args=(f"said{k}",)) for k in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(timeout=120)
    assert [one.exitcode for one in both] == [0, 0]
    said = sorted(Path(f"said{k}").read_text() for k in range(2))
    assert said[0].startswith("4 units are missing: array 101")
    assert said[1].startswith("array 101 has not ended (1 pending)")
    assert len(asked()) == 2
