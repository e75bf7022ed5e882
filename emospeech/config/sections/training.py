"""The section `train` of a recipe: optimiser, schedule, loss, and how long."""

import math
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from emospeech.config.words import Choice, Count, Positive, Probability, Section, Seed, count_or_auto, named, whole


def _steps_or_fraction(value: Any) -> Any:
    if whole(value) or (isinstance(value, float) and 0 <= value < 1):
        return value
    raise ValueError(f"should be a number of steps, or a fraction of all of them between 0 and 1, got {value!r}")


def _task_weights(value: Any) -> Any:
    if value in ("equal", "uncertainty"):
        return value
    if not isinstance(value, dict) or not all(map(_weighs, value.values())):
        raise ValueError(f"should be equal, uncertainty, or a number, 0 or more, for each task, got {value!r}")
    if value.get("label") == 0:
        raise ValueError("label is the main task, by which training is steered; its weight should be above 0")
    return {str(task): float(weight) for task, weight in value.items()}


def _weighs(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


class Optimizer(Choice):
    """One of torch.optim, by its name; its further options go beside these."""

    name: str = "AdamW"
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class Schedule(Choice):
    name: str = "constant"
    warmup_steps: Annotated[int | float, PlainValidator(_steps_or_fraction)] = 0  # a linear rise; below 1: of all steps


class Loss(Choice):
    name: str = "cross_entropy"
    class_weights: Annotated[Choice, named("class weights")] = Choice(name="inverse")


class Mixup(Section):
    """Two training clips heard as one, learned as both (Zhang et al. 2018, arXiv 1710.09412)."""

    alpha: Annotated[float, Field(gt=0, le=10)] = 0.2  # the clip's share is drawn from Beta(alpha, alpha)
    probability: Probability = 0.5  # that a clip is mixed at all


class BalancedStage(Section):
    """A second training, from the best weights of the first, that hears all classes equally often: representations of
    all clips as they are, a classifier for macro-F1 (Kang et al. 2020, arXiv 1910.09217)."""

    epochs: Count = 5
    lr: Positive = 1e-4  # in the place of optimizer.lr; an encoder's own rate changes in proportion
    only: Literal["head", "all"] = (
        "head"  # what trains: model.head (without it: the last layer), or all that did before
    )


class Train(Section):
    seed: Seed = 0  # a list of them, as train.seed=[1,2,3]: one run each, and a summary
    epochs: Count = 10
    batch_size: Count = 16  # examples of one optimiser step, over all processes and micro-batches
    accumulation: Count = 1  # micro-batches a step: saves memory; only batch-norm statistics notice
    optimizer: Annotated[Optimizer, named("optimizer")] = Optimizer()
    schedule: Annotated[Schedule, named("schedule")] = Schedule()
    loss: Annotated[Loss, named("loss")] = Loss()
    # how often an epoch takes a clip, by its main label; the mixture's weights are multiplied by it
    sampler: Annotated[Choice, named("sampler")] = Choice(name="none")
    # of the tasks' losses: equal; numbers, as {label: 1.0, gender: 0.5}, 1 where none is given, 0: not learned at all;
    # uncertainty: learned (Kendall et al. 2018, arXiv 1705.07115). The main task is called label
    task_weights: Annotated[str | dict[str, float], PlainValidator(_task_weights)] = "equal"
    clip_norm: Positive | None = None
    mixup: Mixup | None = None  # of waveforms: for recipes of speech alone, none of it stored
    balanced_stage: BalancedStage | None = None  # after all of this; kept if it gains on dev
    validate_every: Count | None = None  # optimiser steps; None: once an epoch
    early_stopping: Count | None = None  # validations without gain
    # which weights a fit ends with. best: those of the best validation on dev; last: those of the last step, for which
    # no dev set is needed, so that folds of a benchmark train on all that they do not test
    keep: Literal["best", "last"] = "best"
    precision: Annotated[Literal["fp32", "bf16", "fp16"], named("precision")] = "fp32"
    # torch.compile: a minute to start; small networks on a CPU gain nothing
    compile: Annotated[bool, named("compile")] = False
    # blocks of an encoder that trains compute again, in the backward pass, what they would keep: less memory, more time
    gradient_checkpointing: bool = False
    deterministic: bool = False  # on a GPU, the same numbers from run to run; slower
    eval_batch_size: Annotated[int | str, PlainValidator(count_or_auto)] = (
        "auto"  # auto: one by one through large encoders on a CPU, else many
    )
    workers: Annotated[int, Field(ge=0)] = 0  # processes that load audio
    trackers: Annotated[list[Literal["tensorboard", "wandb"]], named("trackers")] = ["tensorboard"]

    @model_validator(mode="after")
    def _keeps_what_it_can(self) -> "Train":
        """The last step is where the plan ends, so nothing on dev may decide it."""
        steers = {
            "early_stopping": self.early_stopping is not None,
            "schedule: plateau": self.schedule.name == "plateau",
        }
        found = [name for name, there in steers.items() if there]
        if self.keep == "last" and found:
            raise ValueError(f"keep: last trains to the end of the epochs, and {found[0]} goes by scores on dev")
        return self
