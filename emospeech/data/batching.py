"""The order of training: which rows make which batch, on which process. A pure function of seed and step.

A recipe's batch size is that of one optimiser step over all processes and micro-batches, so a recipe means the same
training on one GPU, on eight, or on a laptop that accumulates (batch-norm statistics apart).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Ticket(NamedTuple):
    """One example to load."""

    row: int  # position in the manifest
    epoch: int  # with the seed and the row, decides crop and augmentation
    counts: bool = True  # False: fills the place of a process that has no example in this step; its loss is not counted


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

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.size // self.batch_size)

    def __len__(self) -> int:
        return (self.last_step - self.first_step) * self.accumulation

    def __iter__(self) -> Iterator[list[Ticket]]:
        for step in range(self.first_step, self.last_step):
            rows, epoch = self.global_batch(step)
            parts = np.array_split(rows, self.world_size * self.accumulation)
            for micro in range(self.accumulation):
                part = parts[micro * self.world_size + self.rank]
                if len(part):
                    yield [Ticket(int(row), epoch) for row in part]
                else:
                    yield [Ticket(int(rows[0]), epoch, counts=False)]

    def global_batch(self, step: int) -> tuple[np.ndarray, int]:
        """The rows of one step, over all processes, and its epoch; every row exactly once an epoch."""
        epoch, k = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self.size)
        return order[k * self.batch_size : (k + 1) * self.batch_size], epoch


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
