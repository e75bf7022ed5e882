"""slurm/crossval.sh and collect.sh by hand: the tasks of an array share the folds of one benchmark."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from .conftest import ROOT, Job, Submit

pytestmark = pytest.mark.slurm
SCRIPT, COLLECT = ROOT / "slurm" / "crossval.sh", ROOT / "slurm" / "collect.sh"
RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [tfidf]}
benchmark:
  protocols: {k: {folds: 4, by: none}}
  rows: {lr: {}, svm: {classical.model: svm_linear}}
"""


@pytest.fixture
def recipe(corpus: Path, tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE.replace("ROOT", str(corpus)), encoding="utf-8")
    return path


@pytest.fixture
def tasks(submit: Submit) -> Iterator[list[Job]]:
    """The array that a test fills; its logs go with it."""
    jobs: list[Job] = []
    yield jobs
    for job in jobs:
        Path(job.field("StdOut")).unlink(missing_ok=True)


def test_two_tasks_share_the_folds(submit: Submit, tasks: list[Job], recipe: Path, tmp_path: Path) -> None:
    array = submit(str(recipe), f"runs_dir={tmp_path}", script=SCRIPT, options=["--array=0-1"])
    tasks += [Job(f"{array.id}_{number}") for number in range(2)]
    words = ["benchmark", str(recipe), f"runs_dir={tmp_path}"]
    table = submit(*words, script=COLLECT, options=[f"--dependency=afterany:{array.id}"])
    for task in tasks:
        assert task.wait().exit_code == 0, task.log
    begun = [line for task in tasks for line in task.log.splitlines() if line.startswith("-- ")]
    assert len(begun) == len(set(begun)) == 8, "no fold is done twice"
    assert table.wait().exit_code == 0, table.log
    assert "k: 69 rows tested, 4 folds" in table.log
    found = pd.read_csv(tmp_path / "small" / "table.csv")
    assert found[["system", "rows"]].to_numpy().tolist() == [["lr", 69], ["svm", 69]]


def test_what_an_array_cannot_do(submit: Submit, recipe: Path, tmp_path: Path) -> None:
    job = submit(str(recipe), "--overwrite", script=SCRIPT).wait()
    assert job.exit_code == 2
    assert "--share goes on with what is there, so it excludes --overwrite" in job.log
    job = submit("runs_dir=x", script=SCRIPT).wait()
    assert job.exit_code == 2
    assert "no recipe is named" in job.log
    job = submit(str(recipe), "runs_dir=x", script=ROOT / "slurm" / "ablations.sh").wait()
    assert job.exit_code == 2
    assert "recipe or grid is not named" in job.log
