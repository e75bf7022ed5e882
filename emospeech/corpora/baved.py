"""BAVED, the Basic Arabic Vocal Emotions Dataset: single words, spoken with little, usual and much emotion.

6/49-m-23-6-1-201.wav: speaker 49, male, 23 years, word 6, level 1, recording 201; the folder is the word's, too.

Naming, words and levels: the README of github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset. It counts
61 speakers; the files are of 60: speaker 52 of its `speakers_info.json` is not among them.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(\d+)-([mf])-(\d+)-([0-6])-([0-2])-(\d+)")
LEVELS = ("low", "neutral", "high")  # tired or down; as one speaks every day; happy, sad, angry, …
WORDS = ("اعجبني", "لم يعجبني", "هذا", "الفيلم", "رائع", "مقول", "سيئ")  # as the README spells them
# fmt: off
CLIPS = (  # of speakers 0 to 56
    14, 7, 14, 6, 115, 7, 7, 6, 7, 7, 7, 7, 7, 7, 7, 10, 7, 21, 7, 4, 3, 4, 4, 4, 4, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3,
    3, 3, 3, 4, 4, 3, 4, 6, 3, 4, 21, 168, 21, 160, 306, 40, 0, 21, 61, 340, 349,
)
# fmt: on
PUBLISHED = Published(
    name="baved",
    title="BAVED",
    example="6/49-m-23-6-1-201.wav",
    parts={str(speaker): clips for speaker, clips in enumerate(CLIPS)} | {str(100 + k): 21 for k in range(4)},
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none. What is said is left open where the name and its folder disagree."""
    found = NAME.fullmatch(path.stem)
    if not found:
        return "not named as a clip of BAVED"
    speaker, gender, _, word, level, _ = found.groups()
    folder = path.absolute().parent.name
    certain = folder == word or not re.fullmatch("[0-6]", folder)
    return Clip(
        id=path.stem,
        label=LEVELS[int(level)],
        language="ar",
        speaker=speaker,
        gender="female" if gender == "f" else "male",
        transcription=WORDS[int(word)] if certain else None,
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of BAVED.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="BAVED, seven words in three levels of emotion",
    language="ar",
    size="1935 clips, 60 speakers",
    labels=LEVELS,
    licence="none stated; open to download",
    source="https://github.com/40uf411/Basic-Arabic-Vocal-Emotions-Dataset",
    index=index,
    kind="intensity",
    speech="acted",
)
