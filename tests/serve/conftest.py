"""Trained runs of several kinds, each trained when it is first asked for; clips and their bytes."""

import io
from functools import cache

import numpy as np
import pytest
import soundfile

from emospeech.cli.main import main

HEARD = "{encoder: log_mel_cnn, options: {width: 8, bands: 16, channels: [4]}, crop_seconds: 0.5}"
READ = "{encoder: subword_transformer, options: {width: 8, vocabulary: 120, depth: 1, heads: 2}}"
SHORT = "train: {epochs: 2, batch_size: 16, optimizer: {lr: 0.01}, trackers: []}"
RECIPES = {
    "text": """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [{name: tfidf, min_rows: 1}], model: logistic_regression}
""",
    "heard": """
data: {corpus: emospeech2024, root: ROOT}
system: classical
classical: {features: [functionals], model: logistic_regression}
""",
    "both": f"""
data: {{corpus: emospeech2024, root: ROOT}}
speech: {HEARD}
text: {READ}
model: {{head: {{blocks: 1, width: 8}}}}
{SHORT}
""",
    "speech": f"""
data: {{corpus: emospeech2024, root: ROOT}}
speech: {HEARD}
model: {{head: {{blocks: 1, width: 8}}}}
{SHORT}
""",
    "lacking": f"""
data: {{corpus: emospeech2024, root: ROOT}}
speech: {HEARD}
text: {READ}
model: {{head: {{blocks: 1, width: 8}}, modality_dropout: 0.3}}
{SHORT}
""",
    "frozen": f"""
data: {{corpus: emospeech2024, root: ROOT, memory_gb: 1.0}}
speech: {{encoder: XLSR}}
text: {{encoder: XLMR}}
model: {{head: {{blocks: 1, width: 8}}}}
cache: {{}}
{SHORT}
""",
    "tasks": f"""
data: {{corpus: audiofolder, root: SPOKEN, tasks: [gender], split: {{dev_speakers: ["0", "2"]}}}}
speech: {HEARD}
model: {{head: {{blocks: 1, width: 8}}}}
{SHORT}
""",
}


@pytest.fixture(scope="session")
def trained(tmp_path_factory, request):
    """Name of a recipe -> its run folder."""
    folder = tmp_path_factory.mktemp("served")
    asked = {"ROOT": "challenge", "XLSR": "tiny_xlsr", "XLMR": "tiny_xlmr", "SPOKEN": "spoken"}

    @cache
    def train(name):
        recipe = RECIPES[name]
        for word, fixture in asked.items():
            recipe = recipe.replace(word, str(request.getfixturevalue(fixture))) if word in recipe else recipe
        path = folder / f"{name}.yaml"
        path.write_text(recipe, encoding="utf-8")
        assert main(["train", str(path), f"runs_dir={folder}"]) == 0
        return folder / name

    return train


@pytest.fixture(scope="session")
def spoken(tmp_path_factory):
    """An audiofolder of six speakers of two genders."""
    from tests.conftest import tone

    root = tmp_path_factory.mktemp("spoken")
    lines = ["file_name,label,speaker,gender"]
    for k in range(18):
        label, speaker = ("joy", "anger", "fear")[k % 3], k // 3
        soundfile.write(root / f"{k:02d}.wav", tone(label, k, 0.3), 16_000)
        lines.append(f"{k:02d}.wav,{label},{speaker},{('female', 'male')[speaker % 2]}")
    (root / "metadata.csv").write_text("\n".join(lines))
    return root


@pytest.fixture
def sound(make_tone):
    """float32 (samples,) at 16 kHz, as a server decodes it: label, number, seconds."""

    def make(label="joy", index=3, seconds=0.6):
        return make_tone(label, index, seconds).astype(np.float32)

    return make


@pytest.fixture
def encoded():
    """Samples -> the bytes of a file."""

    def encode(waveform, rate=16_000, format="WAV", subtype="FLOAT"):
        file = io.BytesIO()
        soundfile.write(file, waveform, rate, format=format, subtype=subtype)
        return file.getvalue()

    return encode
