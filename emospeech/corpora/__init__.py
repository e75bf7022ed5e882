"""Corpora: each is one file with `index(root) -> manifest` and its `CORPUS`, and one entry here."""

from emospeech.corpora import (
    audiofolder,
    baved,
    cremad,
    demo,
    emodb,
    emofilm,
    emospeech2024,
    emovo,
    mesd,
    ravdess,
    savee,
    tess,
)
from emospeech.corpora.base import Corpus

CORPORA: dict[str, Corpus] = {
    "emospeech2024": emospeech2024.CORPUS,
    "baved": baved.CORPUS,
    "cremad": cremad.CORPUS,
    "emodb": emodb.CORPUS,
    "emofilm": emofilm.CORPUS,
    "emovo": emovo.CORPUS,
    "mesd": mesd.CORPUS,
    "ravdess": ravdess.CORPUS,
    "savee": savee.CORPUS,
    "tess": tess.CORPUS,
    "audiofolder": audiofolder.CORPUS,
    "demo": demo.CORPUS,
}
