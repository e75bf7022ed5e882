"""Clips that are shorter than the crop, than a window of the STFT, than what one frame of an encoder sees: to train on,
and to predict."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.cli.main import main
from emospeech.data.audio import MIN_SAMPLES
from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS

RECIPE = """
data: {corpus: emospeech2024, root: ROOT}
speech: {encoder: ENCODER, augment: {probability: 1.0, effects: [speed], speeds: [1.1]}}
model: {dropout: 0.0, head: {blocks: 0}}
train: {epochs: 1, batch_size: 8, trackers: []}
"""


@pytest.fixture
def root(tmp_path, make_challenge, monkeypatch) -> Path:
    """Training clips of the shortest length there may be; a few are longer."""
    monkeypatch.chdir(tmp_path)
    root = make_challenge(tmp_path / "challenge", train=24, test=6)
    for k, path in enumerate(sorted(root.rglob("*.mp3"))):
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples[: MIN_SAMPLES + 40 * (k % 3)], rate, format="WAV")
    return root


def write(path, samples):
    soundfile.write(path, 0.1 * np.random.default_rng(samples).standard_normal(samples), 16_000)
    return str(path)


@pytest.mark.parametrize(
    ("encoder", "crop"),
    [
        *((encoder, "null") for encoder in (*SPECTROGRAM_ENCODERS, "tiny_xlsr", "tiny_wav2vec2_base")),
        ("log_mel_cnn", "2.0"),
        ("tiny_xlsr", "2.0"),
    ],
)
def test_the_shortest_clips_train_and_are_predicted(root, encoder, crop, request):
    """Played a tenth faster, 400 samples are 364: less than a window, and less than wav2vec 2.0's receptive field."""
    name = encoder if encoder in SPECTROGRAM_ENCODERS else request.getfixturevalue(encoder)
    text = RECIPE.replace("ROOT", str(root)).replace("ENCODER", str(name))
    Path("recipe.yaml").write_text(text, encoding="utf-8")
    cache = ["cache={folder: store, views: 2}"] if encoder == "tiny_xlsr" and crop == "2.0" else []
    assert main(["train", "recipe.yaml", f"speech.crop_seconds={crop}", "speech.gain_dbfs=-30", *cache]) == 0
    clips = [write(Path(f"{n}.wav"), n) for n in (MIN_SAMPLES, MIN_SAMPLES + 1, 32_000)]
    assert main(["predict", "runs/recipe", *clips, "-o", "together.csv"]) == 0
    assert main(["predict", "runs/recipe", clips[0], "-o", "alone.csv"]) == 0
    together, alone = (pd.read_csv(f"{name}.csv").filter(like="p_").to_numpy() for name in ("together", "alone"))
    assert np.isfinite(together).all()
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_shorter_ones_are_told_of_in_training_and_prediction(root, capsys):
    Path("recipe.yaml").write_text(RECIPE.replace("ROOT", str(root)).replace("ENCODER", "log_mel_cnn"))
    assert main(["train", "recipe.yaml"]) == 0
    short = write(Path("short.wav"), MIN_SAMPLES - 1)
    assert main(["predict", "runs/recipe", short, "-o", "p.csv"]) == 2
    assert "too short: 399 samples at 16 kHz, at least 400 are needed" in capsys.readouterr().err
    assert main(["predict", "runs/recipe", short, "-o", "p.csv", "--on-bad-audio", "silence"]) == 0
    soundfile.write(next((root / "train_segments").glob("*.mp3")), np.full(399, 0.1), 16_000, format="WAV")
    assert main(["train", "recipe.yaml", "--overwrite"]) == 2
    assert "too short: 399 samples at 16 kHz" in capsys.readouterr().err
    assert main(["train", "recipe.yaml", "data.on_bad_audio=drop", "--overwrite"]) == 0
