"""Who may work in a run folder, and what it tells."""

import json
import subprocess
import sys

import pytest

from emospeech.runtime import runs
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder

CONFIG = "name: a\ntrain:\n  seed: 1\n  epochs: 3\n"


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "runs" / "a")


@pytest.fixture
def started(run):
    runs.begin(run, CONFIG, seed=1, hardware={})
    return run


def check(run, config=CONFIG, resume=False, overwrite=False):
    runs.refuse_or_continue(run, config, resume=resume, overwrite=overwrite)


# -- refuse or continue ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_a_new_folder_is_free(run, how):
    check(run, **how)
    run.path.mkdir(parents=True)
    check(run, **how)


def test_what_an_earlier_attempt_left_is_no_run_yet(run):
    run.path.mkdir(parents=True)
    run.bad_audio.touch()
    (run.path / ".lock").touch()
    check(run)


def test_a_run_is_not_overwritten_unasked(started):
    with pytest.raises(UserError, match=r"holds a run already; continue it with --resume, replace it with --overwrite"):
        check(started)
    check(started, resume=True)
    check(started, overwrite=True)


def test_resume_with_another_recipe_shows_the_difference(started):
    with pytest.raises(UserError, match="was started with another recipe") as error:
        check(started, CONFIG.replace("seed: 1", "seed: 2"), resume=True)
    assert str(error.value).splitlines()[1:-1] == ["-  seed: 1", "+  seed: 2"]
    check(started, CONFIG.replace("seed: 1", "seed: 2"), overwrite=True)


def test_resume_and_overwrite_exclude_each_other(run):
    with pytest.raises(UserError, match="exclude each other"):
        check(run, resume=True, overwrite=True)


@pytest.mark.parametrize("how", [{}, {"resume": True}, {"overwrite": True}])
def test_somebody_elses_folder_is_left_alone(run, how):
    run.path.mkdir(parents=True)
    (run.path / "thesis.tex").touch()
    with pytest.raises(UserError, match="exists and is not a run folder; choose another"):
        check(run, **how)


def test_a_folder_that_happens_to_hold_a_config_is_not_emptied(run):
    """`--overwrite` empties a folder, so one file of a common name is not proof enough."""
    run.path.mkdir(parents=True)
    run.config.write_text("of: another program")
    (run.path / "thesis.tex").touch()
    with pytest.raises(UserError, match=r"has a config\.yaml but no environment\.json, so it may not be a run folder"):
        check(run, overwrite=True)


def test_a_file_in_the_runs_place(run):
    run.path.parent.mkdir()
    run.path.touch()
    with pytest.raises(UserError, match="is a file; a run needs a folder of that name"):
        check(run)


# -- what is in it -----------------------------------------------------------------------------------------------


def test_clear_empties_all_but_the_lock(started):
    (started.path / ".lock").touch()
    started.checkpoints.mkdir()
    (started.checkpoints / "step").touch()
    runs.clear(started)
    assert [path.name for path in started.path.iterdir()] == [".lock"]


def test_started_and_finished(started):
    assert started.started
    assert not started.finished
    started.scores.touch()
    assert not started.finished
    started.model.mkdir()
    assert started.finished


def test_a_resumed_run_adds_its_environment(started, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    runs.begin(started, CONFIG, seed=1, hardware={"gpus": 2})
    first, second = json.loads(started.environment.read_text())
    assert started.config.read_text() == CONFIG
    assert first["seed"] == second["seed"] == 1
    assert first["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert first["versions"]["numpy"] is not None
    assert second["hardware"]["gpus"] == 2
    assert second["slurm"] == {"SLURM_JOB_ID": "42"}


def test_the_commit_of_a_checkout(tmp_path, monkeypatch):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    code = tmp_path / "package" / "runs.py"
    code.parent.mkdir()
    code.touch()
    monkeypatch.setattr(runs, "__file__", str(code))
    assert runs._commit() is None  # no checkout

    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "other.txt").touch()
    subprocess.run([*git, "add", "other.txt"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    assert runs._commit() is None  # somebody else's checkout, in which an environment happens to lie

    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "two"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert runs._commit() == head
    code.write_text("changed")
    assert runs._commit() == head + "+"
