"""Whom a run has heard: the list in its folder, and `emospeech evaluate` as typed."""

import json
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import f1_score

from emospeech.cli.main import main
from emospeech.config import as_yaml, validate
from emospeech.data import manifest
from emospeech.experiments.scoring import trained_on
from emospeech.metrics.calibration import reliability
from emospeech.runtime.errors import UserError
from emospeech.runtime.runs import RunFolder

WORDS = {"joy": "qué alegría tan grande", "fear": "qué miedo tengo ahora", "anger": "estoy muy enfadado contigo"}
RECIPE = """
system: classical
data: {corpus: audiofolder, root: sounds, split: {dev_speakers: [eva]}}
speech: null
classical: {features: [{name: tfidf, words: [1, 2]}], model: {name: logistic_regression}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return RunFolder(tmp_path)


def rows(speaker=None, group=None, corpus=None):
    count = len(next(one for one in (speaker, group) if one))
    told = {"speaker": speaker, "group": group, "corpus": corpus}
    return manifest.make(id=[f"r{k}" for k in range(count)], **{k: v for k, v in told.items() if v})


def test_what_is_kept_and_compared(folder):
    train = rows(["ana", "ana", "luis"], ["v1", "v1", "v2"], ["c"] * 3)
    trained_on.keep(folder, train, rows(["eva"], ["v3"], ["c"]))
    assert folder.origins.read_text().splitlines() == [
        "part,corpus,speaker,group", "train,c,ana,v1", "train,c,luis,v2", "dev,c,eva,v3",
    ]  # fmt: skip
    found = trained_on.unseen_by(folder.path, rows(["ana", "eva", "pep", "pep", None], ["v9", "v9", "v9", "v2", "v9"]))
    assert found.what == "new speakers and recordings"
    assert found.rows.tolist() == [False, False, True, False, False], "a manifest without corpora may be of any"


def test_names_of_another_corpus_are_said(folder, capsys):
    trained_on.keep(folder, rows(["ana", "luis"], corpus=["c", "c"]), rows(["eva"], corpus=["c"]))
    found = trained_on.unseen_by(folder.path, rows(["ana", "pep"], corpus=["d", "d"]))
    assert found.rows.all()
    assert "note: ana: training knows such names, too, but of another corpus" in capsys.readouterr().err


def test_a_mixture_calls_its_corpora_by_names_of_its_own(folder):
    parts = [{"corpus": "emodb", "name": "berlin", "root": "a"}, {"corpus": "baved", "root": "b"}]
    recipe = validate({"name": "r", "data": {"mixture": parts}, "speech": {"encoder": "x"}}, "test")
    folder.config.write_text(as_yaml(recipe))
    trained_on.keep(folder, rows(["03", "5"], corpus=["berlin", "baved"]), rows(["08"], corpus=["berlin"]))
    found = trained_on.unseen_by(folder.path, rows(["03", "5", "08"], corpus=["emodb", "emodb", "emodb"]))
    assert found.rows.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("known", "asked", "why"),
    [
        (None, {"speaker": ["a"]}, "has no list of the speakers and recordings that trained it (origins.csv)"),
        ({"speaker": ["a"]}, {"speaker": [None]}, "the manifest tells neither speaker nor group"),
        ({"speaker": ["a"]}, {"group": ["v"]}, "training tells speakers, the manifest recordings"),
        ({"speaker": [None]}, {"group": ["v"]}, "training tells neither speakers nor recordings, the manifest"),
    ],
)
def test_why_there_is_one_score_alone(folder, capsys, known, asked, why):
    if known:
        trained_on.keep(folder, rows(**known), rows(**known))
    assert trained_on.unseen_by(folder.path, rows(**asked)) is None
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert why in told[0]


def test_a_list_that_is_damaged(folder):
    folder.origins.write_text("part,speaker\ntrain,a\n")
    with pytest.raises(UserError, match="no column corpus, group"):
        trained_on.unseen_by(folder.path, rows(["a"]))


# -- as typed ----------------------------------------------------------------------------------------------------


@pytest.fixture
def run(folder, make_tone):
    """A run on transcripts that ana and luis train, eva steers; and a manifest of ana and pep."""
    import soundfile

    Path("sounds").mkdir()
    told = []
    for speaker in ("ana", "luis", "eva"):
        for k, label in enumerate([*WORDS] * 4):
            name = f"{speaker}{k}.wav"
            soundfile.write(f"sounds/{name}", make_tone(label, k), 16_000)
            told.append((name, label, speaker, f"{WORDS[label]} {speaker} {k}"))
    frame = pd.DataFrame(told, columns=["file_name", "label", "speaker", "transcription"])
    frame.to_csv("sounds/metadata.csv", index=False)
    new = frame[frame["speaker"] != "eva"].rename(columns={"file_name": "id"}).replace({"luis": "pep"})
    new["id"] = [f"new{k}" for k in range(len(new))]
    new.loc[new.index[-1], "label"] = "joy"  # wrong, and a new speaker's
    new.to_csv("new.csv", index=False)
    Path("recipe.yaml").write_text(RECIPE)
    assert main(["train", "recipe.yaml", "name=words"]) == 0
    return Path("runs/words")


def test_evaluate_as_typed(run, capsys, painted):
    assert (run / "origins.csv").read_text().splitlines()[1:] == [
        "train,audiofolder,ana,", "train,audiofolder,luis,", "dev,audiofolder,eva,",
    ]  # fmt: skip
    assert (run / "figures/dev_reliability.png").is_file()
    capsys.readouterr()
    assert main(["evaluate", str(run), "new.csv", "--json", "s.json", "--reliability", "r.png"]) == 0
    told = capsys.readouterr().out.splitlines()
    scores = json.loads(Path("s.json").read_text())
    assert scores["unseen"]["what"] == "new speakers"
    assert (scores["count"], scores["unseen"]["count"]) == (24, 12)
    assert (scores["accuracy"], scores["unseen"]["accuracy"]) == (pytest.approx(23 / 24), pytest.approx(11 / 12))
    assert scores["macro_f1_interval_by"]["clusters"] == 2
    assert told[0].startswith("all   macro-F1")
    assert [line.split()[0] for line in told[-3:]] == ["single", "new", "ECE"]
    assert Path("r.png").stat().st_size > 1000
    assert main(["predict", str(run), "new.csv", "-o", "p.csv"]) == 0
    given, truth = pd.read_csv("p.csv"), pd.read_csv("new.csv")["label"]
    rows = pd.read_csv("new.csv").merge(given[["id", "label"]], on="id", suffixes=("", "_given"))
    singles = [f1_score(own["label"], own["label_given"], average="macro") for _, own in rows.groupby("speaker")]
    by, ends = scores["macro_f1_interval_by"], (min(singles), max(singles))
    assert (by["lowest"], by["highest"]) == pytest.approx(ends)
    assert told[-3] == f"  single speakers (2): {ends[0]:.4f}-{ends[1]:.4f}, too few for an interval by speaker"
    labels = [name.removeprefix("p_") for name in given if name.startswith("p_")]
    own = reliability(given[[f"p_{one}" for one in labels]].to_numpy(), truth.map(labels.index).to_numpy())
    assert scores["calibration"]["plain"]["ece"] == pytest.approx(own.ece)
    assert told[-1].startswith(f"  ECE {own.ece:.3f}; {scores['calibration']['tempered']['ece']:.3f} at temperature ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reliability", "r.txt"], "--reliability r.txt: name a file that ends in .png, .pdf, .svg"),
        (["--reliability", "new.csv"], "new.csv exists already"),
        (["--json", "new.csv"], "new.csv exists already"),
    ],
)
def test_files_that_cannot_be_written(run, capsys, words, message):
    assert main(["evaluate", str(run), "new.csv", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_run_of_an_earlier_version_has_one_score(run, capsys):
    for name in ("origins.csv", "dev_predictions.csv"):
        (run / name).unlink()
    capsys.readouterr()
    assert main(["evaluate", str(run), "new.csv"]) == 0
    said = capsys.readouterr()
    assert "runs of earlier versions have none; train it again" in said.err
    assert "new speakers" not in said.out
    assert said.out.splitlines()[-1].startswith("  ECE ")
    assert "temperature" not in said.out
