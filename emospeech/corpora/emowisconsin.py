"""EmoWisconsin (Pérez-Espinosa et al. 2011, ACII): children of 7 to 13 years, Mexican Spanish, induced emotions.

They play a sorting card game with an adult; each turn was annotated by 11 people with one of six categories and with
three continuous primitives. How its files are named is not publicly documented: a `metadata.csv` tells (`by_table`),
with the category that you settle on as `label`, in your words; counts of the annotators can be a column of their own
(`data.soft_labels`).
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.corpora import by_table
from emospeech.corpora.base import Corpus


def index(root: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The manifest, in the order of `metadata.csv`.

    Raises:
        UserError: as `by_table.read`.
    """
    return by_table.read(root, "emowisconsin", None, language="es", accent="mexico", columns=columns)


CORPUS = Corpus(
    title="EmoWisconsin, children at play, Mexican Spanish",
    language="es",
    size="turns of children of 7 to 13 years",
    labels=None,
    licence="by agreement with its authors (INAOE)",
    source="its authors, on request; with a metadata.csv of your own, as its file names are not documented",
    index=index,
    further_columns=True,
    speech="elicited",
)
