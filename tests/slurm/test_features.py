"""slurm/extract.sh: the store that a job fills, by one process or two, at once or in pieces; trainings read it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emospeech.encoders.store import upkeep
from emospeech.encoders.store.shards import Shard

from ..cli.test_store import shards, states
from .conftest import CLIPS, ROOT, Job, Submit, slurm
from .test_requeue import assert_alike
from .test_xlsr_roberta import assert_complete

pytestmark = pytest.mark.slurm
RECIPE = """
data: {corpus: demo, root: ROOT}
speech: {encoder: SPEECH, layers: weighted, crop_seconds: 1.0, augment: {probability: 0.6}}
text: {encoder: TEXT}
model: {head: {blocks: 0}}
train: {epochs: 2, batch_size: 16, trackers: []}
"""
ALL = sum(CLIPS.values())

Extract = Callable[..., Job]


@pytest.fixture(scope="module")
def recipe(corpus: Path, tiny_xlsr: Path, tiny_xlmr: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Encoders that are frozen."""
    text = RECIPE.replace("ROOT", str(corpus)).replace("SPEECH", str(tiny_xlsr)).replace("TEXT", str(tiny_xlmr))
    path = tmp_path_factory.mktemp("recipe") / "frozen.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def extract(submit: Submit, recipe: str) -> Extract:
    def extract(store: Path, views: int, processes: int = 2) -> Job:
        words = [recipe, f"cache.folder={store}", f"cache.views={views}"]
        return submit(*words, script=ROOT / "slurm" / "extract.sh", EMOSPEECH_CPU_PROCESSES=str(processes))

    return extract


def utterances(store: Path, views: int) -> dict[str, int]:
    """Of each kind what is in the store, of which all is sound; speech is to be there in so many views."""
    assert not [fault for checked in upkeep.verify(store) for fault in (*checked.damaged, *checked.unreadable)]
    found = {one.name.split("-")[0]: one.utterances for one in upkeep.listed(store)}
    assert found["speech"] == ALL + (views - 1) * CLIPS["train"]
    return found


def test_two_processes_fill_what_a_training_reads(
    submit: Submit, extract: Extract, recipe: str, corpus: Path, tmp_path: Path
) -> None:
    """As one process does; the training, and another job, compute nothing."""
    stores = {processes: tmp_path / f"by_{processes}" for processes in (1, 2)}
    for job in [extract(store, 2, processes) for processes, store in stores.items()]:
        assert job.wait().exit_code == 0, job.log
        assert f"the features of {ALL} utterances are ready" in job.log
        assert "extracting speech" in job.log
    assert utterances(stores[2], 2) == utterances(stores[1], 2)
    assert states(stores[2]) == states(stores[1])
    there = shards(stores[2])
    trainings = {
        processes: submit(
            recipe, f"name=on_{processes}", f"runs_dir={tmp_path}", f"cache.folder={store}", "cache.views=2"
        )
        for processes, store in stores.items()
    }
    again = extract(stores[2], 2)
    for job in (*trainings.values(), again):
        assert job.wait().exit_code == 0, job.log
        assert "stored features of frozen encoders (speech, text)" in job.log
        assert "extracting" not in job.log
    assert f"the features of {ALL} utterances are ready" in again.log
    assert shards(stores[2]) == there
    assert_complete(tmp_path / "on_2", corpus)
    assert_alike(tmp_path / "on_2", tmp_path / "on_1")


def test_told_to_make_room(extract: Extract, tmp_path: Path) -> None:
    """What was finished is kept, what was not is computed when its turn has come again; nothing twice."""
    views = 40
    job = extract(tmp_path, views).wait(until=lambda: len(list(tmp_path.glob("speech-*/*.safetensors"))) > 2)
    slurm("scancel", "--signal=USR1", job.id)
    job.wait(until=lambda: job.field("JobState") == "PENDING")
    before = states(tmp_path)
    assert job.wait().exit_code == 0, job.log
    assert job.field("Restarts") == "1"
    keys = [key for path in shards(tmp_path) for key in Shard(path).keys]
    assert len(keys) == len(set(keys)) == sum(utterances(tmp_path, views).values())
    assert 0 < len(before) < len(keys)
    assert before.items() <= states(tmp_path).items()
