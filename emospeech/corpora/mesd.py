"""MESD, the Mexican Emotional Speech Database (Duville et al., Data 2021, 6(12), 130; doi 10.17632/cy34mh68j9).

Anger_C_A_abajo.wav: emotion, voice (F women, M men, C children), list of words (A: the same in every emotion,
B: chosen for the emotion), word without its accents.

The names do not tell who of the 3 women, 2 men and 6 children speaks. `speaker` is the voice: no person has two,
so parts that share no voice share no person; but a voice is several people.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(Anger|Disgust|Fear|Happiness|Neutral|Sadness)_([FMC])_[AB]_([a-z]+(?:_[a-z]+)*)")
GENDERS = {"F": "female", "M": "male"}
PHRASES = ("basta_ya", "de_nada", "por_favor")  # all else is one word: Happiness_C_A_lento_dentro names two
PUBLISHED = Published(
    name="mesd",
    title="MESD",
    example="Anger_C_A_abajo.wav",
    parts={"F": 288, "M": 288, "C": 286},  # 864 are announced; there is no Anger_C_A_hoy and no Neutral_C_A_tarde
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found:
        return "not named as a clip of MESD"
    if "reduced" in path.parent.name:
        return "a voice made less natural by its authors"
    emotion, voice, word = found.groups()
    return Clip(
        id=path.stem,
        label=emotion.lower(),
        language="es",
        speaker=voice,
        gender=GENDERS.get(voice),
        accent="mexico",
        transcription=word.replace("_", " ") if "_" not in word or word in PHRASES else None,
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of MESD.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="MESD, acted single words, Mexico",
    language="es",
    size="862 clips, 3 voices of 11 speakers",
    labels=("neutral", "anger", "disgust", "fear", "happiness", "sadness"),
    licence="CC BY 4.0",
    source="https://data.mendeley.com/datasets/cy34mh68j9",
    index=index,
    speech="acted",
)
