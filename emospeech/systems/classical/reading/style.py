"""How something is said, in numbers: length, marks, persons, negations, endings of verbs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from emospeech.config.words import Positive
from emospeech.systems.classical.reading.spanish import CLOSED, ENDED
from emospeech.systems.classical.scaling import Scale

WORD = re.compile(r"\w+")
SENTENCE = re.compile(r"[.?!]+")
SINGLE = (
    *("characters", "words", "letters a word", "different words", "capitals", "shouted", "numbers", "begun", "ended"),
    *("broken off", "a question", "an exclamation", "words a sentence", "most said", "dots"),
)
COUNTED = '?!,.:"'
NAMES = (*SINGLE, *(f"share of {mark}" for mark in COUNTED), *CLOSED, *ENDED)


class Style:
    """53 numbers of how a Spanish text is said, whatever it is about, standardised by the training rows.

    Logarithms of its length; shares of capitals, numbers, marks, and of words of a closed class (persons, negation,
    interjections, …) or with an ending (past, imperative, diminutive, …); whether it begins or ends within a sentence.

    Source: this project; such features are Pennebaker and King 1999's (linguistic style), Koppel et al. 2002's.
    """

    needs: Literal["transcription"] = "transcription"

    def __init__(
        self,
        *,
        weight: Positive = 1.0,  # of a standard deviation; TF-IDF beside it has rows of length 1: there, 0.06 or so
        clip: Positive = 4.0,  # no further than so many deviations
    ) -> None:
        self.weight, self.clip = weight, clip
        self.scale: Scale | None = None

    def fit(self, train: pd.DataFrame) -> None:
        """Mean and deviation of the training rows."""
        self.scale = Scale.of(_table(train))

    def of(self, manifest: pd.DataFrame) -> Any:
        """Sparse float64 (rows, 53), as TF-IDF beside it is."""
        from scipy.sparse import csr_matrix

        if self.scale is None:
            raise RuntimeError("this feature has been neither fitted nor restored")
        scaled = self.scale.apply(_table(manifest))
        return csr_matrix(self.weight * np.clip(scaled, -self.clip, self.clip))

    def state(self) -> dict[str, Any]:
        """What `fit` learned, in plain arrays."""
        if self.scale is None:
            raise RuntimeError("this feature has been neither fitted nor restored")
        return {"mean": self.scale.mean, "std": self.scale.std}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.scale = Scale(np.asarray(state["mean"]), np.asarray(state["std"]))


def _table(manifest: pd.DataFrame) -> np.ndarray:
    return np.array([numbers(text) for text in manifest["transcription"].tolist()]).reshape(-1, len(NAMES))


def numbers(text: str) -> list[float]:
    """In the order of `NAMES`; shares are of the words, of which an empty text counts as having one.

    >>> found = dict(zip(NAMES, numbers("¿Y tú? ¡No, NO me grites!")))
    >>> [round(found[name], 2) for name in ("different words", "shouted", "you", "negation", "share of !")]
    [0.83, 0.17, 0.17, 0.33, 0.17]
    """
    said = WORD.findall(text)
    words = [word.lower() for word in said]
    n = max(len(words), 1)
    shares = [text.count(mark) / n for mark in COUNTED]
    shares += [sum(word in closed for word in words) / n for closed in CLOSED.values()]
    shares += [sum(ending.search(word) is not None for word in words) / n for ending in ENDED.values()]
    return [*_single(text, said, words, n), *shares]


def _single(text: str, said: Sequence[str], words: Sequence[str], n: int) -> list[float]:
    """In the order of `SINGLE`."""
    end = text.rstrip()
    return [
        float(np.log1p(len(text))),
        float(np.log1p(len(words))),
        sum(map(len, words)) / n,
        len(set(words)) / n,
        sum(word[0].isupper() for word in said) / n,
        sum(word.isupper() and len(word) > 1 for word in said) / n,
        sum(word[0].isdigit() for word in said) / n,
        float(text[:1].islower()),
        float(end[-1:] in ".?!") if end else 0.0,
        float(end.endswith("...")),
        float("?" in text),
        float("!" in text),
        n / max(len(SENTENCE.findall(text)), 1),
        max(map(words.count, set(words)), default=0) / n,
        text.count("...") / n,
    ]
