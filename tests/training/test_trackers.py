"""What trackers are told, and that they end with their fit."""

from contextlib import suppress
from types import SimpleNamespace

import pytest
from accelerate import Accelerator

from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder
from emospeech.training import trackers
from emospeech.training.trackers import Fit, tracking, wandb_options

RECIPE = {"name": "mine", "train": {"seed": 3}}


@pytest.fixture
def fit(tmp_path):
    def fit(stage="dev"):
        return Fit(RunFolder(tmp_path / "run"), stage, "mine", RECIPE)

    return fit


def test_what_wandb_is_told(fit, tmp_path):
    told = wandb_options(fit())
    assert told["name"] == "mine"
    assert told["config"] == RECIPE
    assert told["dir"] == str(tmp_path / "run")
    assert told["resume"] == "allow"
    assert wandb_options(fit())["id"] == told["id"], "a resumed fit goes on with its run"
    refit = wandb_options(fit("refit"))
    assert refit["name"] == "mine refit"
    assert refit["id"] != told["id"]


def test_a_run_that_starts_afresh_is_another_one(fit):
    from emospeech.runtime import runs

    first = wandb_options(fit())["id"]
    runs.clear(fit().run)
    assert wandb_options(fit())["id"] != first


def test_tensorboard_has_a_folder_a_stage(fit, tmp_path):
    accelerator = Accelerator(cpu=True)
    for stage in ("dev", "refit"):
        with tracking(accelerator, ["tensorboard"], fit(stage)):
            assert len(accelerator.trackers) == 1
            accelerator.log({"score": 0.5}, step=1)
        assert accelerator.trackers == []
    files = sorted(path.parent.name for path in (tmp_path / "run/tensorboard").rglob("events*"))
    assert files == ["dev", "refit"]


class Recorder:
    """A tracker that notes what happens to it."""

    name = "recorder"

    def __init__(self, fault=None):
        self.fault, self.events = fault, []

    def start(self):
        if self.fault:
            raise self.fault
        self.events.append("start")

    def finish(self):
        self.events.append("finish")


def test_trackers_end_also_with_an_error(fit, monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(trackers.TRACKERS, "wandb", lambda fit: recorder)
    accelerator = SimpleNamespace(is_main_process=True, trackers=[])
    with suppress(ZeroDivisionError), tracking(accelerator, ["wandb"], fit()):
        assert accelerator.trackers == [recorder]
        raise ZeroDivisionError
    assert recorder.events == ["start", "finish"]
    assert accelerator.trackers == []


def test_a_tracker_that_cannot_start(fit, monkeypatch):
    good, bad = Recorder(), Recorder(RuntimeError("no API key"))
    monkeypatch.setattr(trackers, "TRACKERS", {"tensorboard": lambda fit: good, "wandb": lambda fit: bad})
    accelerator = SimpleNamespace(is_main_process=True, trackers=[])
    with (
        pytest.raises(UserError, match=r"train\.trackers: recorder cannot start: no API key"),
        tracking(accelerator, ["tensorboard", "wandb"], fit()),
    ):
        pass
    assert good.events == ["start", "finish"]
    assert bad.events == []


def test_only_the_main_process_tracks(fit, tmp_path):
    accelerator = SimpleNamespace(is_main_process=False, trackers=[])
    with tracking(accelerator, ["tensorboard", "wandb"], fit()):
        assert accelerator.trackers == []
    assert not (tmp_path / "run").exists()


def test_wandb_offline(fit, tmp_path, monkeypatch):
    """What the real client writes, where it is installed."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.chdir(tmp_path)
    accelerator = Accelerator(cpu=True)
    with tracking(accelerator, ["wandb"], fit()):
        run = accelerator.trackers[0].run
        told = (run.project, run.name, run.id, dict(run.config))
        accelerator.log({"score": 0.5}, step=1)
    assert told == ("emospeech", "mine", (tmp_path / "run/wandb/dev.id").read_text(), RECIPE)
    assert list((tmp_path / "run/wandb").glob(f"offline-run-*/run-{told[2]}.wandb"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"], "nothing beside the run folder"
