"""slurm/multinode.sh: one training on both nodes; and launches that must not go through."""

from pathlib import Path

import pytest

from .conftest import ROOT, Submit
from .test_xlsr_roberta import assert_complete, read_json, settings, validated_steps

pytestmark = pytest.mark.slurm
SCRIPT = ROOT / "slurm" / "multinode.sh"


def test_two_nodes(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    more = {"train.eval_batch_size": "4", "train.batch_size": "15"}  # unequal shares, and a last batch of one clip
    job = submit(*settings(corpus, tmp_path, **more), script=SCRIPT).wait()
    assert job.exit_code == 0, job.log
    run = tmp_path / "demo"
    assert_complete(run, corpus)
    (environment,) = read_json(run / "environment.json")
    assert environment["hardware"]["processes"] == 2
    assert environment["slurm"]["SLURM_JOB_NODELIST"] == "n[1-2]"
    assert validated_steps(run) == [4, 8]


def test_a_users_mistake_ends_all_nodes(submit: Submit, corpus: Path, tmp_path: Path) -> None:
    job = submit(*settings(corpus, tmp_path), "train.epoch=3", script=SCRIPT).wait()
    assert job.exit_code == 2, job.log
    assert "train.epoch: unknown key; did you mean epochs?" in job.log


@pytest.mark.parametrize("asked", [[], ["--gpus=2"], ["--gpus-per-node=2"], ["--gres=gpu:2"]])
def test_gpus_that_torch_does_not_find(submit: Submit, corpus: Path, tmp_path: Path, asked: list[str]) -> None:
    """The cluster's are fakes: better no training than one that nobody asked for. A node of one's own has its GPUs."""
    job = submit(*settings(corpus, tmp_path), options=asked, EMOSPEECH_CPU_PROCESSES="").wait()
    assert job.exit_code == 2, job.log
    assert "this job has 2 GPUs" in job.log
    assert not (tmp_path / "demo").exists()


def test_no_recipe_is_named(submit: Submit) -> None:
    job = submit("train.epochs=1", script=SCRIPT).wait()
    assert job.exit_code == 2
    assert "no recipe is named" in job.log
