"""What a recipe says of its data, as it is typed: Whisper's transcripts, groups, a split in a file, mixtures."""

import json
from pathlib import Path

import pandas as pd
import pytest

from emospeech.cli.main import main

RECIPE = """
name: run
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4], dropout: 0.0}}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 120, depth: 1}}
model: {head: {blocks: 0}}
train: {epochs: 1, batch_size: 8, trackers: []}
"""


@pytest.fixture
def recipe(tmp_path, monkeypatch, challenge):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOSPEECH_CACHE", str(tmp_path / "store"))
    Path("recipe.yaml").write_text(RECIPE.replace("ROOT", str(challenge)), encoding="utf-8")
    return "recipe.yaml"


@pytest.fixture
def typed(capsys):
    def go(*arguments, code=0):
        found = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert found == code, err
        return out, err

    return go


def split_of(run="runs/run"):
    return pd.read_csv(f"{run}/split.csv").set_index("id")["split"]


def test_whispers_transcripts_from_training_to_predictions(recipe, typed, challenge, whisper_pt):
    words = ["text.transcripts=whisper", f"text.whisper.model={whisper_pt}", "data.limit=5"]
    _, err = typed("train", recipe, *words)
    assert "10 whisper:" in err
    clips = sorted((challenge / "test_segments").glob("*.mp3"))[:3]
    _, err = typed("predict", "runs/run", *clips, "-o", "one.csv")  # of no language that is told
    assert "note: 3 rows tell no language; Whisper hears them as es" in err
    table = pd.DataFrame({"id": [clip.name for clip in clips], "audio": clips, "language": "es"})
    table.to_csv("new.csv", index=False)
    _, err = typed("predict", "runs/run", "new.csv", "-o", "two.csv")  # no transcription in it: it is heard
    assert "transcripts: 3 rows: 3 whisper:" in err
    assert Path("two.csv").read_text() == Path("one.csv").read_text()
    _, err = typed("train", recipe, *words, "name=again")
    assert "transcribing" not in err  # all of it is kept


def test_whisper_only_where_none_is_provided(recipe, typed, challenge, whisper_pt, tmp_path):
    rows = pd.read_csv(challenge / "EmoSPeech_phase_2_train.csv")
    rows["file_name"] = [str(challenge / "train_segments" / name) for name in rows["id"]]
    rows["language"] = "es"
    rows.loc[:3, "transcription"] = ""
    folder = tmp_path / "folder"
    folder.mkdir()
    rows.drop(columns="id").to_csv(folder / "metadata.csv", index=False)
    words = ["data.corpus=audiofolder", f"data.root={folder}", f"text.whisper.model={whisper_pt}"]
    _, err = typed("train", recipe, *words, code=2)
    assert "4 of 36 rows have an empty transcription" in err
    _, err = typed("train", recipe, *words, "text.transcripts=whisper_if_missing")
    assert "transcripts: 4 rows: 4 whisper:" in err
    rows.drop(columns=["id", "language"]).to_csv(folder / "metadata.csv", index=False)
    words = [*words, "text.transcripts=whisper_if_missing", "name=untold"]
    _, err = typed("train", recipe, *words, code=2)
    assert "but 4 tell no language (" in err
    assert "text.whisper.language=es, say" in err
    typed("train", recipe, *words, "text.whisper.default_language=es")


def test_sound_that_nobody_hears_may_be_bad_or_absent(recipe, typed, challenge, whisper_pt, tmp_path):
    """Text alone, of which Whisper writes four rows; all others have theirs."""
    rows = pd.read_csv(challenge / "EmoSPeech_phase_2_train.csv")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in rows["id"]:
        (folder / name).symlink_to(challenge / "train_segments" / name)
    rows["language"] = "es"
    rows.loc[:3, "transcription"] = ""
    rows = rows.rename(columns={"id": "file_name"})
    rows.to_csv(folder / "metadata.csv", index=False)
    read = folder / rows["file_name"][9]
    read.unlink()
    read.write_bytes(b"no sound")
    words = ["data.corpus=audiofolder", f"data.root={folder}", f"text.whisper.model={whisper_pt}", "speech=null"]
    typed("train", recipe, *words, "text.transcripts=whisper_if_missing")
    table = rows.assign(audio=[str(folder / name) for name in rows["file_name"]]).rename(columns={"file_name": "id"})
    table[:10].to_csv("new.csv", index=False)
    typed("predict", "runs/run", "new.csv", "-o", "out.csv")
    heard = folder / rows["file_name"][0]
    heard.unlink()
    heard.write_bytes(b"no sound")
    _, err = typed("predict", "runs/run", "new.csv", "-o", "bad.csv", code=2)
    assert "1 of 10 clips have unusable audio" in err
    table[:10].assign(audio="").to_csv("silent.csv", index=False)
    _, err = typed("predict", "runs/run", "silent.csv", "-o", "bad.csv", code=2)
    assert "Whisper is to write the transcripts but 4 of 4 rows have no audio" in err
    assert "speech=null" not in err
    assert "transcripts=provided" in err


def test_folds_by_video_are_drawn_written_and_trained(recipe, typed, challenge):
    ids = pd.read_csv(challenge / "EmoSPeech_phase_2_train.csv")["id"]
    groups = pd.DataFrame({"id": ids, "group": [f"v{k // 2}" for k in range(len(ids))]})
    groups.to_csv("groups.csv", index=False)
    typed("data", "index", "emospeech2024", challenge, "-o", "manifest.csv")
    typed("data", "split", "manifest.csv", "--groups", "groups.csv", "--folds", 3, "-o", "folds.csv")
    folds = pd.read_csv("folds.csv").set_index("id")["fold"]
    by_group = folds.groupby(groups.set_index("id")["group"])
    assert (by_group.min() == by_group.max()).all()
    words = ["data.split.file=folds.csv", "data.groups=groups.csv"]
    _, err = typed("train", recipe, *words, code=2)
    assert "none is chosen; folds.csv holds the folds 1, 2, 3" in err
    typed("train", recipe, *words, "data.split.fold=2")
    split = split_of()
    assert set(split[split == "test"].index) == set(folds[folds == 2].index)
    group = groups.set_index("id")["group"]
    parts = {name: set(group[split[split == name].index]) for name in ("train", "dev", "test")}
    assert not parts["train"] & parts["dev"]
    assert not parts["train"] & parts["test"]
    assert "test" in json.loads(Path("runs/run/scores.json").read_text())


def test_a_hold_out_is_given_back(recipe, typed, challenge):
    typed("data", "index", "emospeech2024", challenge, "-o", "manifest.csv")
    typed("data", "split", "manifest.csv", "--kind", "holdout", "-o", "parts.csv")
    typed("train", recipe, "data.split.file=parts.csv")
    expected = pd.read_csv("parts.csv").set_index("id")["split"]
    pd.testing.assert_series_equal(split_of().sort_index(), expected.sort_index())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data.split.file=gone.csv"], "data.split.file: no gone.csv, neither here nor in"),
        (["data.split.fold=1"], "there is no data.split.file that holds folds"),
        (["data.split.file=a", "data.split.dev_speakers=[x]"], "give one of file; train_file, dev_file;"),
        (["data.split.dev_speakers=[03]"], "data.split.dev_speakers.0: should be text, got the number 3; in quotes"),
        (["data.groups=gone.csv"], "no gone.csv; expected a folder with"),
        (["text.transcripts=heard"], "text.transcripts: should be"),
    ],
)
def test_words_that_do_not_fit(words, message, recipe, typed):
    _, err = typed("train", recipe, *words, code=2)
    assert message in err


def test_a_mixture_with_a_head_of_its_own(recipe, typed, challenge, tmp_path, make_tone):
    import soundfile

    folder = tmp_path / "levels"
    folder.mkdir()
    lines = ["file_name,label"]
    for k, level in enumerate(["low", "neutral", "high"] * 3):
        soundfile.write(folder / f"{k}.wav", make_tone("joy", k), 16_000)
        lines.append(f"{k}.wav,{level}")
    (folder / "metadata.csv").write_text("\n".join(lines))
    levels = f"{{corpus: audiofolder, root: {folder}, task: intensity, weight: 0.5}}"
    typed("train", recipe, "text=null", f"data.mixture=[{{corpus: emospeech2024, root: {challenge}}}, {levels}]")
    config = json.loads(Path("runs/run/model/config.json").read_text())
    assert config["tasks"]["intensity"] == ["high", "low", "neutral"]
    assert next(iter(config["tasks"])) == "label"
    assert (split_of() == "train").sum() == 30 + 9
    scores = json.loads(Path("runs/run/scores.json").read_text())["dev"]
    assert scores["by_corpus"]["emospeech2024"]["macro_f1"] == scores["macro_f1"]  # the other has no emotions to score
    clip = next((challenge / "test_segments").glob("*.mp3"))
    typed("predict", "runs/run", clip, "-o", "out.csv")
    assert pd.read_csv("out.csv").columns.tolist()[:3] == ["id", "label", "p_neutral"]
