"""SAVEE, Surrey audio-visual expressed emotion (Haq & Jackson, 2011): its audio.

AudioData/DC/a01.wav, or DC_a01.wav in copies: speaker, emotion, sentence of that emotion. The sentences are
from TIMIT; which file has which is not documented openly, so no transcription is given.

Naming: AudioData/Info.txt of the corpus.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(sa|su|[adfhn])(\d\d)")
EMOTIONS = {
    "n": "neutral",
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "sa": "sadness",
    "su": "surprise",
}
PUBLISHED = Published(
    name="savee",
    title="SAVEE",
    example="DC/a01.wav",
    parts={speaker: 15 * (len(EMOTIONS) - 1) + 30 for speaker in ("DC", "JE", "JK", "KL")},  # 30 are neutral
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found:
        return "not named as a clip of SAVEE"
    speaker = found[1] or path.absolute().parent.name
    return Clip(
        id=f"{speaker}_{found[2]}{found[3]}",
        label=EMOTIONS[found[2]],
        language="en",
        speaker=speaker,
        gender="male",
        accent="british",
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of SAVEE.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="SAVEE, acted, men",
    language="en",
    size="480 clips, 4 speakers",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="free for research",
    source="http://kahlan.eps.surrey.ac.uk/savee/ (on registration)",
    index=index,
    speech="acted",
)
