"""From a recipe's training section to the plan, the schedule and the losses of one fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import nn

from emospeech.config import Loss, Optimizer, Train
from emospeech.data.examples import votes
from emospeech.data.examples.batching import TrainingOrder
from emospeech.data.manifest import WEIGHT
from emospeech.runtime.console import say
from emospeech.training.balance import FixedWeights, Uncertainty
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES
from emospeech.training.schedules import SCHEDULES, Replay, Schedule, WarmUp
from emospeech.training.standing import Plan, Standing


def training_order(settings: Train, train: pd.DataFrame, rank: int, world_size: int) -> TrainingOrder:
    """Which rows make which batch, on this process; a mixture's rows as often as it weighs them."""
    return TrainingOrder(
        size=len(train),
        batch_size=settings.batch_size,
        seed=settings.seed,
        rank=rank,
        world_size=world_size,
        accumulation=settings.accumulation,
        weights=train[WEIGHT].tolist() if WEIGHT in train else None,
    )


def steered(settings: Train, steps_per_epoch: int) -> tuple[Plan, Schedule]:
    """A fit with a dev set, or one that keeps its last weights: as the recipe says."""
    plan = Plan(
        steps=settings.epochs * steps_per_epoch,
        validate_every=settings.validate_every or steps_per_epoch,
        early_stopping=settings.early_stopping,
        clip_norm=settings.clip_norm,
        keep_last=settings.keep == "last",
    )
    wanted = settings.schedule
    rise = wanted.warmup_steps if isinstance(wanted.warmup_steps, int) else round(wanted.warmup_steps * plan.steps)
    if rise >= plan.steps:
        say(f"note: {rise} steps of warm-up, but the run has {plan.steps}: the full learning rate is never reached")
    schedule = SCHEDULES[wanted.name](plan.steps - rise, **wanted.options)
    return plan, WarmUp(schedule, rise) if rise else schedule


def repeated(settings: Train, chosen: Standing) -> tuple[Plan, Schedule]:
    """A fit without one: as many steps as the fit before found best, at its learning rates."""
    every = int(chosen.history[0]["step"])  # as often as that fit kept checkpoints
    return Plan(steps=chosen.best_step, clip_norm=settings.clip_norm, validate_every=every), Replay(chosen.factors)


def losses(
    wanted: Loss, train: pd.DataFrame, tasks: Mapping[str, Sequence[str]], soft_labels: Mapping[str, str]
) -> dict[str, nn.Module]:
    """One loss a task, weighted by the counts of the training rows.

    Args:
        soft_labels: task -> column of votes, whose shares then make the counts.
    """
    often = train[WEIGHT].to_numpy(dtype=float)[:, None] if WEIGHT in train else 1.0
    targets = {
        task: votes.targets(train[task], names, train[soft_labels[task]] if task in soft_labels else None)
        for task, names in tasks.items()
    }
    counts = {task: (often * shares).sum(axis=0) for task, shares in targets.items()}
    weigh = wanted.class_weights
    return {
        task: LOSSES[wanted.name](
            CLASS_WEIGHTS[weigh.name](count, **weigh.options).tolist(), count.tolist(), **wanted.options
        )
        for task, count in counts.items()
    }


def build_balance(wanted: str | Mapping[str, float], tasks: Iterable[str]) -> FixedWeights | Uncertainty:
    """How much the loss of each task counts."""
    if wanted == "uncertainty":
        return Uncertainty(tasks)
    given = wanted if isinstance(wanted, Mapping) else {}
    return FixedWeights({task: given.get(task, 1.0) for task in tasks})


# Those that work on any parameter, batch by batch, need no closure, and take weight decay.
OPTIMIZERS: dict[str, Any] = {
    name: entry
    for name, entry in vars(torch.optim).items()
    if isinstance(entry, type)
    and issubclass(entry, torch.optim.Optimizer)
    and name not in ("Optimizer", "LBFGS", "SparseAdam", "Muon", "Rprop")
}


Group = dict[str, Any]  # params, and options of their own


def build_optimizer(
    wanted: Optimizer, parameters: Sequence[nn.Parameter] | Sequence[Group], balance: nn.Module | None = None
) -> torch.optim.Optimizer:
    """One of torch's, with its own checks of what it is given.

    Args:
        parameters: or groups of them with options of their own, such as `lr`.
        balance: what weighs the tasks, which may learn, too; weight decay would draw it to equal weights.
    """
    learned = [] if balance is None else list(balance.parameters())
    grouped = any(isinstance(one, dict) for one in parameters)
    groups: list[Any] = list(parameters) if grouped else [{"params": list(parameters)}]
    groups += [{"params": learned, "weight_decay": 0.0}] if learned else []
    optimizer: torch.optim.Optimizer = OPTIMIZERS[wanted.name](
        groups, lr=wanted.lr, weight_decay=wanted.weight_decay, **wanted.options
    )
    return optimizer
