"""Corpora: each is one file with `index(root) -> manifest` and its `CORPUS`, and one entry here."""

from emospeech.corpora import audiofolder, demo, emospeech2024
from emospeech.corpora.base import Corpus

CORPORA: dict[str, Corpus] = {
    "emospeech2024": emospeech2024.CORPUS,
    "audiofolder": audiofolder.CORPUS,
    "demo": demo.CORPUS,
}
