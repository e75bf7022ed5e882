"""Small corpora of words that tell their emotion, and a working folder with a recipe for them."""

from pathlib import Path

import pandas as pd
import pytest

from emospeech.experiments.protocols.units import Unit
from emospeech.runtime.errors import Interrupted

EMOTIONS = ("anger", "joy", "neutral")
# of the benchmark in r.yaml: fitted in milliseconds
RECIPE = """
data: {corpus: audiofolder, root: ROOT}
system: classical
classical: {features: [tfidf], model: logistic_regression}
benchmark:
  protocols: {loso: {kind: loso}}
"""


def rows_of(speakers=4, each=6, prefix="s"):
    """Label, speaker, gender and words of clips: every speaker says every emotion."""
    for k in range(speakers * each):
        label = EMOTIONS[k % len(EMOTIONS)]
        speaker = f"{prefix}{k // each:02d}"
        yield {"label": label, "speaker": speaker, "gender": ("female", "male")[k // each % 2], "transcription": label}


def interrupt_after(count, patch):
    """So many units are done, then a stop is asked for."""
    run, left = Unit.run, [count]

    def interrupted(self):
        if not left[0]:
            raise Interrupted("stopped")
        left[0] -= 1
        run(self)

    patch.setattr(Unit, "run", interrupted)


def write_corpus(root: Path, rows=None, **of) -> Path:
    """The folder of a corpus of rows: those of `rows_of`, unless others are given."""
    root.mkdir(exist_ok=True)
    frame = pd.DataFrame(rows if rows is not None else rows_of(**of))
    frame.insert(0, "file_name", [f"{k:03d}.wav" for k in range(len(frame))])
    frame.to_csv(root / "metadata.csv", index=False)
    for file in frame["file_name"]:
        (root / file).touch()
    return root


def write_recipe(folder: Path) -> None:
    """A recipe r.yaml of four speakers, and their corpus."""
    root = write_corpus(folder / "corpus")
    (folder / "r.yaml").write_text(RECIPE.replace("ROOT", str(root)), encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    """Name and rows (those of `rows_of`, unless others are given) -> the folder of a corpus."""
    return lambda name="corpus", rows=None, **of: write_corpus(tmp_path / name, rows, **of)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working folder with a recipe r.yaml of four speakers."""
    monkeypatch.chdir(tmp_path)
    write_recipe(tmp_path)
    return tmp_path
