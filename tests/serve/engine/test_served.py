"""A served system answers as `emospeech predict` does, calibrated; batches, parts, attention; and it keeps nothing."""

import gc
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.data import manifest
from emospeech.data.audio.memory import AudioMemory
from emospeech.experiments.scoring import calibrated
from emospeech.metrics.calibration import tempered
from emospeech.runtime.runs import RunFolder
from emospeech.serve.engine import served
from emospeech.serve.engine import sound as sounds
from emospeech.serve.engine.asked import Question
from emospeech.serve.engine.sound import segments
from emospeech.systems import build
from emospeech.systems.attention import attended
from emospeech.systems.features.clips import Clips
from emospeech.systems.vectors.kept import Kept
from emospeech.systems.vectors.sound import Sounds

TEXTS = ["¡Qué alegría verte!", "Déjame en paz, ya está bien.", "Tengo miedo.", "hoy vamos al mercado"]


@pytest.fixture(scope="module")
def load(trained):
    found = {}

    def load(name, **options):
        key = (name, *sorted(options.items()))
        if key not in found:
            found[key] = served.load(trained(name), **options)
        return found[key]

    return load


@pytest.fixture
def questions(sound):
    return [Question(sound(("joy", "anger", "fear", "neutral")[k], k, 0.5 + 0.3 * k), TEXTS[k]) for k in range(4)]


def chances(reply, task="label"):
    return np.array(list(reply.verdicts[task].probabilities.values()))


def predicted(run, questions, folder, asks=("audio", "transcription")):
    """What `emospeech predict` writes of the same."""
    folder.mkdir()
    rows = []
    for k, question in enumerate(questions):
        row = {"id": str(k)}
        if "audio" in asks and question.waveform is not None:
            row["audio"] = str(folder / f"{k}.wav")
            soundfile.write(row["audio"], question.waveform, 16_000, subtype="FLOAT")
        if "transcription" in asks and question.text is not None:
            row["transcription"] = question.text
        rows.append(row)
    pd.DataFrame(rows).to_csv(folder / "in.csv", index=False)
    assert main(["predict", str(run), str(folder / "in.csv"), "-o", str(folder / "out.csv")]) == 0
    return pd.read_csv(folder / "out.csv", dtype={"id": str}).set_index("id")


@pytest.mark.parametrize("name", ["both", "frozen", "heard", "text", "tasks", "speech", "lacking"])
def test_it_says_what_predict_says_at_the_temperature_of_the_run(name, load, trained, questions, tmp_path):
    model, run = load(name), trained(name)
    fitted = calibrated.fitted(RunFolder(run), model.labels)
    temperature = fitted.temperature
    assert (model.fitted_to, fitted.to) == ("dev", "dev")
    assert model.temperature == temperature
    assert temperature != 1
    replies = model.answer(questions)
    told = predicted(run, questions, tmp_path / "asked")
    for k, reply in enumerate(replies):
        row = told.loc[str(k)]
        plain = row[[f"p_{label}" for label in model.labels]].to_numpy(dtype=float)
        np.testing.assert_allclose(chances(reply), tempered(plain[None], temperature)[0], atol=1e-5)
        assert reply.verdicts["label"].label == row["label"]
        assert reply.verdicts["label"].label == model.labels[chances(reply).argmax()]
        for task, labels in model.tasks.items():
            assert list(reply.verdicts[task].probabilities) == list(labels)
            assert chances(reply, task).sum() == pytest.approx(1)
            assert chances(reply, task).max() <= 1
            if task != "label":
                expected = row[[f"p_{task}_{label}" for label in labels]].to_numpy(dtype=float)
                np.testing.assert_allclose(chances(reply, task), expected, atol=1e-5)


def test_the_tasks_of_a_run(load, questions):
    reply = load("tasks").answer(questions[:1])[0]
    assert set(reply.verdicts) == {"label", "gender"}
    assert list(reply.verdicts["gender"].probabilities) == ["female", "male"]


@pytest.mark.parametrize("name", ["both", "frozen", "heard", "text", "lacking"])
def test_a_batch_is_one_by_one_and_order_is_kept(name, load, questions):
    model = load(name)
    alone = [model.answer([one])[0] for one in questions]
    for order in ([0, 1, 2, 3], [2, 0, 3, 1], [3, 3, 0]):
        replies = model.answer([questions[k] for k in order])
        for k, reply in zip(order, replies, strict=True):
            np.testing.assert_allclose(chances(reply), chances(alone[k]), atol=1e-5)
            assert reply.transcript == questions[k].text
            assert reply.source == "provided"


def test_what_each_kind_of_system_lacks(load, sound):
    clip, text = Question(sound(), None), Question(None, "hola")
    both = Question(sound(), "hola")
    expected = {
        "both": ("text", "audio", None),
        "speech": (None, "audio", None),
        "heard": (None, "audio", None),
        "text": ("text", None, None),
        "lacking": (None, None, None),
    }
    for name, lacks in expected.items():
        assert tuple(load(name).lacks(one) for one in (clip, text, both)) == lacks, name


def test_what_was_used_is_told(load, sound):
    clip, text, both = Question(sound(), None), Question(None, "hola"), Question(sound(), "hola")
    lacking = load("lacking").answer([clip, text, both])
    assert [one.modalities for one in lacking] == [("speech",), ("text",), ("speech", "text")]
    assert load("text").answer([both])[0].modalities == ("text",)
    assert load("speech").answer([both])[0].modalities == ("speech",)
    assert lacking[0].transcript is None
    assert lacking[0].source is None
    assert not np.allclose(chances(lacking[0]), chances(lacking[2]))


def test_a_system_that_may_lack_one_answers_as_predict_does(load, trained, sound, tmp_path):
    asked = [Question(sound(), None), Question(None, "¡Qué alegría!"), Question(sound("fear", 5), "Tengo miedo.")]
    model = load("lacking")
    told = predicted(trained("lacking"), asked, tmp_path / "asked")
    plain = told[[f"p_{label}" for label in model.labels]].to_numpy(dtype=float)
    got = np.stack([chances(reply) for reply in model.answer(asked)])
    np.testing.assert_allclose(got, tempered(plain, model.temperature), atol=1e-5)


# ---------------------------------------------------------------- long recordings


def test_long_recordings_are_answered_in_parts(load, sound):
    model = load("speech", segment_seconds=1.0)
    waveform = np.concatenate([sound("joy", 1, 1.2), sound("fear", 2, 1.2), sound("anger", 3, 1.2)])
    short = Question(sound("joy", 1, 0.5)[:16_000], None)
    first, last, reply = model.answer([short, short, Question(waveform, None)])
    assert first.segments == last.segments == ()
    parts = segments(waveform, 1.0)
    assert [(part.start, part.end) for part in reply.segments] == [(part.start, part.end) for part in parts]
    assert len(parts) >= 4
    for part, own in zip(reply.segments, parts, strict=True):
        assert part.transcript is None
        alone = model.answer([Question(own.waveform, None)])[0].verdicts["label"]
        assert part.verdict.label == alone.label
        assert list(part.verdict.probabilities.values()) == pytest.approx(list(alone.probabilities.values()), abs=1e-5)
        assert sum(part.verdict.probabilities.values()) == pytest.approx(1)
    whole = load("speech").answer([Question(waveform, None)])[0]
    np.testing.assert_allclose(chances(reply), chances(whole), atol=1e-5)
    assert model.size(Question(waveform, None)) == 2 * len(parts), "as long as it is, and its parts"
    assert model.size(short) == 1


def test_a_silent_part_has_no_answer_and_the_whole_has(load, sound):
    model = load("speech", segment_seconds=1.0)
    waveform = np.concatenate([sound("joy", 1, 1.0)[:16_000], np.zeros(16_000, np.float32), sound("fear", 2)[:16_000]])
    waveform = waveform[: len(waveform) // 3 * 3]
    reply = model.answer([Question(waveform[: 3 * 16_000 - 6400], None)])[0]
    assert len(reply.segments) == 3
    silent = np.concatenate([np.ones(16_000, np.float32) * 0.1, np.zeros(16_000, np.float32)])
    reply = model.answer([Question(silent, None)])[0]
    assert [part.verdict is None for part in reply.segments] == [False, True]
    assert reply.verdicts["label"].label in model.labels


def test_nobody_knows_which_words_of_a_transcript_fall_into_which_part(load, sound):
    model = load("both", segment_seconds=1.0)
    long = Question(sound(seconds=3.0), "uno dos tres")
    assert model.answer([long])[0].segments == ()
    assert model.size(long) == 4, "as long as four segments, none of which is answered"


# ---------------------------------------------------------------- attention


@pytest.mark.parametrize("name", ["both", "frozen", "lacking"])
def test_attention_is_that_of_the_network(name, load, trained, questions, tmp_path):
    model = load(name)
    asked = [Question(one.waveform, one.text, explain=k != 1) for k, one in enumerate(questions)]
    replies = model.answer(asked)
    assert replies[1].glance is None
    system = build.load(trained(name))
    rows = []
    for k, one in enumerate(asked):
        soundfile.write(tmp_path / f"{k}.wav", one.waveform, 16_000, subtype="FLOAT")
        rows.append((str(k), str(tmp_path / f"{k}.wav"), one.text))
    ids, paths, texts = zip(*rows, strict=True)
    expected = attended(system, manifest.make(id=list(ids), audio=list(paths), transcription=list(texts)))
    for k in (0, 2, 3):
        glance = replies[k].glance
        np.testing.assert_allclose(glance.frames, expected[k].frames, atol=1e-5)
        assert [word[0] for word in glance.words] == asked[k].text.split()
        assert [asked[k].text[start:end] for _, start, end, _ in glance.words] == asked[k].text.split()
        assert glance.speech + glance.text + glance.rest == pytest.approx(1, abs=1e-5)
        assert glance.step * len(glance.frames) == pytest.approx(len(asked[k].waveform) / 16_000)


def test_systems_without_attention_explain_nothing(load, sound):
    assert load("heard").answer([Question(sound(), None, explain=True)])[0].glance is None
    assert load("text").answer([Question(None, "hola", explain=True)])[0].glance is None


def test_attention_of_one_modality_alone(load, sound):
    deaf, blind = load("lacking").answer([Question(None, "hola qué tal", True), Question(sound(), None, True)])
    assert deaf.glance.frames is None
    assert deaf.glance.speech == 0
    assert blind.glance.words == ()
    assert blind.glance.speech == pytest.approx(1, abs=1e-5)


# ---------------------------------------------------------------- nothing is kept


HOLDERS = {
    AudioMemory: lambda one: len(one.kept),
    Kept: lambda one: len(one.entries),
    Clips: lambda one: len(one.hashes) + len(one.seconds),
    Sounds: lambda one: len(one.paths),
}


def held():
    """How many clips and texts are held in memory, by whatever there is."""
    return sum(HOLDERS[type(one)](one) for one in gc.get_objects() if type(one) in HOLDERS)


def files_of(*folders):
    return sorted(str(path) for folder in folders for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("name", ["both", "frozen", "heard", "text", "lacking"])
def test_after_an_answer_nothing_remains(name, trained, sound, monkeypatch, tmp_path):
    run = trained(name)
    folders = {"MEMORY_FOLDER": tmp_path / "memory", "tempdir": tmp_path / "temporary"}
    for folder in folders.values():
        folder.mkdir()
    monkeypatch.setattr(sounds, "MEMORY_FOLDER", folders["MEMORY_FOLDER"])
    monkeypatch.setattr("tempfile.tempdir", str(folders["tempdir"]))
    monkeypatch.chdir(tmp_path)
    model = served.load(run)
    before = files_of(os.environ["EMOSPEECH_CACHE"], run, tmp_path)
    model.answer([Question(sound(), "hola", True)])
    kept = held()
    for k in range(5):
        model.answer([Question(sound("joy", 50 + 4 * k + j), f"otra cosa {k} {j}", True) for j in range(4)])
    assert held() == kept
    assert files_of(os.environ["EMOSPEECH_CACHE"], run, tmp_path) == before
    assert list(folders["MEMORY_FOLDER"].iterdir()) == list(folders["tempdir"].iterdir()) == []


def test_also_after_a_failure(trained, sound, monkeypatch, tmp_path):
    model = served.load(trained("heard"))
    monkeypatch.setattr(sounds, "MEMORY_FOLDER", tmp_path)
    with pytest.raises(Exception, match=r"."):
        model.answer([Question(np.full(8000, np.nan, dtype=np.float32), None), Question(None, None)])
    assert list(tmp_path.iterdir()) == []
    assert model.answer([Question(sound(), None)])[0].verdicts


def test_a_model_folder_alone_is_served_without_a_temperature(trained, sound):
    model = served.load(trained("speech") / "model", name="mine")
    assert (model.name, model.temperature) == ("mine", None)
    assert model.version == served.load(trained("speech")).version
    assert len(model.version) == 12
    assert model.answer([Question(sound(), None)])[0].verdicts["label"].label in model.labels
