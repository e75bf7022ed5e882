"""What a manifest holds, counted by hand."""

import numpy as np
import pytest
import soundfile

from emospeech import figures
from emospeech.data import manifest, stats


@pytest.fixture
def table(tmp_path):
    soundfile.write(tmp_path / "b.wav", np.zeros(8000), 16_000)
    (tmp_path / "junk.wav").write_bytes(b"junk")
    return manifest.make(
        id=["a", "b", "c", "d"],
        audio=[None, str(tmp_path / "b.wav"), str(tmp_path / "junk.wav"), None],
        duration=[2.5, None, None, 3.0],
        transcription=["hola a todos", " ", "NA", None],
        label=["joy", "joy", None, "fear"],
        speaker=["s1", "s1", "s2", None],
        corpus=["mesd"] * 4,
        split=["train", "train", "train", "test"],
    )


def test_counted_by_hand(table):
    seconds = stats.durations(table)
    assert seconds.tolist()[:2] == [2.5, 0.5]
    assert seconds.isna().tolist() == [False, False, True, False]
    train, test, whole = stats.stats(table, seconds)
    assert (train.corpus, train.split, train.clips, train.speakers, train.timed) == ("mesd", "train", 3, 2, 2)
    assert (train.shortest, train.median, train.longest) == (0.5, 1.5, 2.5)
    assert train.hours == pytest.approx(3 / 3600, abs=1e-4)
    assert (train.transcripts, train.words, train.classes) == (2, 4, {"joy": 2, stats.NONE: 1})
    assert (test.clips, test.speakers, test.transcripts, test.classes) == (1, 0, 0, {"fear": 1})
    assert (whole.corpus, whole.clips, whole.classes) == (None, 4, {"joy": 2, "fear": 1, stats.NONE: 1})
    assert stats.lines([train, test, whole])[-1].startswith("1 of 4 clips: duration unknown")


def test_one_part_is_told_once():
    table = manifest.make(id=["a", "b"], label=["joy", "joy"])
    (only,) = stats.stats(table, stats.durations(table))
    assert (only.corpus, only.split, only.shortest, only.hours) == (stats.NONE, stats.NONE, None, 0)
    assert stats.lines([only])[1].split() == ["(none)", "(none)", "2", *"-" * 6, "0.0%", "-"]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_figure(tmp_path, painted, suffix):
    counts = {"mesd train": {"joy": 3, "$fear": 1}, "mesd test": {"sadness": 2}}
    for number, seconds in enumerate(
        [{"mesd train": [1.0, 2.0], "mesd test": []}, {"mesd train": [], "mesd test": []}]
    ):
        figures.save(figures.corpus(counts, seconds), tmp_path / f"{number}.{suffix}")
        assert (tmp_path / f"{number}.{suffix}").stat().st_size > 5000
    bars, lengths = figures.corpus(counts, {"mesd train": [1.0, 2.0], "mesd test": []}).axes
    assert [bar.get_height() for group in bars.containers for bar in group] == [3, 1, 0, 0, 0, 2]
    assert [text.get_text() for text in bars.get_xticklabels()] == ["joy", r"\$fear", "sadness"]
    assert len(lengths.patches) == 1
