"""From a recipe's list of features to one matrix a feature, standardised where it is dense."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from emospeech.config import Choice, Classical, Recipe
from emospeech.config.sections.classical import READ
from emospeech.runtime.errors import UserError, some
from emospeech.systems import vectors
from emospeech.systems.classical.member import ORIGINAL, Copy, plans
from emospeech.systems.classical.reading.style import Style
from emospeech.systems.classical.reading.tfidf import Tfidf
from emospeech.systems.classical.scaling import Scale, by_speaker, require_finite, speakers_of, within

FITTED: dict[str, type[Tfidf | Style]] = {"tfidf": Tfidf, "style": Style}  # they learn from the training rows; sparse
FEATURES: dict[str, Callable[..., Any]] = {**vectors.CLIP_FEATURES, **FITTED}

# how a clip may be altered, by the option of the features that hear it: the section's key, and what else can be said
DEAF = {"speed": ("speeds", "hears at one speed alone"), "channel": ("channels", "hears through no other channel")}

Part = Any  # vectors.ClipFeatures or one of FITTED


def is_fitted(part: Part) -> bool:
    """Whether it learns from the training rows, and gives a sparse matrix that is at scale already."""
    return isinstance(part, tuple(FITTED.values()))


def build(recipe: Recipe, revisions: Mapping[str, str | None]) -> list[Part]:
    """A recipe's features, in its order.

    Raises:
        UserError: if they do not go with the recipe's other sections.
    """
    return [_part(one, {}, recipe, revisions) for one in section_of(recipe).features]


def copies(recipe: Recipe, revisions: Mapping[str, str | None]) -> dict[Copy, dict[int, Part]]:
    """Features that hear altered clips: copy -> place in the recipe's list -> feature.

    Raises:
        UserError: if one that is to do so cannot.
    """
    section = section_of(recipe)
    wanted: dict[Copy, set[int]] = {}
    for plan in plans(section):
        for copy in plan.copies:
            hearing = {place for place in plan.features if section.features[place].name not in READ}
            wanted[copy] = wanted.get(copy, set()) | hearing
    for option, (key, fault) in DEAF.items():
        hear = [name for name, entry in FEATURES.items() if option in inspect.signature(entry).parameters]
        asked = {section.features[k].name for copy, places in wanted.items() if option in copy.options for k in places}
        if deaf := sorted(asked - set(hear)):
            raise UserError(f"classical.{key}: {some(deaf)} {fault}; others: {', '.join(hear)}")
    return {
        copy: {k: _part(section.features[k], copy.options, recipe, revisions) for k in sorted(places)}
        for copy, places in wanted.items()
    }


def section_of(recipe: Recipe) -> Classical:
    if recipe.classical is None:
        raise ValueError("a classical recipe has the section classical")
    return recipe.classical


def _part(one: Choice, more: Mapping[str, Any], recipe: Recipe, revisions: Mapping[str, str | None]) -> Part:
    if one.name in FITTED:
        return FITTED[one.name](**one.options)
    return vectors.build(one.name, {**one.options, **more}, recipe, revisions)


@dataclass(frozen=True)
class Prepared:
    """Features that know what the training rows taught them."""

    parts: Sequence[Part]
    scales: Sequence[Scale | None]  # of the training rows; None: sparse
    section: Classical

    def of(self, manifest: pd.DataFrame) -> list[Any]:
        """One matrix (rows, D) a feature.

        Raises:
            UserError: if a row lacks what a feature needs.
            WorkError: if a feature is no number.
        """
        speakers = speakers_of(manifest) if self.section.normalise == "speaker" else []
        return self.scaled([_raw(part, manifest) for part in self.parts], speakers)

    def scaled(self, raw: Sequence[Any], speakers: Sequence[str]) -> list[Any]:
        """Matrices as features give them, standardised.

        Args:
            speakers: one a row, where they are what it is done by.
        """
        if self.section.normalise == "speaker":
            prior = self.section.speaker_prior
            return [
                one if scale is None else by_speaker(one, speakers, scale, prior)
                for one, scale in zip(raw, self.scales, strict=True)
            ]
        return [one if scale is None else scale.apply(one) for one, scale in zip(raw, self.scales, strict=True)]


def prepared(
    parts: Sequence[Part], altered: Mapping[Copy, Mapping[int, Part]], train: pd.DataFrame, section: Classical
) -> tuple[Prepared, dict[Copy, list[Any]]]:
    """Fit what is fitted to the training rows.

    Args:
        altered: see `copies`. To normalise by speaker, a speaker at another speed or through another channel is
            another speaker.

    Returns:
        the features; and their matrices of the training rows by copy, the original first. What does not hear a copy is
        as of the original.

    Raises:
        UserError, WorkError: as `Prepared.of`.
    """
    speakers = speakers_of(train) if section.normalise == "speaker" else []
    for part in parts:
        if is_fitted(part):
            part.fit(train)
    raw = {ORIGINAL: [_raw(part, train) for part in parts]}
    for copy, hearing in altered.items():
        raw[copy] = [_raw(hearing[k], train) if k in hearing else raw[ORIGINAL][k] for k in range(len(parts))]
    scales: list[Scale | None] = []
    for place, part in enumerate(parts):
        versions = [raw[copy][place] for copy in raw if copy == ORIGINAL or place in altered[copy]]
        scales.append(None if is_fitted(part) else _scale(versions, speakers, section))
    found = Prepared(parts, scales, section)
    return found, {copy: found.scaled(one, speakers) for copy, one in raw.items()}


def _scale(versions: Sequence[np.ndarray], speakers: Sequence[str], section: Classical) -> Scale:
    """Of the training rows; where speakers of few clips are drawn to it, its deviation is that within speakers."""
    found = Scale.of(np.concatenate(versions))
    if section.normalise == "speaker" and section.speaker_prior:
        return Scale(found.mean, within(versions, speakers))
    return found


def _raw(part: Part, manifest: pd.DataFrame) -> Any:
    found = part.of(manifest)
    if not is_fitted(part):
        require_finite(found, part.names, manifest["id"].tolist())
    return found
