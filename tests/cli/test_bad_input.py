"""A user's mistake: exit code 2, one clear message with file, row and remedy, before long work, and no traceback."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 100, depth: 1, heads: 2}}
model: {head: {blocks: 0}}
train: {epochs: 1, batch_size: 8}
"""
TRAIN = "EmoSPeech_phase_2_train.csv"


@pytest.fixture
def root(tmp_path, challenge, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(challenge, tmp_path / "challenge")


@pytest.fixture
def train(root, capsys):
    """Train the small recipe on the (spoiled) folder; exit code and message."""

    def go(*overrides):
        Path("recipe.yaml").write_text(RECIPE.replace("ROOT", str(root)), encoding="utf-8")
        code = main(["train", "recipe.yaml", *overrides])
        return code, capsys.readouterr().err

    return go


def spoil(path, old, new, encoding="utf-8"):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding=encoding)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["data=[1]"], "data: should be a section (key: value), got [1]"),
        (["train.epocs=3"], "train.epocs: unknown key; did you mean epochs?"),
        (["train.epochs=soon"], "train.epochs: should be a whole number, got 'soon'"),
        (["text.encoder=./nowhere"], "no checkpoint folder './nowhere'"),
        (["speech.encoder=wav2vec9"], "unknown encoder 'wav2vec9'; from scratch: log_mel_cnn"),
        (["data.corpus=emo"], "unknown corpus 'emo'; known: emospeech2024"),
        (["data.root=/nowhere"], "data.root: no folder '/nowhere'"),
        (["text.encoder=owner/model", "text.options=null"], "under the id 'owner/model'"),
        (["data.split.dev_file=none.csv"], "none.csv"),
        (["data.labels=[joy]"], "needs two labels"),
    ],
)
def test_recipes(train, overrides, expected):
    if "labels" in overrides[0]:
        expected = "rows have a label outside joy"
    code, message = train(*overrides)
    assert code == 2
    assert expected in message
    assert not Path("runs").exists(), "nothing may be written before the input is checked"


def test_missing_recipe(capsys):
    assert main(["train", "no.yaml"]) == 2
    assert "no recipe no.yaml" in capsys.readouterr().err


def test_tables(train, root):
    table = root / TRAIN
    original = table.read_text(encoding="utf-8")

    def fault(old, new, *expected):
        table.write_text(original, encoding="utf-8")
        spoil(table, old, new)
        code, message = train()
        assert code == 2
        for part in expected:
            assert part in message

    fault("id,label", "name,label", TRAIN, "no column id", "found: name, label, transcription")
    fault("train0003.mp3", "train0001.mp3", TRAIN, "id 'train0001.mp3' is there 2 times: lines 3, 5")
    fault("train0004.mp3,sadness", "train0004.mp3,sorrow", TRAIN, "line 6: unknown label 'sorrow'; known: neutral")
    fault("Qué asco, esto huele fatal.", " ", TRAIN, "line 4: id train0002.mp3", "text=null")
    table.unlink()
    code, message = train()
    assert code == 2
    assert f"no {TRAIN}" in message


def test_transcripts_that_read_na_are_text(train, root):
    spoil(root / TRAIN, '"Qué asco, esto huele fatal."', "NA")
    spoil(root / TRAIN, "Hoy vamos al mercado a comprar fruta.", "null")
    assert train()[0] == 0


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_latin_1_and_bom(train, root, encoding):
    for path in root.glob("Emo*.csv"):
        path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert train()[0] == 0


def test_half_downloaded_audio(train, root):
    for k in range(1, 36, 2):
        (root / f"train_segments/train{k:04d}.mp3").unlink()
    code, message = train()
    assert code == 2
    assert "of" in message
    assert "train0001.mp3" in message or "train0003.mp3" in message
    assert "missing" in message
    assert train("speech=null")[0] == 0, "the tables alone serve a text-only recipe"


def test_checkpoint_without_tokenizer(train, tiny_xlmr, tmp_path):
    folder = shutil.copytree(tiny_xlmr, tmp_path / "bare")
    (folder / "tokenizer.json").unlink()
    code, message = train(f"text.encoder={folder}", "text.options=null")
    assert code == 2
    assert "has no tokenizer" in message


def break_clips(folder: Path) -> dict[str, str]:
    """Five ways of being broken; what each is called."""
    whole = (folder / "train0000.mp3").read_bytes()
    (folder / "train0000.mp3").write_bytes(b"")
    (folder / "train0001.mp3").write_bytes(b"no sound here " * 50)
    (folder / "train0002.mp3").write_bytes(whole[: len(whole) // 2])
    soundfile.write(folder / "train0003.mp3", np.zeros(16_000), 16_000)
    soundfile.write(folder / "train0004.mp3", np.ones(3) * 0.1, 16_000, format="WAV")
    return {"0000": "empty", "0001": "not audio", "0002": "cut short", "0003": "silent", "0004": "too short"}


def test_broken_clips_fail_by_default_and_are_listed(train, root):
    expected = break_clips(root / "train_segments")
    code, message = train()
    assert code == 2
    assert "5 of 36 clips have unusable audio" in message
    assert "data.on_bad_audio=drop" in message
    listed = pd.read_csv("runs/recipe/bad_audio.csv").set_index("id")["reason"]
    assert len(listed) == 5
    for number, reason in expected.items():
        assert reason in message
        assert reason in listed[f"train{number}.mp3"]


@pytest.mark.parametrize(("policy", "rows"), [("drop", 31), ("silence", 36)])
def test_broken_clips_dropped_or_silenced(train, root, policy, rows):
    break_clips(root / "train_segments")
    train()
    code, message = train(f"data.on_bad_audio={policy}")
    assert code == 0, message
    assert "5 clips have unusable audio" in message
    split = pd.read_csv("runs/recipe/split.csv")
    assert (split["split"] != "test").sum() == rows
    assert len(pd.read_csv("runs/recipe/bad_audio.csv")) == 5


def test_submissions(train, root, capsys):
    assert train("speech=null")[0] == 0
    table = root / "EmoSPeech_phase_2_test_public.csv"

    def submit(run, test, output="s.csv"):
        code = main(["submit", str(run), "--test", str(test), "-o", output])
        return code, capsys.readouterr().err

    code, message = submit("runs/recipe", root / TRAIN)
    assert code == 2
    assert "own training data" in message
    assert submit("runs/recipe", table)[0] == 0
    code, message = submit("runs/recipe", table)
    assert code == 2
    assert "exists already" in message
    other = root / "other.csv"
    other.write_text(table.read_text(encoding="utf-8").replace("test0003", "test9003"), encoding="utf-8")
    code, message = submit("s.csv", other, "o.csv")
    assert code == 2
    assert "1 ids of the table have no prediction: test9003.mp3" in message
    assert not Path("o.csv").exists()
    code, message = submit("runs/none", table, "o.csv")
    assert code == 2
    assert main(["score", "s.csv", str(root / TRAIN)]) == 2
    assert "not about the same clips" in capsys.readouterr().err


def test_broken_clips_at_prediction(train, root, capsys):
    assert train("text=null")[0] == 0
    (root / "test_segments/test0002.mp3").write_bytes(b"")
    arguments = ["submit", "runs/recipe", "--test", str(root / "EmoSPeech_phase_2_test_public.csv"), "-o", "s.csv"]
    assert main(arguments) == 2
    assert "--on-bad-audio silence" in capsys.readouterr().err
    assert main([*arguments, "--on-bad-audio", "silence"]) == 0
    assert len(pd.read_csv("s.csv")) == 12
    assert main([*arguments[:-1], "t.csv", "--on-bad-audio", "drop"]) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["p.csv", "--format", "codalab"], ["unknown --format 'codalab'; known: label, results"]),
        ([], ["--format label takes RUN", "RUN is missing"]),
        (["p.csv", "--task-1", "p.csv"], ["--format label takes RUN", "--task-1 is not one of them; leave it out"]),
        (["p.csv", "--zip"], ["--zip goes with --format results"]),
        (["p.csv", "-o", "results.zip"], ["name the CSV, as results.csv"]),
        (["--format", "results"], ["takes --task-1 and --task-2", "--task-1 is missing", "--task-2 is missing"]),
        (
            ["p.csv", "--format", "results", "--task-1", "p.csv", "-o", "there.csv", "--zip", "--on-bad-audio", "drop"],
            ["--task-2 is missing", "RUN is not one of them", "there.csv exists already", "--on-bad-audio drop"],
        ),
        (["p.csv", "--format", "results", "-o", "zipped.csv", "--zip"], ["zipped.zip exists already"]),
        (
            ["--format", "results", "--task-1", "none", "--task-2", "q.csv"],
            ["no run folder none", "for task_2 do not fit the test table of 12 rows"],
        ),
    ],
)
def test_options_of_submit(root, arguments, expected, capsys):
    """All that is wrong with the command is told at once, and nothing is written."""
    Path("q.csv").write_text("id,label\ntest0000.mp3,joy\n")
    ids = pd.read_csv(root / "test_gold.csv")["id"]
    pd.DataFrame({"id": ids, "label": "joy"}).to_csv("p.csv", index=False)
    for name in ("there.csv", "zipped.zip"):
        Path(name).write_text("precious")
    before = sorted(path.name for path in Path().iterdir())
    output = [] if "-o" in arguments else ["-o", "s.csv"]
    assert main(["submit", *arguments, *output, "--test", str(root / "EmoSPeech_phase_2_test_public.csv")]) == 2
    message = capsys.readouterr().err
    for part in expected:
        assert part in message
    assert sorted(path.name for path in Path().iterdir()) == before


def test_task_1_takes_no_run_that_hears_speech(train, root, capsys):
    assert train()[0] == 0
    table = str(root / "EmoSPeech_phase_2_test_public.csv")
    runs = ["--task-1", "runs/recipe", "--task-2", "runs/recipe"]
    assert main(["submit", "--format", "results", *runs, "--test", table, "-o", "s.csv", "--zip"]) == 2
    assert "runs/recipe hears speech, but task_1 is text alone" in capsys.readouterr().err
    assert not Path("s.csv").exists()
    assert not Path("s.zip").exists()


def test_columns_of_a_submission(root, capsys):
    gold = str(root / "test_gold.csv")
    ids = pd.read_csv(gold)["id"].str.removesuffix(".mp3")
    pd.DataFrame({"id": ids, "task_1": "joy", "task_2": "fear"}).to_csv("results.csv", index=False)
    assert main(["score", "results.csv", gold]) == 2
    assert "results.csv: no column label, but task_1, task_2" in capsys.readouterr().err
    assert main(["score", "results.csv", gold, "--column", "task_3"]) == 2
    assert "unknown --column 'task_3'; known: label, task_1, task_2" in capsys.readouterr().err
    assert main(["score", gold, gold, "--column", "task_1"]) == 2
    assert "test_gold.csv: no column task_1, but label" in capsys.readouterr().err
