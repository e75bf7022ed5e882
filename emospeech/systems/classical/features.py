"""From a recipe's list of features to one matrix a feature, standardised where it is dense."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Classical, Recipe
from emospeech.config.classical import READ
from emospeech.runtime.errors import UserError, some
from emospeech.systems import vectors
from emospeech.systems.classical.scaling import Scale, by_speaker, require_finite, speakers_of
from emospeech.systems.classical.tfidf import Tfidf

FITTED: dict[str, Callable[..., Tfidf]] = {"tfidf": Tfidf}  # what they are made of is learned from the training rows
FEATURES: dict[str, Callable[..., Any]] = {**vectors.CLIP_FEATURES, **FITTED}

Part = Any  # vectors.ClipFeatures or Tfidf


def build(recipe: Recipe, revisions: Mapping[str, str | None], speed: float | None = None) -> list[Part]:
    """A recipe's features, in its order.

    Args:
        speed: at which they are to hear; what reads hears nothing of it.

    Raises:
        UserError: if they do not go with the recipe's other sections, or one cannot hear at another speed.
    """
    wanted = section_of(recipe).features
    faster = {} if speed is None else {"speed": speed}
    deaf = [one.name for one in wanted if one.name not in READ and not _takes(one.name, faster)]
    if deaf:
        able = [name for name in FEATURES if _takes(name, faster)]
        raise UserError(f"classical.speeds: {some(deaf)} hears at one speed alone; others: {', '.join(able)}")
    return [
        FITTED[one.name](**one.options)
        if one.name in FITTED
        else vectors.build(one.name, one.options | (faster if one.name not in READ else {}), recipe, revisions)
        for one in wanted
    ]


def section_of(recipe: Recipe) -> Classical:
    if recipe.classical is None:
        raise ValueError("a classical recipe has the section classical")
    return recipe.classical


def _takes(name: str, options: Mapping[str, Any]) -> bool:
    return set(options) <= set(inspect.signature(FEATURES[name]).parameters)


@dataclass(frozen=True)
class Prepared:
    """Features that know what the training rows taught them."""

    parts: Sequence[Part]
    scales: Sequence[Scale | None]  # of the training rows; None: sparse
    by_speaker: bool
    prior: float = 0.0  # of speakers' scales

    def of(self, manifest: pd.DataFrame) -> list[Any]:
        """One matrix (rows, D) a feature.

        Raises:
            UserError: if a row lacks what a feature needs.
            WorkError: if a feature is no number.
        """
        speakers = speakers_of(manifest) if self.by_speaker else []
        return self.scaled([_raw(part, manifest) for part in self.parts], speakers)

    def scaled(self, raw: Sequence[Any], speakers: Sequence[str]) -> list[Any]:
        """Matrices as features give them, standardised.

        Args:
            speakers: one a row, where they are what it is done by.
        """
        return [
            one
            if scale is None
            else by_speaker(one, speakers, scale, self.prior)
            if self.by_speaker
            else scale.apply(one)
            for one, scale in zip(raw, self.scales, strict=True)
        ]


def prepared(
    parts: Sequence[Part], copies: Mapping[float, Sequence[Part]], train: pd.DataFrame, section: Classical
) -> tuple[Prepared, list[Any]]:
    """Fit what is fitted to the training rows.

    Args:
        copies: the same features at other speeds; to normalise speakers, a speaker at a speed is a speaker.

    Returns:
        the features; and their matrices of the training rows, then of each copy of them.

    Raises:
        UserError, WorkError: as `Prepared.of`.
    """
    speakers = speakers_of(train) if section.normalise == "speaker" else []
    for part in parts:
        if isinstance(part, Tfidf):
            part.fit(train)
    raw = [_raw(part, train) for part in parts]
    for other in copies.values():
        more = zip(parts, other, strict=True)
        altered = [_raw(part if isinstance(part, Tfidf) else copy, train) for part, copy in more]
        raw = [_stacked(pair) for pair in zip(raw, altered, strict=True)]
    scales = [None if isinstance(part, Tfidf) else Scale.of(one) for part, one in zip(parts, raw, strict=True)]
    found = Prepared(parts, scales, section.normalise == "speaker", section.speaker_prior)
    return found, found.scaled(raw, [*speakers, *(f"{name} at speed {speed}" for speed in copies for name in speakers)])


def _stacked(pair: Sequence[Any]) -> Any:
    from scipy.sparse import issparse, vstack

    return vstack(pair, format="csr") if issparse(pair[0]) else np.concatenate(pair)


def _raw(part: Part, manifest: pd.DataFrame) -> Any:
    found = part.of(manifest)
    if not isinstance(part, Tfidf):
        require_finite(found, part.names, manifest["id"].tolist())
    return found
