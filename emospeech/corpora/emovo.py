"""EMOVO (Costantini et al., LREC 2014, L14-1478): six actors, fourteen sentences, some of them without sense.

f1/dis-f1-b1.wav: emotion, actor (f women, m men), sentence (b short, l long, n without sense, d a question).

Sentences: the corpus's own "La struttura di EMOVO", page 8, as several public readers of it agree.
"""

import re
from pathlib import Path

import pandas as pd

from emospeech.corpora import named
from emospeech.corpora.base import Corpus
from emospeech.corpora.named import Clip, Published

NAME = re.compile(r"([a-z]{3})-([fm][1-3])-([blnd][1-5])")
EMOTIONS = {
    "neu": "neutral",
    "dis": "disgust",
    "gio": "joy",  # gioia
    "pau": "fear",  # paura
    "rab": "anger",  # rabbia
    "sor": "surprise",  # sorpresa
    "tri": "sadness",  # tristezza
}
SENTENCES = {
    "b1": "Gli operai si alzano presto.",
    "b2": "I vigili sono muniti di pistola.",
    "b3": "La cascata fa molto rumore.",
    "l1": "L'autunno prossimo Tony partirà per la Spagna nella prima metà di ottobre.",
    "l2": "Ora prendo la felpa di là ed esco per fare una passeggiata.",
    "l3": "Un attimo dopo s'è incamminato... ed è inciampato.",
    "l4": "Vorrei il numero telefonico del Signor Piatti.",
    "n1": "La casa forte vuole col pane.",
    "n2": "La forza trova il passo e l'aglio rosso.",
    "n3": "Il gatto sta scorrendo nella pera.",
    "n4": "Insalata pastasciutta coscia d'agnello limoncello.",
    "n5": "Uno quarantatré dieci mille cinquantasette venti.",
    "d1": "Sabato sera cosa farà?",
    "d2": "Porti con te quella cosa?",
}
PUBLISHED = Published(
    name="emovo",
    title="EMOVO",
    example="f1/dis-f1-b1.wav",
    parts={actor: len(EMOTIONS) * len(SENTENCES) for actor in ("f1", "f2", "f3", "m1", "m2", "m3")},
)


def read(path: Path) -> Clip | str:
    """A file's clip, or why it is none."""
    found = NAME.fullmatch(path.stem)
    if not found or found[1] not in EMOTIONS or found[3] not in SENTENCES:
        return "not named as a clip of EMOVO"
    emotion, actor, sentence = found.groups()
    return Clip(
        id=path.stem,
        label=EMOTIONS[emotion],
        language="it",
        speaker=actor,
        gender="female" if actor[0] == "f" else "male",
        transcription=SENTENCES[sentence],
    )


def index(root: Path) -> pd.DataFrame:
    """The manifest.

    Raises:
        UserError: if the folder holds no clip of EMOVO.
    """
    return named.index(root, PUBLISHED, read)


CORPUS = Corpus(
    title="EMOVO, acted",
    language="it",
    size="588 clips, 6 speakers",
    labels=named.vocabulary(EMOTIONS.values()),
    licence="none stated; its authors tell the terms",
    source="http://voice.fub.it/activities/corpora/emovo/index.html",
    index=index,
    speech="acted",
)
