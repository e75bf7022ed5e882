"""The order of training: which rows make which batch, on which process. A pure function of seed and step.

A recipe's batch size is that of one optimiser step over all processes and micro-batches, so a recipe means the same
training on one GPU, on eight, or on a laptop that accumulates (batch-norm statistics apart).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

PLAIN, MIXUP, MASKS = 0, 1, 2  # streams of draws: crop and effects; mixup's partner; masks inside an encoder


class Ticket(NamedTuple):
    """One example to load."""

    row: int  # position in the manifest
    epoch: int  # with the seed and the row, decides crop and augmentation
    counts: bool = True  # False: fills the place of a process that has no example in this step; its loss is not counted
    take: int = 0  # which of several times that this epoch hears the row

    def rng(self, seed: int, stream: int = PLAIN) -> np.random.Generator:
        """Decides what is drawn for it, whatever process does so and whenever; each stream is the same without the
        others."""
        which = [self.take, stream] if stream else [self.take] if self.take else []
        return np.random.default_rng([seed, self.epoch, self.row, *which])

    def mask_seed(self, seed: int) -> int:
        """Of the masks that an encoder lays on it."""
        return int(self.rng(seed, MASKS).integers(2**63))


@dataclass(frozen=True)
class TrainingOrder:
    """An endless stream of micro-batches for one process; pass it to a DataLoader as `batch_sampler`."""

    size: int  # rows
    batch_size: int  # examples of one optimiser step, over all processes and micro-batches
    seed: int
    rank: int = 0
    world_size: int = 1
    accumulation: int = 1
    first_step: int = 0  # where a resumed run goes on
    last_step: int = 0  # one past the last step
    weights: Sequence[float] | None = None  # how often an epoch takes each row; None: all of them once

    @property
    def examples(self) -> int:
        """Of an epoch."""
        # weights that a sampler has multiplied sum to what they did, but for the last digits
        return self.size if self.weights is None else max(round(round(sum(self.weights), 6)), 1)

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.examples // self.batch_size)

    def __len__(self) -> int:
        return (self.last_step - self.first_step) * self.accumulation

    def __iter__(self) -> Iterator[list[Ticket]]:
        for step in range(self.first_step, self.last_step):
            batch = self.global_batch(step)
            parts = np.array_split(np.arange(len(batch)), self.world_size * self.accumulation)
            for micro in range(self.accumulation):
                part = parts[micro * self.world_size + self.rank]
                yield [batch[k] for k in part] if len(part) else [batch[0]._replace(counts=False)]

    def global_batch(self, step: int) -> list[Ticket]:
        """The examples of one step, over all processes; over an epoch every row as often as it is to be heard."""
        epoch, k = divmod(step, self.steps_per_epoch)
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(self.size)
        takes = np.zeros(self.size, dtype=int)
        if self.weights is not None:
            order, takes = _taken(np.asarray(self.weights), order, self.examples, rng)
        part = slice(k * self.batch_size, (k + 1) * self.batch_size)
        return [Ticket(int(row), epoch, take=int(take)) for row, take in zip(order[part], takes[part], strict=True)]


def _taken(
    weights: np.ndarray, order: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """So many examples of an epoch: rows, each as often as its weight says or once more, and which time it is.

    Systematic sampling (Madow 1949, Ann. Math. Stat. 20): the expected number of times is the weight exactly.
    """
    ends = np.cumsum(weights[order])
    ends *= count / ends[-1]
    ends[-1] = count
    reached = np.floor(ends + rng.random()).astype(int)
    copies = np.diff(reached, prepend=0)
    rows = np.repeat(order, copies)
    takes = np.concatenate([np.arange(times) for times in copies])
    mixed = rng.permutation(len(rows))
    return rows[mixed], takes[mixed]


def evaluation_order(
    lengths: Sequence[float], batch_size: int, rank: int = 0, world_size: int = 1, budget: float = math.inf
) -> list[list[Ticket]]:
    """Batches of similar length for one process; over all processes every row exactly once.

    Args:
        batch_size: rows of a batch, at most.
        budget: length of a batch, padding included, at most; one row alone may be longer.

    >>> [[t.row for t in batch] for batch in evaluation_order([3.0, 1.0, 2.0], batch_size=2)]
    [[1, 2], [0]]
    >>> [[t.row for t in batch] for batch in evaluation_order([3.0, 1.0, 2.0, 1.0], batch_size=9, budget=4.0)]
    [[1, 3], [2], [0]]
    """
    batches: list[list[Ticket]] = []
    for row in np.argsort(np.asarray(lengths, dtype=float), kind="stable"):
        rows = len(batches[-1]) if batches else batch_size
        if rows >= batch_size or (rows + 1) * lengths[row] > budget:
            batches.append([])
        batches[-1].append(Ticket(int(row), epoch=0))
    return batches[rank::world_size]
