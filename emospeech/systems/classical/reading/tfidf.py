"""TF-IDF of words and characters, its vocabulary learned from the training rows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from emospeech.config.words import Count, Positive
from emospeech.runtime.errors import UserError
from emospeech.systems.classical.reading.spanish import MARKS, outline

Range = Sequence[Count]  # the shortest and the longest n-gram

TOKENS: Mapping[str, Mapping[str, Any]] = {  # what n-grams of words are made of
    "words": {},  # of two letters or more
    "marks": {"token_pattern": rf"(?u)\w+|[{MARKS}]"},  # all words, and ¿?¡!.,;:…
    # topics left out; it needs capitals and accents as they are
    "outline": {"tokenizer": outline, "token_pattern": None, "lowercase": False, "strip_accents": None},
}


class Tfidf:
    """Frequencies of words' and of characters' n-grams, each weighted by rarity, scaled to length 1, end to end.

    Source: Salton and Buckley 1988, as scikit-learn's TfidfVectorizer has it.
    """

    needs: Literal["transcription"] = "transcription"

    def __init__(
        self,
        *,
        words: Range | None = (1, 2),
        characters: Range | None = (2, 5),  # within words, with the blank before and after
        min_rows: Count = 2,  # training rows that an n-gram must be in
        sublinear: bool = True,  # 1 + log(count)
        accents: Literal["kept", "folded"] = "kept",
        lowercase: bool = True,
        tokens: Literal["words", "marks", "outline"] = "words",  # for `words`; an outline is of Spanish
        weight: Positive = 1.0,  # beside other features: the length of a row's words, and of its characters
    ) -> None:
        """
        Raises:
            ValueError: if a range is none, or there are neither words nor characters.
        """
        ranges = {"word": words, "char_wb": characters}
        for name, value in (("words", words), ("characters", characters)):
            if value is not None and (len(value) != 2 or value[0] > value[1]):
                raise ValueError(f"{name} should be the shortest and the longest n-gram, as [1, 2], got {list(value)}")
        self.ranges = {name: tuple(value) for name, value in ranges.items() if value is not None}
        if not self.ranges:
            raise ValueError("words and characters are both null")
        self.settings: Mapping[str, Any] = {
            "min_df": min_rows,
            "sublinear_tf": sublinear,
            "strip_accents": None if accents == "kept" else "unicode",
            "lowercase": lowercase,
        }
        self.tokens, self.weight = TOKENS[tokens], weight
        self.parts: list[Any] = []

    def fit(self, train: pd.DataFrame) -> None:
        """
        Raises:
            UserError: if no n-gram is in enough rows.
        """
        self.parts = list(self._vectorizers())
        texts = train["transcription"].tolist()
        for part in self.parts:
            try:
                part.fit(texts)
            except ValueError as error:  # an empty vocabulary
                raise UserError(
                    f"tfidf: no n-gram of {part.analyzer} {list(part.ngram_range)} is in {part.min_df} of the "
                    f"{len(texts)} training rows ({error}); lower min_rows, or look at the transcriptions"
                ) from None

    def of(self, manifest: pd.DataFrame) -> Any:
        """Sparse float64 (rows, n-grams)."""
        from scipy.sparse import hstack

        texts = manifest["transcription"].tolist()
        return hstack([self.weight * part.transform(texts) for part in self.parts], format="csr")

    def _vectorizers(self) -> Iterator[Any]:
        from sklearn.feature_extraction.text import TfidfVectorizer

        for analyzer, span in self.ranges.items():
            tokens = self.tokens if analyzer == "word" else {}
            yield TfidfVectorizer(analyzer=analyzer, ngram_range=span, **{**self.settings, **tokens})

    def state(self) -> dict[str, Any]:
        """What `fit` learned, in plain values and arrays."""
        return {
            "terms": json.dumps([part.get_feature_names_out().tolist() for part in self.parts]),
            "idf": [part.idf_ for part in self.parts],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state`."""
        self.parts = list(self._vectorizers())
        for part, terms, idf in zip(self.parts, json.loads(state["terms"]), state["idf"], strict=True):
            part.set_params(vocabulary={term: k for k, term in enumerate(terms)})
            part.idf_ = np.asarray(idf)
