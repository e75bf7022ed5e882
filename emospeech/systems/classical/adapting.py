"""Each speaker's clips among themselves: what they are called by all is the start, how they lie in heaps has a say."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emospeech.systems.classical.contract import softmax

SHARPNESS = 1.5  # deviation of a speaker's scores: how much the start is trusted against the heaps
PULL = 5.0  # clips at a heap's first mean
SHRINKAGE = 0.1  # of the heaps' covariance towards a sphere
ROUNDS = 10
TINY = 1e-9


def by_speaker(chances: np.ndarray, speakers: Sequence[str]) -> np.ndarray:
    """Probabilities (rows, classes) in the light of all clips of the same speaker that came together, unlabelled.

    A speaker's anger is not everybody's. In the space of the scores (log-probabilities), each class is taken for a
    Gaussian heap around a mean of the speaker's own, with one covariance for all; expectation and maximisation in turn
    find means and memberships, with the scores themselves as what is known beforehand and `PULL` clips that hold a mean
    where the scores first put it. All classes are as probable; no proportion is imposed. A single clip stays as it is.

    Sources: Dempster et al. 1977 (EM); Gauvain and Lee 1994 (MAP adaptation of means), without labels.
    """
    out = chances.copy()
    for _, rows in pd.Series(range(len(chances))).groupby(np.asarray(speakers, dtype=str)):
        places = rows.to_numpy()
        out[places] = _adapted(chances[places])
    return out


def _adapted(chances: np.ndarray) -> np.ndarray:
    """Of one speaker, (clips, classes); a class of no chance at all keeps none."""
    there = chances.max(axis=0) > 0
    logs = np.log(np.maximum(chances[:, there], np.finfo(float).tiny))
    scores = logs - logs.mean(axis=1, keepdims=True)
    spread = scores.std()
    if len(chances) < 2 or spread < TINY:
        return chances
    known = SHARPNESS / spread * scores
    out = np.zeros_like(chances)
    out[:, there] = _members(known)
    return out


def _members(known: np.ndarray) -> np.ndarray:
    """Scores (clips, classes) -> memberships of the heaps."""
    points = known - known.mean(axis=0)
    shares = softmax(known)
    first = shares.T @ points / np.maximum(shares.sum(axis=0), TINY)[:, None]
    means = first
    for _ in range(ROUNDS):
        off = points[:, None] - means[None]  # (clips, heaps, classes)
        covariance = np.einsum("nk,nkd,nke->de", shares, off, off) / len(points)
        width = len(covariance)
        covariance += (SHRINKAGE * np.trace(covariance) / width + TINY) * np.eye(width)
        far = np.einsum("nkd,de,nke->nk", off, np.linalg.inv(covariance), off)
        shares = softmax(known - far / 2)
        means = (PULL * first + shares.T @ points) / (PULL + shares.sum(axis=0))[:, None]
    return shares
