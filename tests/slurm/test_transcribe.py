"""slurm/transcribe.sh: the manifest that a job of two processes writes, undisturbed and told to make room."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from .conftest import ROOT, Job, Submit, by_hand, slurm

pytestmark = pytest.mark.slurm
MANIFEST = "EmoSPeech_phase_2_train.csv"

Transcribe = Callable[[Path], Job]


def words(corpus: Path, model: Path, output: Path) -> list[str]:
    options = {"--audio": corpus / "train_segments", "--language": "es", "--model": model, "--batch": 1}
    return [str(corpus / MANIFEST), "-o", str(output), *(str(word) for pair in options.items() for word in pair)]


@pytest.fixture(scope="module")
def by_one(corpus: Path, whisper_pt: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The manifest that one process writes, without Slurm."""
    folder = tmp_path_factory.mktemp("one")
    by_hand("transcribe", *words(corpus, whisper_pt, folder / "out.csv"), EMOSPEECH_CACHE=str(folder / "store"))
    return (folder / "out.csv").read_bytes()


@pytest.fixture
def transcribe(submit: Submit, corpus: Path, whisper_pt: Path) -> Transcribe:
    """By two processes, into a folder."""

    def transcribe(folder: Path) -> Job:
        return submit(
            *words(corpus, whisper_pt, folder / "out.csv"),
            script=ROOT / "slurm" / "transcribe.sh",
            EMOSPEECH_CPU_PROCESSES="2",
            EMOSPEECH_CACHE=str(folder / "store"),
        )

    return transcribe


def heard(folder: Path) -> list[str]:
    """Clips of which the store has a transcript, one as often as it was made."""
    lines = [line for path in folder.rglob("transcripts.jsonl") for line in path.read_text("utf-8").splitlines(True)]
    return [json.loads(line)["key"] for line in lines if line.endswith("\n")]


def assert_whole(folder: Path, corpus: Path, by_one: bytes) -> None:
    """Every row once and in its place, every clip heard once, each transcript as one process makes it."""
    found, asked = pd.read_csv(folder / "out.csv"), pd.read_csv(corpus / MANIFEST)
    assert found["id"].tolist() == asked["id"].tolist()
    assert found["transcription"].nunique() > 10
    assert len(heard(folder)) == len(set(heard(folder))) == len(asked)
    assert (folder / "out.csv").read_bytes() == by_one


def test_two_processes_write_what_one_does(transcribe: Transcribe, corpus: Path, by_one: bytes, tmp_path: Path) -> None:
    job = transcribe(tmp_path).wait()
    assert job.exit_code == 0, job.log
    assert_whole(tmp_path, corpus, by_one)


def test_told_to_make_room(transcribe: Transcribe, corpus: Path, by_one: bytes, tmp_path: Path) -> None:
    """What was heard is kept; the rest is heard when the job's turn has come again."""
    job = transcribe(tmp_path).wait(until=lambda: len(heard(tmp_path)) > 2)
    slurm("scancel", "--signal=USR1", job.id)
    assert job.wait().exit_code == 0, job.log
    assert job.field("Restarts") == "1"
    assert_whole(tmp_path, corpus, by_one)
