"""A corpus without faults, of which tests spoil copies."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from emospeech.data import manifest
from emospeech.data.audit import audit

RATE = 16_000
WORDS = [
    *("mercado", "noche", "ventana", "camino", "ciudad", "barco", "perro", "cocina", "libro", "puente", "lluvia"),
    *("montaña", "coche", "playa", "trabajo", "amigo", "vecina", "tarde", "semana", "puerta", "jardín", "escuela"),
    *("hermano", "abuela", "canción", "pueblo", "árbol", "tienda", "calle", "sol", "viento", "río", "mesa", "silla"),
]
LABELS = ("neutral", "joy", "anger")
PARTS = ("train", "train", "train", "train", "dev", "test")  # of the six speakers


def voice(seed: int, seconds: float = 1.2) -> np.ndarray:
    """Noise in changing bands, as unlike another seed's as two utterances are."""
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal(int(seconds * RATE))
    gain = np.interp(np.arange(len(samples)), np.linspace(0, len(samples), 12), rng.uniform(0.2, 1.0, 12))
    return (0.1 * gain * samples).astype(np.float32)


@pytest.fixture
def clean(tmp_path) -> pd.DataFrame:
    """180 clips of six speakers, each in one part, three labels, every sound and sentence another."""
    rng = np.random.default_rng(0)
    rows = []
    for k in range(180):
        path = tmp_path / f"{k:03d}.wav"
        soundfile.write(path, voice(k, rng.uniform(1.0, 1.6)), RATE)
        a, b, c = rng.choice(WORDS, 3, replace=False)
        speaker = k % 6
        rows.append(
            {
                "id": f"clip{k:03d}",
                "audio": str(path),
                "transcription": f"{a}, {b}, {c}",
                "label": LABELS[k // 6 % 3],
                "speaker": f"s{speaker}",
                "group": f"video{k}",
                "language": "es",
                "split": PARTS[speaker],
            }
        )
    return manifest.make(**{name: [row[name] for row in rows] for name in rows[0]})


@pytest.fixture
def few(clean) -> pd.DataFrame:
    """Six clips of each part, for tests that listen."""
    return clean.groupby("split").head(6).reset_index(drop=True)


@pytest.fixture
def findings():
    """Check -> its findings, of one manifest."""

    def findings(rows: pd.DataFrame, **how):
        report = audit({"rows": rows}, **how)
        found: dict = {}
        for finding in report.findings:
            found.setdefault(finding.check, []).append(finding)
        return found

    return findings


@pytest.fixture
def make_voice():
    return voice
