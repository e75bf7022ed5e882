"""EmoFilm (Parada-Cabaleiro et al., Interspeech 2018, doi 10.21437/Interspeech.2018-47): scenes of 43 films in English,
Spanish and Italian, many of them in all three.

wav_corpus/f_ans001aen.wav: gender, emotion (of an Italian word), number, part, language; copies at 16 kHz end in _16k.

Names that differ in part and language alone are of one film (by the corpus's legend, as public tables repeat it): what
they share is the `group`. Film and speaker stand in the legend alone, an Excel sheet that is not read here.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"(([fm])_([a-z]{3})\d{3})[a-z](en|es|it)(?:_16k)?")
EMOTIONS = {
    "ans": "fear",  # ansia
    "dis": "contempt",  # disprezzo
    "gio": "happiness",  # gioia
    "rab": "anger",  # rabbia
    "tri": "sadness",  # tristezza
}
PUBLISHED = Published(
    name="emofilm",
    title="EmoFilm",
    example="wav_corpus/f_ans001aen.wav",
    parts={"en": 343, "es": 359, "it": 413},
    part="language",
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found or found[3] not in EMOTIONS:
        return "not named as a clip of EmoFilm"
    scene, gender, emotion, language = found.groups()
    return Clip(
        id=path.stem.removesuffix("_16k"),
        label=EMOTIONS[emotion],
        language=language,
        gender="female" if gender == "f" else "male",
        group=scene,
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of EmoFilm.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="EmoFilm, scenes of films and their dubs",
    language="en, es, it",
    size="1115 clips, 207 speakers, 43 films",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="by a signed agreement (EULA)",
    source="https://zenodo.org/records/1326428",
    index=index,
    speech="acted",
)
