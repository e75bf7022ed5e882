"""Corpora: each is one file with `index(root) -> manifest` and its `CORPUS`, and one entry here."""

from emospeech.corpora import (
    audiofolder,
    baved,
    coraa_ser,
    cremad,
    demo,
    emodb,
    emofilm,
    emomatch,
    emospeech2024,
    emovo,
    emowisconsin,
    inter1sp,
    meacorpus2023,
    mesd,
    ravdess,
    savee,
    tess,
)
from emospeech.corpora.base import Corpus

CORPORA: dict[str, Corpus] = {
    "emospeech2024": emospeech2024.CORPUS,
    "baved": baved.CORPUS,
    "coraa_ser": coraa_ser.CORPUS,
    "cremad": cremad.CORPUS,
    "emodb": emodb.CORPUS,
    "emofilm": emofilm.CORPUS,
    "emomatch": emomatch.CORPUS,
    "emovo": emovo.CORPUS,
    "emowisconsin": emowisconsin.CORPUS,
    "inter1sp": inter1sp.CORPUS,
    "meacorpus2023": meacorpus2023.CORPUS,
    "mesd": mesd.CORPUS,
    "ravdess": ravdess.CORPUS,
    "savee": savee.CORPUS,
    "tess": tess.CORPUS,
    "audiofolder": audiofolder.CORPUS,
    "demo": demo.CORPUS,
}
