"""The training loop: optimiser steps, validations, the best weights, checkpoints. Nothing here knows which model it is.

Every random draw is a function of seed, step and process, or of seed, epoch and row, so a resumed run goes on as if it
had never stopped, and a global batch gives the same loss however many processes and micro-batches share it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor, nn

from emospeech.data.examples.batching import TrainingOrder
from emospeech.data.examples.dataset import Batch
from emospeech.runtime import interrupt
from emospeech.runtime.console import progress, say
from emospeech.runtime.errors import Futile, Interrupted
from emospeech.runtime.interrupt import StopRequest
from emospeech.training.balance import FixedWeights
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.evaluation import gathered, share_buffers
from emospeech.training.schedules import Schedule
from emospeech.training.standing import Plan, Standing

IN_VAIN = 5  # starts in a row stopped in the validation they began with; a sixth would fare no better
# scores by name, the first of which decides; it runs on every process. None: it was asked to stop before its end
Validate = Callable[[StopRequest], Mapping[str, float] | None]
Journal = Callable[[list[dict[str, float]]], None]


class Trainable(Protocol):
    """What the loop asks of a network beyond being a module: Batch in, logits per task out."""

    def trained_state(self) -> dict[str, Tensor]: ...
    def load_trained_state(self, state: Mapping[str, Tensor]) -> None: ...


class NonFiniteError(RuntimeError):
    """The loss or the weights are no longer numbers; `rows` are the manifest rows of the step's batch, each with that
    of its partner in mixup."""

    def __init__(self, what: str, step: int, rows: Sequence[tuple[int, int | None]]) -> None:
        super().__init__(f"{what} not finite at step {step}")
        self.step, self.rows = step, list(rows)


@dataclass(frozen=True)
class Parts:
    """What is trained, and with what."""

    network: Any  # an nn.Module that is Trainable, not wrapped
    losses: Mapping[str, Any]  # modules, per task; forward gives a sum, `normaliser` what to divide it by
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    accelerator: Any
    # a module: how much each task's loss counts, in the order of `losses`; None: all the same. The optimizer has its
    # parameters beside the network's
    balance: Any = None


def train(
    parts: Parts,
    plan: Plan,
    order: TrainingOrder,
    loader: Callable[[TrainingOrder], Iterable[Batch]],
    validate: Validate | None,
    checkpoints: Checkpoints,
    journal: Journal,
    stop: StopRequest,
    description: str = "training",
) -> Standing:
    """Train to the end of the plan, from the newest checkpoint if there is one; the best weights lie in `checkpoints`.

    Args:
        loader: gives the batches of an order.
        journal: told all validations so far, after each, on the main process.

    Raises:
        Interrupted: on request, after a checkpoint, from which a validation that was under way begins anew.
        Futile: if one validation has been stopped again and again.
        NonFiniteError: if loss or weights are no longer numbers; the last checkpoint, which holds good ones, stays.
    """
    run = _Run(parts, plan, order.seed, checkpoints)
    run.restore()
    with progress(description, plan.steps, run.standing.step) as bar:
        batches = iter(loader(replace(order, first_step=run.standing.step, last_step=plan.steps)))
        while run.standing.unseen or not run.over():
            if not run.standing.unseen:
                loss = run.step([next(batches) for _ in range(order.accumulation)], order.rank)
                bar(note=f"loss {loss:.3f}  best {run.standing.best_score:.4f}" if validate else f"loss {loss:.3f}")
            if run.standing.unseen and (validate is None or run.validated(validate, journal, stop)):
                run.standing.unseen, run.standing.in_vain = False, 0
                run.save()
            if number := run.agreed(stop):
                run.leave(number)
    run.save()
    if validate is None or plan.keep_last:
        run.keep_best()
    return run.standing


class _Run:
    """One training under way: the parts, and where they stand."""

    def __init__(self, parts: Parts, plan: Plan, seed: int, checkpoints: Checkpoints) -> None:
        self.parts, self.plan, self.seed, self.checkpoints = parts, plan, seed, checkpoints
        self.standing, self.began_at = Standing(), 0  # the step that this start begins at
        self.losses_since: list[float] = []
        self.saved_at = -1  # the step of the last checkpoint written here
        self.last_rows: list[tuple[int, int | None]] = []  # of the step before, on this process
        self.accelerator = parts.accelerator
        self.base_rates = [group["lr"] for group in parts.optimizer.param_groups]
        self.balance = parts.balance or FixedWeights(dict.fromkeys(parts.losses, 1.0))
        for module in (*parts.losses.values(), self.balance):
            module.to(self.accelerator.device)
        self.model, self.optimizer = self.accelerator.prepare(parts.network, parts.optimizer)

    def over(self) -> bool:
        patience = self.plan.early_stopping
        return self.standing.step >= self.plan.steps or (patience is not None and self.standing.waited >= patience)

    def _due(self) -> bool:
        """Time for a checkpoint, with a validation if there is a dev set: every so many steps, and at the end."""
        step, every = self.standing.step, self.plan.validate_every
        return every is not None and (step % every == 0 or step == self.plan.steps)

    def step(self, micro: Sequence[Batch], rank: int) -> float:
        """One optimiser step over its micro-batches; the loss is the mean over the global batch."""
        standing, device = self.standing, self.accelerator.device
        self.last_rows = [each for batch in micro for each in batch.heard]
        micro = [batch.to(device) for batch in micro]
        torch.manual_seed(_step_seed(self.seed, standing.step, rank))
        self._set_rate()
        self.model.train()
        totals, counted = self._normalisers(micro)
        weights = self.balance.weights
        values = torch.zeros(len(weights), device=device)
        for k, batch in enumerate(micro):
            last = k == len(micro) - 1
            with _syncing(self.accelerator, self.model, last):
                logits = self.model(batch)
                parts = [
                    self.parts.losses[t](logits[t].float(), batch.labels[t]) / totals[t] for t in self.parts.losses
                ]
                losses = torch.stack(parts)
                # DDP averages gradients over processes; ours are parts of a sum
                self.accelerator.backward((weights * losses).sum() * self.accelerator.num_processes)
            values += losses.detach()
        # the same on every process, and with it the gradient of what weighs the tasks
        total = self.balance.total(self.accelerator.reduce(values, reduction="sum"), counted)
        loss_value = float(total.detach())
        if not math.isfinite(loss_value):
            raise self.not_finite("the loss is")
        if total.requires_grad:
            self.accelerator.backward(total)
        if self.plan.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.plan.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        standing.step += 1
        standing.unseen, standing.in_vain = self._due(), 0
        self.losses_since.append(loss_value)
        return loss_value

    def _normalisers(self, micro: Sequence[Batch]) -> tuple[dict[str, Tensor], Tensor]:
        """Per task, what the whole global batch's loss is divided by, 1 where it holds no label of the task; and
        whether it holds one, bool (tasks,)."""
        own = {
            task: torch.stack([loss.normaliser(batch.labels[task]) for batch in micro]).sum()
            for task, loss in self.parts.losses.items()
        }
        totals = {task: self.accelerator.reduce(value, reduction="sum") for task, value in own.items()}
        counted = torch.stack([total != 0 for total in totals.values()])
        return {task: torch.where(total == 0, 1.0, total) for task, total in totals.items()}, counted

    def _set_rate(self) -> None:
        factor = self.parts.schedule.factor_at(self.standing.step)
        if not self.standing.factors or self.standing.factors[-1][1] != factor:
            self.standing.factors.append((self.standing.step, factor))
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def validated(self, validate: Validate, journal: Journal, stop: StopRequest) -> bool:
        """Validate, unless asked to stop before the end of it."""
        share_buffers(self.parts.network)
        self.require_finite_weights()
        found = validate(stop)
        if found is None:
            return False
        scores = dict(found)
        score = next(iter(scores.values()))
        standing = self.standing
        self.parts.schedule.validated(score)
        if score > standing.best_score:
            standing.best_score, standing.best_step, standing.waited = score, standing.step, 0
            if not self.plan.keep_last:
                self.keep_best()
        else:
            standing.waited += 1
        entry = {
            "step": standing.step,
            "train_loss": sum(self.losses_since) / max(len(self.losses_since), 1),
            "lr": self.optimizer.param_groups[0]["lr"],
            **scores,
            **self.balance.told(),
        }
        self.losses_since = []
        standing.history.append(entry)
        self.accelerator.log({key: value for key, value in entry.items() if key != "step"}, step=standing.step)
        if self.accelerator.is_main_process:
            journal(standing.history)
        return True

    def keep_best(self) -> None:
        if self.accelerator.is_main_process:
            self.checkpoints.save_best(self.parts.network.trained_state())

    def require_finite_weights(self) -> None:
        """The loss of a step is that of the weights before it: a gradient that overflows shows in the weights first."""
        weights = self.parts.network.trained_state().values()
        if not all(bool(torch.isfinite(values).all()) for values in weights):
            raise self.not_finite("the weights are")

    def not_finite(self, what: str) -> NonFiniteError:
        return NonFiniteError(what, self.standing.step, gathered(self.last_rows, self.accelerator))

    def save(self) -> None:
        """A checkpoint, unless this step has one already."""
        if self.saved_at == self.standing.step:
            return
        self.require_finite_weights()
        self.saved_at = self.standing.step
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        self.checkpoints.save(
            self.standing.step,
            {
                "standing": dict(vars(self.standing)),
                "losses_since": self.losses_since,
                "weights": self.parts.network.trained_state(),
                "balance": self.balance.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.parts.schedule.state(),
                "scaler": None if scaler is None else scaler.state_dict(),
            },
        )

    def restore(self) -> None:
        state = self.checkpoints.load()
        if state is None:
            return
        self.standing = Standing(**state["standing"])
        self.began_at = self.standing.step
        self.losses_since = state["losses_since"]
        self.parts.network.load_trained_state(state["weights"])
        self.balance.load_state_dict(state.get("balance", self.balance.state_dict()))  # older ones have none
        self.optimizer.load_state_dict(state["optimizer"])
        self.parts.schedule.restore(state["schedule"])
        if state["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        say(f"resuming at step {self.standing.step}")

    def leave(self, number: int) -> NoReturn:
        """End on a signal, with a checkpoint.

        Raises:
            Interrupted, Futile: see `train`.
        """
        standing = self.standing
        standing.in_vain += standing.unseen and standing.step == self.began_at
        self.save()
        interrupt.note(number)
        self.accelerator.wait_for_everyone()  # a launcher ends all processes with the first
        if standing.in_vain >= IN_VAIN:
            raise Futile(
                f"the validation at step {standing.step} had no time to end in {standing.in_vain} starts of this run: "
                "give it more, as by a longer --time or a later warning (--signal=USR1@60), and go on with --resume"
            )
        raise Interrupted(f"stopped at step {standing.step} of {self.plan.steps}; --resume goes on from there")

    def agreed(self, stop: StopRequest) -> int:
        """The signal by which any process was asked to stop, or 0; all get the same answer."""
        if self.accelerator.num_processes == 1:
            return int(stop)
        return int(self.accelerator.gather(torch.tensor([int(stop)], device=self.accelerator.device)).max())


def _step_seed(seed: int, step: int, rank: int) -> int:
    """One generator state a step and process: dropout is the same whether or not the run was interrupted before."""
    return ((seed * 1_000_003 + step) * 1_009 + rank) % 2**63


def _syncing(accelerator: Any, model: nn.Module, last: bool) -> Any:
    """Gradients cross processes once a step, with the last micro-batch."""
    return nullcontext() if last else accelerator.no_sync(model)
