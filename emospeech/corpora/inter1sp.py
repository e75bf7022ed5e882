"""INTER1SP, ELRA-S0329 (Hozjan et al. 2002, LREC): the Spanish part of the INTERFACE emotional speech database.

Two professional actors, a woman and a man, say the same 184 texts (numbers, words, sentences, paragraphs) neutrally and
in the six MPEG-4 emotions. How its files are named is not publicly documented: a `metadata.csv` tells (`by_table`).
Neutral speech in other manners (slow, loud) is `neutral` only if the table says so.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.corpora import by_table
from emospeech.corpora.base import Corpus

LABELS = ("neutral", "anger", "disgust", "fear", "joy", "sadness", "surprise")


def index(root: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The manifest, in the order of `metadata.csv`. Two speakers: leave-one-speaker-out has two folds.

    Raises:
        UserError: as `by_table.read`.
    """
    return by_table.read(root, "inter1sp", LABELS, language="es", accent="spain", columns=columns)


CORPUS = Corpus(
    title="INTER1SP, Spanish of INTERFACE, acted",
    language="es",
    size="184 texts in 7 styles, 2 speakers",
    labels=LABELS,
    licence="ELRA's",
    source="catalogue.elra.info, ELRA-S0329; with a metadata.csv of your own, as its file names are not documented",
    index=index,
    further_columns=True,
    speech="acted",
)
