"""The demo corpus: Spanish emotional speech that the project makes itself, offline, the same on every run.

It has the layout of the EmoSPeech 2024 challenge, and two tables that the challenge does not hand out: the
test labels and the speakers. Sentences of the project's own (`demo_text`) are spoken by espeak-ng's voices.
Words and voice are drawn independently, and each carries a part of the emotion: neither alone is enough. A
score on a machine's voices shows that a system learns; it says nothing about how well it reads people.

    EmoSPeech_phase_2_train.csv         id,label,transcription     train and dev together
    EmoSPeech_phase_2_test_public.csv   id,transcription
    train_split.csv, dev_split.csv      id,label,transcription
    test_gold.csv                       id,label                   not part of the challenge
    speakers.csv                        id,speaker,gender          not part of the challenge
    version.json                        which version of this file made it
    train_segments/, test_segments/     one mp3 a clip, 44.1 kHz mono
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import soxr
from rich.console import Console
from rich.progress import track

from emospeech.corpora import emospeech2024
from emospeech.corpora.base import Corpus
from emospeech.corpora.demo_text import sentence
from emospeech.corpora.espeak import RATE, Delivery, speak
from emospeech.labels import EMOSPEECH2024
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import replacing_folder, write_json

VERSION = 1  # raise it whenever a change makes other clips, so that a corpus on disk is never a mixture

CLIPS = {"train": 660, "dev": 200, "test": 200}
SHARES = {"neutral": 0.37, "disgust": 0.21, "anger": 0.13, "sadness": 0.12, "joy": 0.11, "fear": 0.06}
SAMPLE_RATE = 44_100  # Hz, what the challenge ships
NOISE_DB = (-62.0, -50.0)  # dBFS, room noise under every clip: the same whatever the emotion


@dataclass(frozen=True)
class Speaker:
    """A voice, and how it differs from the next when it is calm."""

    name: str
    voice: str  # espeak-ng's language+variant
    gender: str
    split: str
    pitch: float = 0.0  # added to the pitch of a delivery, same unit
    rate: float = 1.0  # times the rate of a delivery
    level: float = 0.0  # dB, added to the level of a delivery: how near the microphone is


@dataclass(frozen=True)
class Clip:
    """One row of the corpus, before it is spoken."""

    id: str  # its file name: a hash, which tells neither label nor speaker
    label: str
    speaker: Speaker
    transcription: str
    delivery: Delivery


SPEAKERS = (
    Speaker("s01", "es+m1", "male", "train", rate=1.04, level=-1),
    Speaker("s02", "es-419+m3", "male", "train", pitch=-2, rate=1.05, level=1),
    Speaker("s03", "es+m7", "male", "train", pitch=3, rate=0.96),
    Speaker("s04", "es-419+pablo", "male", "train", rate=1.09, level=-1),
    Speaker("s05", "es+f1", "female", "train", pitch=2),
    Speaker("s06", "es-419+f2", "female", "train", pitch=-3, rate=1.06, level=1),
    Speaker("s07", "es+f5", "female", "train", level=-1),
    Speaker("s08", "es-419+Annie", "female", "train", pitch=-4, rate=1.02),
    Speaker("s09", "es+m2", "male", "dev", pitch=2, rate=0.98),
    Speaker("s10", "es-419+f4", "female", "dev", pitch=-1, rate=1.11, level=1),
    Speaker("s11", "es+f3", "female", "dev", pitch=-3, rate=1.01, level=-1),
    Speaker("s12", "es-419+m4", "male", "test", pitch=1, rate=1.12, level=-1),
    Speaker("s13", "es+m6", "male", "test", pitch=-2, rate=0.98, level=1),
    Speaker("s14", "es+belinda", "female", "test", pitch=-8, rate=1.01),
)

# How each emotion is said on average, and how far single clips stray from it (standard deviations). Anger and
# joy are near each other, and so are disgust and neutral: there the words must decide.
STYLES = {
    "neutral": Delivery(rate=178, pitch=50, spread=42, level=-26, effort=0.45),
    "disgust": Delivery(rate=148, pitch=40, spread=52, level=-25, effort=0.55),
    "anger": Delivery(rate=206, pitch=60, spread=74, level=-19.5, effort=0.85),
    "sadness": Delivery(rate=140, pitch=39, spread=22, level=-31, effort=0.15),
    "joy": Delivery(rate=201, pitch=64, spread=80, level=-20.5, effort=0.75),
    "fear": Delivery(rate=228, pitch=68, spread=34, level=-29, effort=0.3),
}
STRAY = Delivery(rate=14, pitch=6, spread=12, level=2.2, effort=0.15)
FLAT = 0.1  # share of the clips of any emotion that are said as if neutral


def index(root: Path) -> pd.DataFrame:
    """The manifest of the corpus in `root`, which is made first where there is none.

    Raises:
        UserError: if `root` holds something else, or a corpus that another version made.
    """
    if not (root / "speakers.csv").is_file():
        make(root)
    marker = root / "version.json"
    found = json.loads(marker.read_text(encoding="utf-8"))["version"] if marker.is_file() else "unknown"
    if found != VERSION:
        raise UserError(
            f"the demo corpus in {root} is of version {found}, and this emospeech makes version {VERSION}; "
            "remove the folder, and the corpus is made anew"
        )
    speakers = pd.read_csv(root / "speakers.csv", dtype=str).set_index("id")
    gold = pd.read_csv(root / "test_gold.csv", dtype=str).set_index("id")["label"]
    table = emospeech2024.index(root)
    return table.assign(
        speaker=table["id"].map(speakers["speaker"]),
        gender=table["id"].map(speakers["gender"]),
        label=table["label"].fillna(table["id"].map(gold)),
        corpus="demo",
    )


def make(root: Path, clips: Mapping[str, int] = CLIPS) -> None:
    """Make the whole corpus in `root`, or nothing; `clips` says how many a split holds.

    Raises:
        UserError: if there is something in `root` already.
    """
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UserError(f"{root} holds something that is not a demo corpus; name a new folder to make one in")
    rows = plan(clips)
    # espeak-ng speaks one clip at a time, but the encoding to mp3, most of the work, runs on every core
    with replacing_folder(root) as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        _write_tables(folder, rows)
        done = pool.map(lambda clip: write_clip(clip, folder), rows)
        for _ in track(done, "Making the demo corpus", len(rows), console=Console(stderr=True)):
            pass


def plan(clips: Mapping[str, int]) -> list[Clip]:
    """Every clip, in file order; no sentence comes twice in the corpus."""
    said: set[str] = set()
    rows = []
    for split, total in clips.items():
        voices = [speaker for speaker in SPEAKERS if speaker.split == split]
        for label, count in class_counts(total).items():
            rows += [_clip(label, voices[n % len(voices)], n, said) for n in range(count)]
    return sorted(rows, key=lambda clip: clip.id)


def class_counts(total: int) -> dict[str, int]:
    """How many clips of each emotion a split of `total` clips holds, at least one of each.

    >>> class_counts(200)
    {'neutral': 74, 'disgust': 42, 'anger': 26, 'sadness': 24, 'joy': 22, 'fear': 12}
    """
    counts = {label: max(1, round(total * SHARES[label])) for label in EMOSPEECH2024}
    counts["neutral"] += total - sum(counts.values())
    return counts


def _clip(label: str, speaker: Speaker, number: int, said: set[str]) -> Clip:
    key = f"emospeech demo {VERSION}/{speaker.split}/{label}/{number}"
    digest = hashlib.sha256(key.encode()).hexdigest()
    # spread evenly over the unit square rather than drawn, so that chance makes no split easier than another
    telling, flat = (number * 0.7549 + 0.5) % 1, (number * 0.5698 + 0.5) % 1
    words = _generator(f"{key}/words")
    transcription = sentence(label, telling, words)
    while transcription in said:
        transcription = sentence(label, telling, words)
    said.add(transcription)
    delivery = deliver("neutral" if flat < FLAT else label, speaker, _generator(f"{key}/voice"))
    return Clip(f"{digest[:8]}-{digest[8:16]}.mp3", label, speaker, transcription, delivery)


def deliver(label: str, speaker: Speaker, rng: np.random.Generator) -> Delivery:
    """How this speaker says one sentence in this emotion."""
    style = STYLES[label]
    return Delivery(
        rate=float(rng.normal(style.rate, STRAY.rate) * speaker.rate),
        pitch=float(np.clip(rng.normal(style.pitch, STRAY.pitch) + speaker.pitch, 0, 99)),
        spread=float(np.clip(rng.normal(style.spread, STRAY.spread), 0, 99)),
        level=float(rng.normal(style.level, STRAY.level) + speaker.level),
        effort=float(np.clip(rng.normal(style.effort, STRAY.effort), 0, 1)),
    )


def _generator(key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def _write_tables(folder: Path, clips: Sequence[Clip]) -> None:
    rows = [(c.speaker.split, c.id, c.label, c.transcription, c.speaker.name, c.speaker.gender) for c in clips]
    table = pd.DataFrame(rows, columns=["split", "id", "label", "transcription", "speaker", "gender"])
    train, dev, test = (table["split"] == split for split in ("train", "dev", "test"))
    for name, chosen, columns in (
        (emospeech2024.TRAIN_TABLE, train | dev, ["id", "label", "transcription"]),
        (emospeech2024.TEST_TABLE, test, ["id", "transcription"]),
        (emospeech2024.TRAIN_SPLIT, train, ["id", "label", "transcription"]),
        (emospeech2024.DEV_SPLIT, dev, ["id", "label", "transcription"]),
        ("test_gold.csv", test, ["id", "label"]),
        ("speakers.csv", train | dev | test, ["id", "speaker", "gender"]),
    ):
        table.loc[chosen, columns].to_csv(folder / name, index=False, lineterminator="\n")
    write_json(folder / "version.json", {"version": VERSION})
    (folder / emospeech2024.TRAIN_AUDIO).mkdir()
    (folder / emospeech2024.TEST_AUDIO).mkdir()


def write_clip(clip: Clip, folder: Path) -> None:
    """Speak one clip into its mp3 file, in the corpus in `folder`."""
    test = clip.speaker.split == "test"
    path = folder / (emospeech2024.TEST_AUDIO if test else emospeech2024.TRAIN_AUDIO) / clip.id
    sf.write(path, render(clip), SAMPLE_RATE, format="MP3", compression_level=0.7)


def render(clip: Clip) -> np.ndarray:
    """The clip as float32 `(time,)` at 44.1 kHz: spoken, relaxed or pressed, at its level, over its noise."""
    spoken = speak(clip.transcription, clip.speaker.voice, clip.delivery).astype(np.float64)
    # a first-order high-pass leans the spectrum: none of it for a relaxed voice, most of it for a pressed one
    leaned = spoken - 0.9 * clip.delivery.effort * np.concatenate([[0.0], spoken[:-1]])
    gain = 10 ** (clip.delivery.level / 20) / np.sqrt(np.mean(leaned**2))
    signal = soxr.resample(leaned * gain, RATE, SAMPLE_RATE)
    rng = _generator(f"{clip.id}/noise")
    noise = rng.normal(0, 10 ** (rng.uniform(*NOISE_DB) / 20), len(signal))
    return np.asarray(np.clip(signal + noise, -1, 1), dtype=np.float32)


CORPUS = Corpus(
    title="spoken by espeak-ng, made on the spot in the layout of EmoSPeech 2024",
    language="es",
    size=f"{sum(CLIPS.values())} clips",
    labels=EMOSPEECH2024,
    licence="Apache-2.0 (texts); made on your machine",
    source="emospeech demo",
    index=index,
    makes_itself=True,
    speech="synthetic",
)
