"""One estimator: its features, its transforms, its model; for the labels of one task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emospeech.config import Choice, Classical, Member
from emospeech.metrics.decisions import applied
from emospeech.runtime.errors import UserError
from emospeech.systems.classical import models, transforms
from emospeech.systems.classical.contract import Fitted, Training, softmax

Blocks = Sequence[Any]  # one (rows, D) a feature of the recipe, dense or sparse


@dataclass(frozen=True)
class Copy:
    """How a training clip is altered; as it is: not at all."""

    speed: float = 1.0
    channel: int = 0  # 0: its own

    @property
    def options(self) -> dict[str, Any]:
        """Of the features that hear it."""
        return {name: value for name, value in vars(self).items() if value != getattr(ORIGINAL, name)}

    def __str__(self) -> str:
        return " ".join(f"{name} {value}" for name, value in self.options.items())


ORIGINAL = Copy()


@dataclass(frozen=True)
class Plan:
    """What a recipe says of a member, with nothing left out."""

    features: tuple[int, ...]  # places in the recipe's list
    copies: Sequence[Copy]  # that train beside each clip
    transforms: Sequence[Choice]
    model: Choice
    weight: float


@dataclass(frozen=True)
class Estimator:
    """What was fitted to one task's labels."""

    plan: Plan
    transforms: Sequence[Any]
    fitted: Fitted
    deviation: float = 1.0  # of its centred scores over the training rows

    def chances(self, blocks: Blocks) -> np.ndarray:
        """(rows, classes that were in training)."""
        return self.fitted.chances(self._taken(blocks))

    def scores(self, blocks: Blocks) -> np.ndarray:
        """Logits (rows, classes that were in training), each row's mean 0."""
        return centred(self.fitted.scores(self._taken(blocks)))

    def _taken(self, blocks: Blocks) -> Any:
        features = joined(blocks, self.plan.features)
        for transform in self.transforms:
            features = transform.transform(features)
        return features


@dataclass(frozen=True)
class Vote:
    """The weighted mean of what its members say; each gives (rows, classes that were in training)."""

    members: Sequence[Estimator]
    present: tuple[int, ...]  # the labels that training rows had, as places in the task's list
    labels: int
    pool: str = "probabilities"
    offsets: np.ndarray | None = None  # (labels,), of log-probabilities

    def chances(self, blocks: Blocks) -> np.ndarray:
        """(rows, labels), each row's sum 1; a label without a training row has 0."""
        weights = [member.plan.weight for member in self.members]
        pool = self.pool if len(self.members) > 1 else "probabilities"
        found = POOLS[pool](self.members, weights, blocks)
        out = np.zeros((len(found), self.labels))
        out[:, list(self.present)] = found / found.sum(axis=1, keepdims=True)
        return out if self.offsets is None else applied(out, self.offsets)


def centred(scores: np.ndarray) -> np.ndarray:
    return scores - scores.mean(axis=1, keepdims=True)


def _mean(members: Sequence[Estimator], weights: Sequence[float], blocks: Blocks) -> np.ndarray:
    found: np.ndarray = np.average([one.chances(blocks) for one in members], axis=0, weights=weights)
    return found


def _mean_score(members: Sequence[Estimator], weights: Sequence[float], blocks: Blocks) -> np.ndarray:
    """The softmax of the mean of scores that deviate alike: a logarithmic opinion pool (Genest and Zidek 1986)."""
    scores = [one.scores(blocks) / one.deviation for one in members]
    spread = np.average([one.deviation for one in members], weights=weights)
    return softmax(spread * np.average(scores, axis=0, weights=weights))


POOLS = {"probabilities": _mean, "scores": _mean_score}


def plans(classical: Classical) -> list[Plan]:
    """A section's members; without a vote, the one that it is itself."""
    return [
        Plan(
            classical.chosen(member.features),
            _copies(classical, member),
            classical.transforms if member.transforms is None else member.transforms,
            member.model or classical.model,
            member.weight,
        )
        for member in classical.vote or [Member()]
    ]


def _copies(classical: Classical, member: Member) -> list[Copy]:
    speeds = classical.speeds if member.speeds is None else member.speeds
    channels = classical.channels if member.channels is None else member.channels
    return [*(Copy(speed=speed) for speed in speeds), *(Copy(channel=k + 1) for k in range(channels))]


def fit(
    section: Classical,
    blocks: Mapping[Copy, Blocks],
    given: Sequence[str],
    labels: Sequence[str],
    groups: Sequence[str] | None,
    seed: int,
) -> Vote:
    """Fit all members of a section to rows that have a label each.

    Args:
        blocks: of the rows, by how they are altered.
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
    for plan in plans(section):
        versions = [joined(blocks[copy], plan.features) for copy in (ORIGINAL, *plan.copies)]
        repeated = None if groups is None else [*groups] * len(versions)
        rows = Training(stacked(versions), np.tile(classes, len(versions)), repeated, seed)
        done = []
        for choice in plan.transforms:
            done.append(transforms.fit(choice, rows))
            rows = replace(rows, features=done[-1].transform(rows.features))
        fitted = models.fit(plan.model, rows)
        deviation = float(centred(fitted.scores(rows.features)).std()) if section.pool == "scores" else 1.0
        members.append(Estimator(plan, done, fitted, max(deviation, np.finfo(float).tiny)))
    return Vote(members, tuple(map(int, present)), len(labels), section.pool)


def joined(blocks: Blocks, places: Sequence[int]) -> Any:
    """Features end to end (rows, D): sparse as soon as one of them is."""
    from scipy.sparse import hstack, issparse

    chosen = [blocks[k] for k in places]
    if len(chosen) == 1:
        return chosen[0]
    return hstack(chosen, format="csr") if any(map(issparse, chosen)) else np.hstack(chosen)


def stacked(versions: Sequence[Any]) -> Any:
    """The rows of several matrices, one below the other; all are sparse or none is."""
    from scipy.sparse import issparse, vstack

    if len(versions) == 1:
        return versions[0]
    return vstack(versions, format="csr") if issparse(versions[0]) else np.concatenate(versions)
