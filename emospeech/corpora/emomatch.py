"""EmoMatchSpanishDB (García-Cuesta et al. 2024, Multimedia Tools and Applications 83): elicited, 50 people, not actors.

    <speaker>_<emotion in Spanish>_<sentence>.wav      such as 03_Alegria_02.WAV, anywhere below the root

The naming is that of the preprocessing which its first author's group published (Peña and García-Cuesta,
Spectrogram-emotion-optimized-prototype-learning, `0_preprocess.py`), and so are the genders, of 29 speakers. Where a
`metadata.csv` lies in the root, it is read instead (`by_table`). In EmoSpanishDB, the larger corpus before the
selection, the name tells what was asked for, which need not be what was heard.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from emospeech.corpora import audiofolder, by_table
from emospeech.corpora.base import Corpus, Skipped, incomplete, nothing_found, sounds
from emospeech.data import manifest

CLIPS = 2020
LABELS = ("neutral", "anger", "disgust", "fear", "joy", "sadness", "surprise")
WORDS = {
    "neutro": "neutral", "ira": "anger", "asco": "disgust", "miedo": "fear", "alegria": "joy", "tristeza": "sadness",
    "sorpresa": "surprise",
}  # fmt: skip
NAME = re.compile(rf"(\d+)_({'|'.join(WORDS)})_(\d+)")
MALE = frozenset((1, 2, 5, 9, 12, 13, 22, 23, 31, 35, 36, 37, 43))
FEMALE = frozenset((3, 4, 6, 7, 8, 10, 11, 20, 25, 29, 33, 40, 41, 45, 46, 49))
NAMING = "files named <speaker>_<Neutro, Alegria, …>_<sentence>.wav, or a metadata.csv"


def index(root: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The manifest, in the order of the files' paths; the file's name is the id. `accent` is NA: it is not documented.

    Raises:
        UserError: if no file is named as the corpus's are, or `metadata.csv` is faulty.
    """
    if columns or (root / audiofolder.TABLE).is_file():
        return by_table.read(root, "emomatch", LABELS, language="es", columns=columns)
    skipped, clips = Skipped(root), dict[str, tuple[Path, re.Match[str]]]()
    for path in sounds(root):
        parts = NAME.fullmatch(_plain(path.stem))
        if parts is None:
            skipped.add(path, "not named as a clip of EmoMatchSpanishDB")
        elif path.stat().st_size == 0:
            skipped.add(path, "empty")
        elif path.name in clips:
            skipped.add(path, "a clip that is there already in another folder")
        else:
            clips[path.name] = path, parts
    if not clips:
        raise nothing_found(root, "EmoMatchSpanishDB", NAMING)
    skipped.told()
    incomplete(root, len(clips), CLIPS)
    return manifest.make(
        id=list(clips),
        audio=[str(path) for path, _ in clips.values()],
        label=[WORDS[parts[2]] for _, parts in clips.values()],
        speaker=[parts[1] for _, parts in clips.values()],
        gender=[_gender(int(parts[1])) for _, parts in clips.values()],
        language=["es"] * len(clips),
        corpus=["emomatch"] * len(clips),
        source=[path.relative_to(root).as_posix() for path, _ in clips.values()],
    )


def _plain(name: str) -> str:
    """Small letters without accents: unpacking programs disagree about both."""
    return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c)).casefold()


def _gender(speaker: int) -> str | None:
    return "male" if speaker in MALE else "female" if speaker in FEMALE else None


CORPUS = Corpus(
    title="EmoMatchSpanishDB, Spanish, elicited",
    language="es",
    size="2020 clips, 50 speakers",
    labels=LABELS,
    licence="its authors'",
    source="its authors, doi.org/10.1007/s11042-023-15959-w",
    index=index,
    further_columns=True,
    speech="elicited",
)
