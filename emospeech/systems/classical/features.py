"""From a recipe's list of features to one matrix a feature, standardised where it is dense."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Recipe
from emospeech.systems import vectors
from emospeech.systems.classical.scaling import Scale, by_speaker, require_finite, speakers_of
from emospeech.systems.classical.tfidf import Tfidf

FITTED: dict[str, Callable[..., Tfidf]] = {"tfidf": Tfidf}  # what they are made of is learned from the training rows
FEATURES: Mapping[str, Callable[..., Any]] = {**vectors.CLIP_FEATURES, **FITTED}

Part = Any  # vectors.ClipFeatures or Tfidf


def build(recipe: Recipe, revisions: Mapping[str, str | None]) -> list[Part]:
    """A recipe's features, in its order.

    Raises:
        UserError: if an encoder cannot be loaded.
    """
    if recipe.classical is None:
        raise ValueError("a classical recipe has the section classical")
    return [
        FITTED[one.name](**one.options)
        if one.name in FITTED
        else vectors.build(one.name, one.options, recipe, revisions)
        for one in recipe.classical.features
    ]


@dataclass(frozen=True)
class Prepared:
    """Features that know what the training rows taught them."""

    parts: Sequence[Part]
    scales: Sequence[Scale | None]  # of the training rows; None: sparse
    by_speaker: bool

    def of(self, manifest: pd.DataFrame) -> list[Any]:
        """One matrix (rows, D) a feature.

        Raises:
            UserError: if a row lacks what a feature needs.
            WorkError: if a feature is no number.
        """
        raw = (_raw(part, manifest) for part in self.parts)
        return [
            one if scale is None else self._scaled(one, scale, manifest)
            for one, scale in zip(raw, self.scales, strict=True)
        ]

    def _scaled(self, features: np.ndarray, scale: Scale, manifest: pd.DataFrame) -> np.ndarray:
        return by_speaker(features, speakers_of(manifest), scale) if self.by_speaker else scale.apply(features)


def prepared(parts: Sequence[Part], train: pd.DataFrame, normalise: str) -> Prepared:
    """Fit what is fitted to the training rows.

    Raises:
        UserError, WorkError: as `Prepared.of`.
    """
    speakers = normalise == "speaker"
    if speakers:
        speakers_of(train)
    for part in parts:
        if isinstance(part, Tfidf):
            part.fit(train)
    scales = [None if isinstance(part, Tfidf) else Scale.of(_raw(part, train)) for part in parts]
    return Prepared(parts, scales, speakers)


def _raw(part: Part, manifest: pd.DataFrame) -> Any:
    found = part.of(manifest)
    if not isinstance(part, Tfidf):
        require_finite(found, part.names, manifest["id"].tolist())
    return found
