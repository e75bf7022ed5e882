"""EMO-DB, the Berlin database of emotional speech (Burkhardt et al., Interspeech 2005).

wav/03a01Fa.wav: speaker 03, text a01, emotion F (the first letter of a German word), version a.

Ages, genders and texts of the speakers: emodb.bilderbar.info, "Code of texts", "Information about the speakers".
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]?")
EMOTIONS = {
    "N": "neutral",
    "W": "anger",  # Wut (Ärger)
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
}
FEMALE = ("08", "09", "13", "14", "16")
TEXTS = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
PUBLISHED = Published(
    name="emodb",
    title="EMO-DB",
    example="wav/03a01Fa.wav",
    parts={
        "03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71,
    },
)  # fmt: skip


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found or found[2] not in TEXTS:
        return "not named as a clip of EMO-DB"
    speaker, text, emotion = found.groups()
    return Clip(
        id=path.stem,
        label=EMOTIONS[emotion],
        language="de",
        speaker=speaker,
        gender="female" if speaker in FEMALE else "male",
        transcription=TEXTS[text],
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of EMO-DB.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="EMO-DB, acted",
    language="de",
    size="535 clips, 10 speakers",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="none stated; open to download",
    source="http://emodb.bilderbar.info",
    index=index,
    speech="acted",
)
