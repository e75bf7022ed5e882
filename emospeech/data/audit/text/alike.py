"""Pairs of transcripts that are nearly the same words."""

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import numpy as np

MIN_WORDS = 4  # below, one other word makes another sentence
COSINE = 0.5  # of what may be alike: single words and pairs of words, rare ones weighing more
ALIKE = 0.85  # share of letters in common, in order (Ratcliff and Metzener 1988)
BLOCK = 512  # rows compared with all others at a time


def alike(texts: Sequence[str], least: float = ALIKE) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of different texts that are alike in at least this share of their letters.

    Args:
        texts: distinct, in normalised words.

    >>> alike(["el gobierno ha caido esta noche", "el gobierno cayo", "el gobierno ha caido esa noche"])
    [(0, 2)]
    """
    found = []
    for i, j in _candidates(texts):
        matcher = SequenceMatcher(None, texts[i], texts[j], autojunk=False)
        if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least and matcher.ratio() >= least:
            found.append((i, j))
    return found


def _candidates(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs whose words are alike, from a product of sparse matrices in blocks: memory does not grow with pairs."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rows = [k for k, text in enumerate(texts) if text.count(" ") + 1 >= MIN_WORDS]
    if len(rows) < 2:
        return
    most = max(len(rows) // 20, 50)  # words that more texts have tell little and cost much
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"\S+", max_df=min(most, len(rows)), dtype=np.float32
    )
    try:
        weights = vectorizer.fit_transform([texts[k] for k in rows])
    except ValueError:  # no word that is not everywhere
        return
    for start in range(0, len(rows), BLOCK):
        close = (weights[start : start + BLOCK] @ weights.T).tocoo()
        keep = (close.data >= COSINE) & (close.col > close.row + start)
        for row, column in zip(close.row[keep], close.col[keep], strict=True):
            yield rows[start + row], rows[column]
