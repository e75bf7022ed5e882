"""slurm/benchmark.sh: the tasks of an array share the folds of one benchmark."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from .conftest import ROOT, Job, Submit

pytestmark = pytest.mark.slurm
SCRIPT = ROOT / "slurm" / "benchmark.sh"
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
    for task in tasks:
        assert task.wait().exit_code == 0, task.log
    run = tmp_path / "small"
    table = pd.read_csv(run / "table.csv")
    assert table[["system", "rows"]].to_numpy().tolist() == [["lr", 69], ["svm", 69]]
    begun = [[line for line in task.log.splitlines() if line.startswith("-- ")] for task in tasks]
    units = [line for own in begun for line in own]
    assert len(units) == len(set(units)) == 8, "no fold is done twice"
    printed = [task.log[task.log.index("k: 69 rows tested, 4 folds") :] for task in tasks]
    assert printed[0] == printed[1]


def test_what_an_array_cannot_do(submit: Submit, recipe: Path, tmp_path: Path) -> None:
    job = submit(str(recipe), "--overwrite", script=SCRIPT).wait()
    assert job.exit_code == 2
    assert "--overwrite: a task would empty what others work in" in job.log
    job = submit("runs_dir=x", script=SCRIPT).wait()
    assert job.exit_code == 2
    assert "no recipe is named" in job.log
