"""Corpora: each is one file with `index(root) -> manifest` and its `CORPUS`, and one entry here."""

from emospeech.corpora import (
    audiofolder,
    coraa_ser,
    demo,
    emomatch,
    emospeech2024,
    emowisconsin,
    inter1sp,
    meacorpus2023,
)
from emospeech.corpora.base import Corpus

CORPORA: dict[str, Corpus] = {
    "emospeech2024": emospeech2024.CORPUS,
    "coraa_ser": coraa_ser.CORPUS,
    "emomatch": emomatch.CORPUS,
    "emowisconsin": emowisconsin.CORPUS,
    "inter1sp": inter1sp.CORPUS,
    "meacorpus2023": meacorpus2023.CORPUS,
    "audiofolder": audiofolder.CORPUS,
    "demo": demo.CORPUS,
}
