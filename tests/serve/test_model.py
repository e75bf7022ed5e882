"""`emospeech.load`: what it answers is what `emospeech predict` does, and what it cannot answer is told."""

import numpy as np
import pandas as pd
import pytest
import soundfile

import emospeech
from emospeech.cli.main import main
from emospeech.runtime.errors import UserError
from emospeech.serve.engine import served
from emospeech.serve.engine.asked import Question

TEXT = """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
"""
BOTH = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}, crop_seconds: 0.5}
text: {encoder: subword_transformer, options: {width: 8, vocabulary: 120, depth: 1, heads: 2}}
model: {head: {blocks: 1, width: 8}}
train: {epochs: 1, batch_size: 16}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, challenge):
    folder = tmp_path_factory.mktemp("served")
    for name, recipe in (("text", TEXT), ("both", BOTH)):
        (folder / f"{name}.yaml").write_text(recipe.replace("ROOT", str(challenge)), encoding="utf-8")
        assert main(["train", str(folder / f"{name}.yaml"), f"runs_dir={folder}"]) == 0
    return folder


@pytest.fixture
def clip(tmp_path, make_tone):
    soundfile.write(tmp_path / "clip.wav", make_tone("joy", 3), 16_000, subtype="FLOAT")
    return tmp_path / "clip.wav"


def predicted(run, output, **row):
    pd.DataFrame([{"id": "x", **row}]).to_csv(output.with_suffix(".in.csv"), index=False)
    assert main(["predict", str(run), str(output.with_suffix(".in.csv")), "-o", str(output)]) == 0
    return pd.read_csv(output).iloc[0]


def test_three_lines_say_what_predict_says(runs, clip, tmp_path):
    model = emospeech.load(runs / "both")
    answer = model(clip, text="hola qué tal")
    told = predicted(runs / "both", tmp_path / "out.csv", audio=clip, transcription="hola qué tal")
    assert answer.label == told["label"]
    assert list(answer.probabilities) == list(model.labels)
    for label, chance in answer.probabilities.items():
        assert chance == pytest.approx(told[f"p_{label}"], abs=1e-6)
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert (model.needs_audio, model.needs_text) == (True, True)


def test_samples_are_heard_as_their_file_is(runs, clip):
    model = emospeech.load(str(runs / "both"))
    samples, rate = soundfile.read(clip)
    asked = {"text": "hola", "sampling_rate": rate}
    assert model(samples, **asked) == model(clip, text="hola")
    assert model(np.stack([samples, samples], axis=1), **asked).label == model(clip, text="hola").label


def test_text_alone(runs):
    model = emospeech.load(runs / "text")
    assert not model.needs_audio
    assert model(text="hola").label in model.labels


@pytest.mark.parametrize(
    ("run", "asked", "message"),
    [
        ("both", {}, "nothing to answer: give audio, text, or both"),
        ("both", {"text": "hola"}, "audio"),
        ("both", {"audio": "CLIP"}, "transcription|text"),
        ("both", {"audio": "absent.wav", "text": "hola"}, "no such file: absent.wav"),
        ("both", {"audio": "CLIP", "text": "hola", "sampling_rate": 8000}, "a file tells its own"),
        ("both", {"audio": np.zeros(800), "text": "hola"}, "samples need their sampling_rate"),
        ("both", {"audio": np.zeros((2, 2, 2)), "text": "hola", "sampling_rate": 8000}, r"of shape \(2, 2, 2\)"),
        ("both", {"audio": np.zeros(0), "text": "hola", "sampling_rate": 8000}, "got float64 of shape"),
        ("both", {"audio": np.zeros(9, dtype=np.int16), "text": "hola", "sampling_rate": 8000}, "should be floats"),
    ],
)
def test_what_cannot_be_answered(runs, clip, run, asked, message):
    asked = {key: clip if isinstance(value, str) and value == "CLIP" else value for key, value in asked.items()}
    with pytest.raises(UserError, match=message):
        emospeech.load(runs / run)(**asked)


def test_calibrated_are_those_of_the_served_model(runs, clip):
    """And a softmax of the logarithms at the temperature, worked out here."""
    model = emospeech.load(runs / "both")
    answer = model(clip, text="hola")
    samples, _ = soundfile.read(clip, dtype="float32")
    reply = served.load(runs / "both").answer([Question(samples, "hola")])[0].verdicts["label"]
    assert list(answer.calibrated) == list(model.labels)
    assert answer.calibrated == pytest.approx(reply.probabilities, abs=1e-5)
    sharpened = np.array(list(answer.probabilities.values())) ** (1 / model.temperature)
    assert list(answer.calibrated.values()) == pytest.approx((sharpened / sharpened.sum()).tolist(), abs=1e-6)


def test_without_a_temperature_nothing_is_calibrated(runs):
    """A model folder alone brings no predictions of dev."""
    assert emospeech.load(runs / "text" / "model")(text="hola").calibrated is None


def test_folders_that_hold_no_model(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        emospeech.load(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no trained model"):
        emospeech.load(tmp_path)
