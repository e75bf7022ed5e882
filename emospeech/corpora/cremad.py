"""CREMA-D (Cao et al., IEEE Transactions on Affective Computing 5(4), 2014).

AudioWAV/1001_IEO_ANG_HI.wav: actor, sentence, emotion that was acted, level (LO, MD, HI; XX not given).
AudioMP3/ holds the same clips again.

Sentences and actors: README.md and VideoDemographics.csv of github.com/CheyneyComputerScience/CREMA-D.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(?:LO|MD|HI|XX)")
EMOTIONS = {
    "NEU": "neutral",
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "SAD": "sadness",
}
SENTENCES = {
    "IEO": "It's eleven o'clock",
    "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting",
    "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full",
    "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock",
    "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket",
    "ITS": "I think I've seen this before",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
# fmt: off
FEMALE = {str(1000 + actor) for actor in (
    2, 3, 4, 6, 7, 8, 9, 10, 12, 13, 18, 20, 21, 24, 25, 28, 29, 30, 37, 43, 46, 47, 49, 52, 53, 54, 55, 56, 58, 60, 61,
    63, 72, 73, 74, 75, 76, 78, 79, 82, 84, 89, 91,
)}
# fmt: on
FEWER = {"1002": 81, "1008": 76, "1009": 76, "1019": 76, "1076": 81}
PUBLISHED = Published(
    name="cremad",
    title="CREMA-D",
    example="AudioWAV/1001_IEO_ANG_HI.wav",
    parts={str(actor): 82 for actor in range(1001, 1092)} | FEWER,
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found or found[2] not in SENTENCES or found[3] not in EMOTIONS:
        return "not named as a clip of CREMA-D"
    actor, sentence, emotion = found.groups()
    return Clip(
        id=path.stem,
        label=EMOTIONS[emotion],
        language="en",
        speaker=actor,
        gender="female" if actor in FEMALE else "male",
        transcription=SENTENCES[sentence],
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of CREMA-D.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="CREMA-D, acted",
    language="en",
    size="7442 clips, 91 speakers",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="ODbL 1.0, contents DbCL 1.0",
    source="https://github.com/CheyneyComputerScience/CREMA-D",
    index=index,
    speech="acted",
)
