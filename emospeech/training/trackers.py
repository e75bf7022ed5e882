"""Where the curves of a fit go while it runs: TensorBoard's files, Weights & Biases."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_text
from emospeech.runtime.runs import RunFolder

PROJECT = "emospeech"  # the one that all runs share on W&B


@dataclass(frozen=True)
class Fit:
    """What a tracker is told of a fit."""

    run: RunFolder
    stage: str  # `dev`, or `refit` on all labelled rows; `-balanced` after it: the second of their stages
    name: str  # of the recipe
    recipe: Mapping[str, Any]


@contextmanager
def tracking(accelerator: Any, names: Sequence[str], fit: Fit) -> Iterator[None]:
    """`accelerator.log` reaches these trackers within, from the main process; they end with the fit, however it ends.

    Raises:
        UserError: if W&B cannot start.
    """
    own = [TRACKERS[name](fit) for name in names] if accelerator.is_main_process else []
    try:
        for tracker in own:
            _start(tracker)
            accelerator.trackers.append(tracker)
        yield
    finally:
        started = list(accelerator.trackers)
        accelerator.trackers.clear()  # a later fit has its own
        for tracker in started:
            tracker.finish()  # end_training() would end the process group too


def wandb_options(fit: Fit) -> dict[str, Any]:
    """What `wandb.init` takes beside the project. A resumed fit goes on with its own W&B run, by the id kept here."""
    kept = fit.run.wandb / f"{fit.stage}.id"
    if not kept.exists():
        write_text(kept, uuid.uuid4().hex)
    return {
        "name": fit.name if fit.stage == "dev" else f"{fit.name} {fit.stage}",
        "config": dict(fit.recipe),
        "dir": str(fit.run.path),
        "id": kept.read_text(encoding="utf-8"),
        "resume": "allow",
    }


def _tensorboard(fit: Fit) -> Any:
    from accelerate.tracking import TensorBoardTracker

    return TensorBoardTracker(fit.stage, str(fit.run.tensorboard))


def _wandb(fit: Fit) -> Any:
    from accelerate.tracking import WandBTracker

    return WandBTracker(PROJECT, **wandb_options(fit))


def _start(tracker: Any) -> None:
    try:
        tracker.start()
    except OSError:
        raise
    except Exception as error:  # W&B's own: not logged in, no network, a wrong setting
        raise UserError(f"train.trackers: {tracker.name} cannot start: {error}; mend that, or leave it out") from None


TRACKERS: dict[str, Callable[[Fit], Any]] = {"tensorboard": _tensorboard, "wandb": _wandb}
