"""What is gathered of runs of every kind: learned layers, further tasks, mixtures, refits; and in what words."""

import numpy as np
import pandas as pd
import pytest

from emospeech import config
from emospeech.experiments import run as experiment
from emospeech.experiments.reporting import facts
from emospeech.experiments.reporting.gather import gather
from emospeech.outputs.report import pictures
from emospeech.outputs.report.page import page
from emospeech.systems import build
from tests.conftest import LABELS, tone

HEAD = {"head": {"blocks": 1, "width": 16}}
TRAIN = {"epochs": 1, "batch_size": 8, "trackers": []}
SMALL = {"encoder": "log_mel_cnn", "options": {"width": 16, "bands": 16, "channels": [4, 8]}}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory, spanish_sentences):
    """Two folders of tones: `one` with genders and transcripts, `two` without."""
    import soundfile

    root = tmp_path_factory.mktemp("corpora")
    for name in ("one", "two"):
        (root / name).mkdir()
        rows = []
        for k in range(24):
            label = LABELS[k % 6]
            soundfile.write(root / name / f"c{k}.wav", tone(label, k), 16_000)
            row = {"file_name": f"c{k}.wav", "label": label, "speaker": f"s{k // 6}"}
            if name == "one":
                row |= {"transcription": spanish_sentences[k % 6], "gender": ("female", "male")[k // 6 % 2]}
            rows.append(row)
        pd.DataFrame(rows).to_csv(root / name / "metadata.csv", index=False)
    return root


def trained(plain, folder):
    recipe = config.validate({"runs_dir": str(folder), "train": TRAIN, "model": HEAD, **plain}, "test", build.CHECKS)
    return experiment.run(recipe).folder.path


def written(report):
    return page(report, pictures.pictures(report))


@pytest.mark.slow
def test_layers_and_further_tasks_and_a_refit(corpora, tiny_xlsr, tiny_xlmr, tmp_path):
    run = trained(
        {
            "name": "multi",
            "data": {
                "corpus": "audiofolder", "root": str(corpora / "one"), "tasks": ["gender"], "refit": "train+dev",
                "split": {"dev_speakers": ["s2"], "test_speakers": ["s3"]},
            },
            "speech": {"encoder": str(tiny_xlsr), "layers": "weighted"},
            "text": {"encoder": str(tiny_xlmr)},
        },
        tmp_path,
    )  # fmt: skip
    report = gather(run, 6)
    assert report.missing == ()
    assert [name for name, _ in report.layers] == ["layer 1", "layer 2", "layer 3"]
    assert np.isfinite([weight for _, weight in report.layers]).all()
    assert any("trained again on the dev clips" in sentence for sentence in report.summary)
    text = written(report)
    assert "dev, task gender" in text
    assert 'id="layer_weights-title"' in text
    assert dict(report.facts)["fusion"] == "sequence"
    clips = [clip for group in report.shown for clip in group.clips]
    assert len(clips) == 6
    for clip in clips:
        assert sum(share for _, share in clip.shares) == pytest.approx(1, abs=1e-4)
        assert clip.attention.sum() == pytest.approx(dict(clip.shares)["speech"], abs=1e-4)
        assert clip.audio
        assert all(word.share is not None for word in clip.transcript)


@pytest.mark.slow
def test_a_mixture_tells_its_corpora_apart(corpora, tmp_path):
    split = {"dev_speakers": ["s2"], "test_speakers": ["s3"]}
    parts = [
        {"corpus": "audiofolder", "root": str(corpora / name), "name": name, "split": split} for name in ("one", "two")
    ]
    report = gather(trained({"name": "mixed", "data": {"mixture": parts}, "speech": SMALL}, tmp_path), 3)
    assert report.missing == ()
    assert "trained on 24 clips of one and two (4 speakers)" in report.summary[0]
    by = {one.by: one for one in report.parts[0].breakdowns}
    assert {group.name for group in by["corpus"].groups} == {"one", "two"}
    assert "dev, corpus two" in written(report)


@pytest.mark.parametrize(
    ("unseen", "said"),
    [
        (None, "nobody can tell"),
        ({"what": "new speakers", "count": 9}, "all of them of new speakers"),
        ({"what": "new recordings", "count": 0}, "none of them of new recordings"),
        ({"what": "new speakers", "count": 4}, "4 of them of new speakers"),
    ],
)
def test_whose_clips_a_score_is_of(unseen, said):
    assert said in facts.heard({"count": 9, **({} if unseen is None else {"unseen": unseen})})


def test_a_corpus_that_is_not_there_is_not_made(corpora, tmp_path):
    data = {"corpus": "audiofolder", "root": str(corpora / "two"), "split": {"dev_speakers": ["s2", "s3"]}}
    model = {"features": ["functionals"], "model": "lda"}
    run = trained({"name": "gone", "system": "classical", "classical": model, "data": data}, tmp_path)
    recipe = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(
        recipe.replace("corpus: audiofolder", "corpus: demo").replace(str(corpora / "two"), str(tmp_path / "made"))
    )
    report = gather(run, 3)
    assert "the corpus is not at hand: no folder" in " ".join(report.missing)
    assert not (tmp_path / "made").exists()


def test_a_quick_look_is_called_one(corpora, tmp_path):
    """And a classical system that reads nothing but words has clips with words."""
    run = trained(
        {
            "name": "look",
            "system": "classical",
            "classical": {"features": ["tfidf"], "model": "logistic_regression"},
            "data": {
                "corpus": "audiofolder", "root": str(corpora / "one"), "limit": 10,
                "split": {"dev_speakers": ["s2", "s3"]},
            },
        },
        tmp_path,
    )  # fmt: skip
    report = gather(run, 3)
    assert any("quick look" in sentence for sentence in report.summary)
    (shown,) = {clip.part for group in report.shown for clip in group.clips}
    assert shown == "dev"
    assert all(word.share is None for group in report.shown for clip in group.clips for word in clip.transcript)
    assert report.layers == ()
    assert [part.name for part in report.parts] == ["dev"]
