"""One estimator: its features, its transforms, its model; for the labels of one task."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emospeech.config import Choice, Classical, Member
from emospeech.runtime.errors import UserError
from emospeech.systems.classical import models, transforms
from emospeech.systems.classical.contract import Fitted, Training

Blocks = Sequence[Any]  # one (rows, D) a feature of the recipe, dense or sparse


@dataclass(frozen=True)
class Plan:
    """What a recipe says of a member, with nothing left out."""

    features: tuple[int, ...]  # places in the recipe's list
    transforms: Sequence[Choice]
    model: Choice
    weight: float


@dataclass(frozen=True)
class Estimator:
    """What was fitted to one task's labels."""

    plan: Plan
    transforms: Sequence[Any]
    fitted: Fitted

    def chances(self, blocks: Blocks) -> np.ndarray:
        """(rows, classes that were in training)."""
        features = joined(blocks, self.plan.features)
        for transform in self.transforms:
            features = transform.transform(features)
        return self.fitted.chances(features)


@dataclass(frozen=True)
class Vote:
    """The weighted mean of its members' probabilities."""

    members: Sequence[Estimator]
    present: tuple[int, ...]  # the labels that training rows had, as places in the task's list
    labels: int

    def chances(self, blocks: Blocks) -> np.ndarray:
        """(rows, labels), each row's sum 1; a label without a training row has 0."""
        weights = [member.plan.weight for member in self.members]
        found = np.average([member.chances(blocks) for member in self.members], axis=0, weights=weights)
        out = np.zeros((len(found), self.labels))
        out[:, list(self.present)] = found / found.sum(axis=1, keepdims=True)
        return out


def plans(classical: Classical) -> list[Plan]:
    """A section's members; without a vote, the one that it is itself."""
    return [
        Plan(
            classical.chosen(member.features),
            classical.transforms if member.transforms is None else member.transforms,
            member.model or classical.model,
            member.weight,
        )
        for member in classical.vote or [Member()]
    ]


def fit(
    wanted: Sequence[Plan],
    blocks: Blocks,
    given: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
) -> Vote:
    """Fit all members to rows that have a label each.

    Args:
        given: the rows' labels.
        labels: the task's, in the order of the run.
        groups: what an inner part for early stopping must not share with the rest.

    Raises:
        UserError: if the rows have fewer than two different labels.
    """
    places = np.array([labels.index(label) for label in given], dtype=int)
    present, classes = np.unique(places, return_inverse=True)
    if len(present) < 2:
        there = f"all are {labels[present[0]]}" if len(present) else "there is none"
        raise UserError(f"the training rows need two different labels at least, but of {len(places)}, {there}")
    members = []
    for plan in wanted:
        rows = Training(joined(blocks, plan.features), classes, groups, seed)
        done = []
        for choice in plan.transforms:
            done.append(transforms.fit(choice, rows))
            rows = replace(rows, features=done[-1].transform(rows.features))
        members.append(Estimator(plan, done, models.fit(plan.model, rows)))
    return Vote(members, tuple(map(int, present)), len(labels))


def joined(blocks: Blocks, places: Sequence[int]) -> Any:
    """Features end to end (rows, D): sparse as soon as one of them is."""
    from scipy.sparse import hstack, issparse

    chosen = [blocks[k] for k in places]
    if len(chosen) == 1:
        return chosen[0]
    return hstack(chosen, format="csr") if any(map(issparse, chosen)) else np.hstack(chosen)
