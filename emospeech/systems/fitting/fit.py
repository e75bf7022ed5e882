"""One fit of a network: the parts that a recipe names, put together for the loop."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.data.examples.augment import Augmenter
from emospeech.models.classifier import EmotionNetwork
from emospeech.runtime.interrupt import stop_on_signal
from emospeech.runtime.memory import keep_freed_memory
from emospeech.systems.base import MAIN_TASK
from emospeech.systems.fitting import finetuning, told
from emospeech.systems.fitting.feed import Feed, soft_labels
from emospeech.systems.fitting.plan import build_balance, build_optimizer, losses, repeated, steered, training_order
from emospeech.systems.fitting.sampling import sampled
from emospeech.training import loop
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.schedules import Schedule
from emospeech.training.standing import Plan, Standing
from emospeech.training.switches import compile_in_place, recompute_in_place


@dataclass(frozen=True)
class Fitting:
    """A network about to be trained."""

    recipe: Recipe
    tasks: Mapping[str, Sequence[str]]
    network: EmotionNetwork
    accelerator: Any
    feed: Feed
    augmenter: Augmenter | None
    validate: loop.Validate | None  # scores on dev; None: no dev set
    chosen: Standing | None  # how a fit with a dev set ended, for one without
    checkpoints: Checkpoints
    journal: loop.Journal  # takes the validations so far
    title: str = ""  # of the stage, where there are several

    def run(self, train: pd.DataFrame) -> Standing:
        """Run the loop over these rows to its end, or to a stop; from a checkpoint on, where there is one.

        Raises:
            Interrupted: on request.
            WorkError: if loss or weights are no longer numbers.
        """
        settings, network = self.recipe.train, self.network
        train = sampled(settings.sampler, train, self.tasks[MAIN_TASK], self.recipe.data.soft_labels)
        order = training_order(settings, train, self.accelerator.process_index, self.accelerator.num_processes)
        dataset = self.feed.for_training(train, self.tasks, self.augmenter, order.weights)
        plan, schedule = self._plan(order.steps_per_epoch)
        if settings.gradient_checkpointing:
            recompute_in_place([network.speech, network.text])
        if settings.compile:
            compile_in_place([network.speech, network.text, network.classifier])
        parts = self._parts(train, schedule)
        keep_freed_memory()
        with stop_on_signal() as stop:
            try:
                return loop.train(
                    parts,
                    plan,
                    order,
                    loader=lambda remaining: self.feed.batches(dataset, remaining),
                    validate=self.validate,
                    checkpoints=self.checkpoints,
                    journal=self.journal,
                    stop=stop,
                    description=("training" if self.validate else "training on all labelled rows") + self.title,
                )
            except loop.NonFiniteError as error:
                raise told.not_finite(error, train, self.checkpoints) from None

    def _plan(self, steps_per_epoch: int) -> tuple[Plan, Schedule]:
        if self.validate is not None or self.recipe.train.keep == "last":
            return steered(self.recipe.train, steps_per_epoch)
        if self.chosen is None:
            raise RuntimeError("a fit without a dev set needs one with a dev set before it, to choose the steps")
        return repeated(self.recipe.train, self.chosen)

    def _parts(self, train: pd.DataFrame, schedule: Schedule) -> loop.Parts:
        settings = self.recipe.train
        balance = build_balance(settings.task_weights, self.tasks)
        optimizer = build_optimizer(settings.optimizer, finetuning.groups(self.recipe, self.network), balance)
        weighted = losses(settings.loss, train, self.tasks, soft_labels(self.recipe))
        return loop.Parts(self.network, weighted, optimizer, schedule, self.accelerator, balance)
