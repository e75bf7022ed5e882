"""From a recipe's training section to the plan, the schedule and the losses of one fit."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from torch import nn

from emospeech.config import Loss, Train
from emospeech.training.loop import Plan, Standing
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES
from emospeech.training.schedules import SCHEDULES, Replay, Schedule, WarmUp


def steered(settings: Train, steps_per_epoch: int) -> tuple[Plan, Schedule]:
    """A fit with a dev set: as the recipe says."""
    plan = Plan(
        steps=settings.epochs * steps_per_epoch,
        validate_every=settings.validate_every or steps_per_epoch,
        early_stopping=settings.early_stopping,
        clip_norm=settings.clip_norm,
    )
    wanted = settings.schedule
    schedule = SCHEDULES[wanted.name](wanted.factor, wanted.patience)
    return plan, WarmUp(schedule, wanted.warmup_steps) if wanted.warmup_steps else schedule


def repeated(settings: Train, chosen: Standing) -> tuple[Plan, Schedule]:
    """A fit without one: as many steps as the fit before found best, at its learning rates."""
    return Plan(steps=chosen.best_step, clip_norm=settings.clip_norm), Replay(chosen.factors)


def losses(wanted: Loss, train: pd.DataFrame, tasks: Mapping[str, Sequence[str]]) -> dict[str, nn.Module]:
    """One loss a task, weighted by the counts of the training rows."""
    counts = {task: np.array([(train[task] == name).sum() for name in names]) for task, names in tasks.items()}
    weigh = CLASS_WEIGHTS[wanted.class_weights]
    return {task: LOSSES[wanted.name](weigh(count).tolist()) for task, count in counts.items()}
