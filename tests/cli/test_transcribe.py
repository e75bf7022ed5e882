"""`emospeech transcribe`, as it is typed: killed, resumed, shared, compared, and on bad input."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from emospeech.cli.main import main
from emospeech.data import manifest
from emospeech.encoders.transcribe import listening

CLIPS = 10
TEXT = "Hoy vamos al mercado."


@pytest.fixture
def folder(tmp_path, monkeypatch, make_tone, spanish_sentences):
    """A manifest of ten clips, the fourth silent, and a store of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMOSPEECH_CACHE", str(tmp_path / "store"))
    names = ["neutral", "joy", "disgust", "fear", "sadness", "anger"]
    for k in range(CLIPS):
        clip = make_tone(names[k % 6], k, 0.5 + 0.2 * k) if k != 3 else np.zeros(16_000)
        soundfile.write(f"clip{k}.wav", clip, 16_000)
    table = pd.DataFrame(
        {
            "id": [f"c{k}" for k in range(CLIPS)],
            "audio": [f"clip{k}.wav" for k in range(CLIPS)],
            "transcription": [TEXT, *[spanish_sentences[k % 6] for k in range(1, CLIPS)]],
            "language": "es",
            "votes": "joy:1",
        }
    )
    table.to_csv("in.csv", index=False)
    return tmp_path


@pytest.fixture
def typed(capsys):
    def go(*arguments):
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return go


@pytest.fixture
def heard(monkeypatch):
    """Keys of the clips that the model is asked about from now on."""
    found = []
    real = listening._Hearing.window

    def window(self):
        found.append(self.sound.key)
        return real(self)

    monkeypatch.setattr(listening._Hearing, "window", window)
    return found


def store_lines():
    (path,) = Path("store").glob("transcripts/*/transcripts.jsonl")
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("model", ["whisper_pt", pytest.param("whisper_folder", marks=pytest.mark.slow)])
def test_ten_clips(folder, typed, heard, request, model):
    path = request.getfixturevalue(model)
    code, out, err = typed("transcribe", "in.csv", "-o", "out.csv", "--model", path, "--compare", "worst.csv")
    assert code == 0, err
    source = f"whisper:{path.stem}"
    assert f"10 rows: 10 {source}; " in out
    assert "silence 1" in out
    done = pd.read_csv("out.csv", keep_default_na=False)
    assert done["id"].tolist() == [f"c{k}" for k in range(CLIPS)]
    assert done["audio"].tolist() == [f"clip{k}.wav" for k in range(CLIPS)]
    assert set(done["votes"]) == {"joy:1"}
    assert set(done["transcription_source"]) == {source}
    silent = done.iloc[3]
    assert silent["transcription_flag"] == "silence"
    assert silent[["transcription", "avg_logprob", "no_speech_prob", "compression_ratio"]].tolist() == [""] * 4
    others = done.drop(index=3)
    assert others["transcription"].nunique() > 3
    assert (others["avg_logprob"].astype(float) < -1).all()  # random weights
    assert others["transcription_flag"].str.contains("low_confidence").all()
    assert len(set(heard)) == 9
    rates = pd.read_csv("worst.csv")
    assert rates["wer"].is_monotonic_decreasing
    assert set(rates["id"]) == set(done["id"])
    assert rates.set_index("id").loc["c0", ["words", "reference"]].tolist() == [4, TEXT]
    assert rates.set_index("id").loc["c3", ["wer", "deletions"]].tolist() == [1.0, 5]
    errors = rates[["substitutions", "deletions", "insertions"]].to_numpy().sum()
    assert f"WER {errors / rates['words'].sum():.4f} " in out
    # the manifest reads as one
    assert manifest.read(Path("out.csv"))["transcription"].isna().tolist() == [k == 3 for k in range(CLIPS)]


def test_a_job_put_back_into_the_queue_after_its_work(folder, typed, whisper_pt, monkeypatch):
    """What it has written stays as it is; what it had not come to is written."""
    words = ("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt, "--limit", 2)
    assert typed(*words, "--compare", "worst.csv")[0] == 0
    first, rates = Path("out.csv").read_bytes(), Path("worst.csv").read_bytes()
    code, _, err = typed(*words)
    assert code == 2
    assert "out.csv" in err
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    Path("out.csv").write_bytes(first + b"\n")
    Path("worst.csv").unlink()
    code, _, err = typed(*words, "--compare", "worst.csv")
    assert code == 0, err
    assert Path("out.csv").read_bytes() == first + b"\n"
    assert Path("worst.csv").read_bytes() == rates


def test_what_was_transcribed_is_known_by_its_content(folder, typed, heard, whisper_pt, tmp_path):
    again = ("transcribe", "in.csv", "--batch", 3, "-o")
    assert typed(*again, "one.csv", "--model", whisper_pt)[0] == 0
    heard.clear()
    # every clip and the checkpoint under another name, the rows in another order
    for k in range(CLIPS):
        Path(f"clip{k}.wav").rename(f"renamed{k}.wav")
    pd.read_csv("in.csv").replace("clip", "renamed", regex=True)[::-1].to_csv("in.csv", index=False)
    moved = shutil.copy(whisper_pt, tmp_path / "moved.pt")
    code, _, err = typed(*again, "two.csv", "--model", moved)
    assert code == 0
    assert not heard
    assert "transcribing" not in err
    one, two = (pd.read_csv(f"{name}.csv").drop(columns=["audio", "transcription_source"]) for name in ("one", "two"))
    pd.testing.assert_frame_equal(one, two[::-1].reset_index(drop=True))
    # another clip under an old name
    soundfile.write("renamed5.wav", 0.1 * np.random.default_rng(0).standard_normal(9000), 16_000)
    assert typed(*again, "three.csv", "--model", moved)[0] == 0
    assert len(set(heard)) == 1
    # another language, another model
    heard.clear()
    assert typed(*again, "four.csv", "--model", moved, "--language", "Portuguese", "--limit", 2)[0] == 0
    assert len(set(heard)) == 2
    state = torch.load(whisper_pt)
    state["model_state_dict"]["decoder.ln.bias"][0] += 1e-3
    torch.save(state, "other.pt")
    heard.clear()
    assert typed(*again, "five.csv", "--model", "other.pt", "--limit", 2)[0] == 0
    assert len(set(heard)) == 2


def test_only_missing_and_again_on_its_own_output(folder, typed, heard, whisper_pt):
    table = pd.read_csv("in.csv")
    table.loc[[2, 3], "transcription"] = [None, "  "]
    table.to_csv("in.csv", index=False)
    code, out, _ = typed("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt, "--only-missing")
    assert code == 0
    assert "8 provided, 2 whisper:tiny" in out
    assert len(set(heard)) == 1  # the other is silent
    done = pd.read_csv("out.csv")
    assert done["transcription"][0] == TEXT
    assert done["transcription_source"].tolist() == ["provided"] * 2 + ["whisper:tiny"] * 2 + ["provided"] * 6
    assert done["avg_logprob"].notna().tolist() == [k == 2 for k in range(CLIPS)]
    code, out, err = typed("transcribe", "out.csv", "-o", "again.csv", "--model", whisper_pt, "--only-missing")
    assert code == 0, err
    pd.testing.assert_frame_equal(pd.read_csv("again.csv"), done)


def test_a_table_without_audio_column_and_a_limit(folder, typed, heard, whisper_pt):
    pd.DataFrame({"id": [f"clip{k}.wav" for k in range(CLIPS)]}).to_csv("ids.csv", index=False)
    arguments = ("transcribe", "ids.csv", "-o", "out.csv", "--model", whisper_pt, "--audio", ".", "--limit", 2)
    code, _, err = typed(*arguments)
    assert code == 2
    assert "2 of 2 rows tell no language (clip0.wav, clip1.wav); give it with --language" in err
    assert typed(*arguments, "--language", "es")[0] == 0
    assert len(pd.read_csv("out.csv")) == len(set(heard)) == 2


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(folder, typed, heard, monkeypatch, whisper_pt):
    arguments = ("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt, "--batch", 2)
    real = listening.decode

    def decode(*args):
        if len(heard) > 4:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr("emospeech.encoders.transcribe.listening.decode", decode)
    code, _, err = typed(*arguments)
    assert code == 1
    assert "stopped; 4 of 10 clips are transcribed and kept in " in err
    assert "the same command goes on" in err
    assert not Path("out.csv").exists()
    first, lines = set(heard[:4]), store_lines()
    heard.clear()
    monkeypatch.setattr("emospeech.encoders.transcribe.listening.decode", real)
    assert typed(*arguments)[0] == 0
    assert not first & set(heard)
    assert store_lines()[: len(lines)] == lines


# -- bad input


@pytest.fixture
def english(whisper_english):
    return whisper_english


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--model", "no/such.pt"], "no Whisper checkpoint 'no/such.pt': give a .pt file, or one of tiny.en"),
        (["--model", "enormous"], "unknown Whisper 'enormous': give a size"),
        (["--model", "PT", "--backend", "kaldi"], "unknown backend 'kaldi'; known: auto, openai, transformers"),
        (["--model", "PT", "--language", "klingon"], "Whisper knows no language klingon"),
        (["--model", "EN"], "tiny.en writes English alone, and the clips speak es; give a multilingual checkpoint"),
        (["--model", "HUBEN"], "tiny-hub.en writes English alone, and the clips speak es"),
        (["--model", "HUB", "--language", "it"], "tiny-hub writes 4 languages, and the clips speak it"),
        (["--model", "PT", "--audio", "nowhere"], "no audio folder nowhere"),
        (["--model", "PT", "--compare", "in.csv"], "in.csv exists already"),
        (["--model", "PT", "--compare", "out.csv"], "--compare and --output are both out.csv"),
        (["--model", "PT", "--compare", "c.csv", "--only-missing"], "--only-missing leaves those alone"),
        (["--model", "PT", "--device", "cuda"], "--device cuda: no GPU can be used here"),
        (["--model", "PT", "--device", "tpu"], "unknown device 'tpu'; known: auto, cpu, cuda, cuda:N"),
        (["--model", "PT", "--batch", "0"], "--batch"),
    ],
)
def test_mistakes(folder, typed, heard, whisper_pt, whisper_folder, english, arguments, expected):
    words = {"PT": whisper_pt, "HUB": whisper_folder, "EN": english[0], "HUBEN": english[1]}
    code, _, err = typed("transcribe", "in.csv", "-o", "out.csv", *[words.get(word, word) for word in arguments])
    assert code == 2
    assert expected in " ".join(err.split())
    assert not heard
    assert not Path("out.csv").exists()


def test_all_that_is_wrong_with_the_rows_at_once(folder, typed, whisper_pt):
    table = pd.read_csv("in.csv")
    table.loc[1, "language"] = None
    table.to_csv("in.csv", index=False)
    Path("clip7.wav").unlink()
    code, _, err = typed("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt)
    assert code == 2
    assert "1 of 10 audio files are missing" in err
    assert "1 of 10 rows tell no language (c1)" in err


def test_audio_that_cannot_be_decoded_shows_before_any_work(folder, typed, heard, whisper_pt):
    Path("clip2.wav").write_bytes(b"junk")
    Path("clip8.wav").write_bytes(b"")
    code, _, err = typed("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt)
    assert code == 2
    assert "2 of 10 clips cannot be heard; mend or remove them" in err
    assert "clip2.wav: not audio that can be read" in err
    assert "clip8.wav: the file is empty" in err
    assert not heard


def test_no_transcripts_to_compare_with(folder, typed, heard, whisper_pt):
    pd.read_csv("in.csv").drop(columns="transcription").to_csv("in.csv", index=False)
    code, _, err = typed("transcribe", "in.csv", "-o", "out.csv", "--model", whisper_pt, "--compare", "c.csv")
    assert code == 2
    assert "--compare: no row has a transcription to compare with" in err
    assert not heard


# -- several processes, and killed ones


def start(model, output, *launcher):
    command = [sys.executable, "-m", *launcher, "emospeech", "transcribe", "in.csv", "-o", output]
    command += ["--model", str(model), "--batch", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


def keys():
    return [json.loads(line)["key"] for line in store_lines()]


@pytest.fixture
def spoken(folder, data_folder):
    """Ten spoken clips in place of the tones."""
    table = pd.read_csv("in.csv")
    table["audio"] = [str(path) for path in sorted((data_folder / "es_acted").rglob("*.flac"))[:CLIPS]]
    table.to_csv("in.csv", index=False)
    return table


@pytest.mark.slow
def test_killed_half_way_and_resumed_it_is_the_same(spoken, whisper_pt):
    whole = start(whisper_pt, "whole.csv")
    assert whole.wait(300) == 0, whole.stderr.read()
    expected = Path("whole.csv").read_bytes()
    Path("store").rename("first")
    cut = start(whisper_pt, "out.csv")
    while len(list(Path("store").glob("transcripts/*/transcripts.jsonl"))) == 0 or len(store_lines()) < 4:
        assert cut.poll() is None, cut.stderr.read()
        time.sleep(0.02)
    os.killpg(cut.pid, signal.SIGKILL)
    cut.wait()
    assert not Path("out.csv").exists()
    before = store_lines()
    assert 4 <= len(before) < CLIPS
    (path,) = Path("store").glob("transcripts/*/transcripts.jsonl")
    with path.open("ab") as stream:
        stream.write(b'{"key": "torn')  # as a kill within a write would leave it
    resumed = start(whisper_pt, "out.csv")
    assert resumed.wait(300) == 0, resumed.stderr.read()
    assert Path("out.csv").read_bytes() == expected
    lines = store_lines()
    assert lines[: len(before)] == before
    assert len(lines) == CLIPS + 1  # each clip once, and what was torn


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [False, True])
def test_two_processes_share_the_work(spoken, whisper_pt, ranks):
    launcher = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m")
    if ranks:
        processes = [start(whisper_pt, "one.csv", *launcher)]
    else:
        processes = [start(whisper_pt, "one.csv"), start(whisper_pt, "two.csv")]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), said
    assert len(keys()) == len(set(keys())) == CLIPS
    done = pd.read_csv("one.csv")
    assert done["id"].tolist() == [f"c{k}" for k in range(CLIPS)]
    if not ranks:
        assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
