"""Corpora: each is one file with `index(root) -> manifest`, and one entry here."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from emospeech.corpora import audiofolder, demo, emospeech2024
from emospeech.labels import EMOSPEECH2024


@dataclass(frozen=True)
class Corpus:
    """What `emospeech data list` tells of a corpus, and how to index it."""

    title: str
    language: str
    labels: tuple[str, ...] | None  # None: those that its table has
    licence: str
    source: str  # where users get it
    index: Callable[..., pd.DataFrame]  # (root); and (root, columns) where `further_columns`
    audio_at: str = ""  # where its audio lies, for messages
    makes_itself: bool = False  # the root need not exist
    further_columns: bool = False  # its table may have columns of the user's own, such as votes


CORPORA = {
    "emospeech2024": Corpus(
        title="EmoSPeech 2024 shared task, 3000 + 750 clips of Spanish video",
        language="es",
        labels=EMOSPEECH2024,
        licence="by agreement with the organisers",
        source="the organisers of EmoSPeech at IberLEF 2024",
        index=emospeech2024.index,
        audio_at=f"{emospeech2024.TRAIN_AUDIO}/ and {emospeech2024.TEST_AUDIO}/ in data.root",
    ),
    "audiofolder": Corpus(
        title="any folder with metadata.csv (file_name, label, …)",
        language="any",
        labels=None,
        licence="yours",
        source="your own files",
        index=audiofolder.index,
        further_columns=True,
    ),
    "demo": Corpus(
        title="spoken by espeak-ng, made on the spot in the layout of EmoSPeech 2024",
        language="es",
        labels=EMOSPEECH2024,
        licence="Apache-2.0 (texts); made on your machine",
        source="emospeech demo",
        index=demo.index,
        makes_itself=True,
    ),
}
