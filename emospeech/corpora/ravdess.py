"""RAVDESS, the Ryerson audio-visual database of emotional speech and song (Livingstone & Russo, PLoS ONE 2018,
doi 10.1371/journal.pone.0196391): its speech, as audio.

Audio_Speech_Actors_01-24/Actor_12/03-01-06-01-02-01-12.wav: modality (01 audio and video, 02 video, 03 audio),
channel (01 speech, 02 song), emotion, intensity, statement, repetition, actor (even ones are women). Song and video
are left out.

Naming, statements and accent: zenodo.org/records/1188976 and the article.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(0[1-3])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")  # 01 to 08
STATEMENTS = ("Kids are talking by the door", "Dogs are sitting by the door")  # 01, 02
PUBLISHED = Published(
    name="ravdess",
    title="RAVDESS",
    example="Actor_12/03-01-06-01-02-01-12.wav",
    parts={f"{actor:02d}": 60 for actor in range(1, 25)},
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found:
        return "not named as a clip of RAVDESS"
    modality, channel, emotion, _, statement, _, actor = found.groups()
    if modality != "03":
        return "video"
    if channel != "01":
        return "song"
    return Clip(
        id=path.stem,
        label=EMOTIONS[int(emotion) - 1],
        language="en",
        speaker=actor,
        gender="male" if int(actor) % 2 else "female",
        accent="north american",
        transcription=STATEMENTS[int(statement) - 1],
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no speech of RAVDESS.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="RAVDESS, acted, speech",
    language="en",
    size="1440 clips, 24 speakers",
    labels=named.vocabulary(EMOTIONS),
    licence="CC BY-NC-SA 4.0",
    source="https://zenodo.org/records/1188976 (Audio_Speech_Actors_01-24.zip)",
    index=index,
    speech="acted",
)
