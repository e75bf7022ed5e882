"""TESS, the Toronto emotional speech set (Dupuis & Pichora-Fuller, University of Toronto, 2010).

OAF_angry/OAF_back_angry.wav: actress (OAF the older one, 64 years; YAF the younger one, 26), word, emotion (ps:
pleasant surprise). Both say "Say the word …". One file is misnamed in copies: OA_bite_neutral.wav is OAF's.

Naming and sentence: doi.org/10.5683/SP2/E8H2MF.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(OAF?|YAF)_([a-z]+)_([a-z]+)", re.IGNORECASE)
EMOTIONS = {
    "neutral": "neutral",
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "ps": "pleasant-surprise",
    "sad": "sadness",
}
WORDS = 200
PUBLISHED = Published(
    name="tess",
    title="TESS",
    example="OAF_angry/OAF_back_angry.wav",
    parts={actress: len(EMOTIONS) * WORDS for actress in ("OAF", "YAF")},
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found or found[3].lower() not in EMOTIONS:
        return "not named as a clip of TESS"
    actress = "YAF" if found[1].upper() == "YAF" else "OAF"
    word, emotion = found[2].lower(), found[3].lower()
    return Clip(
        id=f"{actress}_{word}_{emotion}",
        label=EMOTIONS[emotion],
        language="en",
        speaker=actress,
        gender="female",
        transcription=f"Say the word {word}",
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of TESS.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="TESS, acted",
    language="en",
    size="2800 clips, 2 speakers",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="CC BY-NC-ND 4.0",
    source="https://doi.org/10.5683/SP2/E8H2MF",
    index=index,
    speech="acted",
)
