"""The stages of a fit: one, or a second that hears all classes equally often. Each is a run of the loop, with its own
checkpoints, so that either can be stopped and resumed.

Source: Kang et al. 2020, "Decoupling representation and classifier for long-tailed recognition" (arXiv 1910.09217). The
head goes on from where the first stage left it, where theirs (cRT) begins anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from emospeech.config import Choice, Recipe
from emospeech.runtime.console import say
from emospeech.systems.saved import write_metrics
from emospeech.training.loop import Journal
from emospeech.training.standing import Standing

BALANCED = "balanced"  # the sampler of the second stage, and what its folder ends with


@dataclass(frozen=True)
class Stage:
    """What one run of the loop is to do."""

    recipe: Recipe  # its section `train` is this stage's
    folder: Path  # of its checkpoints
    tokenizer: Path  # the folder of what is learned of the transcripts, once for all stages
    begins_from: Path | None = None  # the folder of checkpoints whose best weights it begins with
    head_alone: bool = False
    title: str = ""

    def told(self, parameters: int) -> str:
        """A line to begin with."""
        train = self.recipe.train
        what = "the head alone" if self.head_alone else "all"
        return (
            f"balanced stage: {train.epochs} epochs from the best weights so far, all classes equally often; "
            f"{what} trains, {parameters:,} parameters, learning rate {train.optimizer.lr:g}"
        )


@dataclass(frozen=True)
class Ended:
    """How a fit ended."""

    standings: tuple[Standing, ...]  # by stage
    kept: int  # the stage whose weights it keeps


Fit = Callable[[Stage, Sequence[Standing]], Standing]  # a stage, and how those before it ended


def asked(recipe: Recipe, folder: Path) -> list[Stage]:
    """The stages of a recipe.

    Args:
        folder: for the first one's checkpoints; that of the second stands beside it.
    """
    wanted = recipe.train.balanced_stage
    first = Stage(recipe, folder, folder)
    if wanted is None:
        return [first]
    return [
        first,
        Stage(
            _second(recipe),
            folder.with_name(f"{folder.name}-{BALANCED}"),
            folder,
            begins_from=folder,
            head_alone=wanted.only == "head",
            title=", classes balanced",
        ),
    ]


def _second(recipe: Recipe) -> Recipe:
    """The recipe of the second stage: the same loss, schedule and batches over its own epochs."""
    train, wanted = recipe.train, recipe.train.balanced_stage
    assert wanted is not None
    ratio = wanted.lr / train.optimizer.lr
    changes = {
        "epochs": wanted.epochs,
        "optimizer": train.optimizer.model_copy(update={"lr": wanted.lr}),
        "sampler": Choice(name=BALANCED),
        "balanced_stage": None,
    }
    parts = {"speech": recipe.speech, "text": recipe.text}
    slower = {
        name: part.model_copy(update={"train": part.train.model_copy(update={"lr": part.train.lr * ratio})})
        for name, part in parts.items()
        if part is not None and part.train.lr is not None
    }
    return recipe.model_copy(update={"train": train.model_copy(update=changes), **slower})


def run(stages: Sequence[Stage], fit: Fit, steered: bool, former: Ended | None) -> Ended:
    """Train one stage after the other, and decide which of them's weights are kept.

    Steered by dev it is the one with the best validation, the first of equals. A fit without dev keeps what the fit
    before it, which had one, kept, and does not train what that threw away. Under `keep: last` it is the last stage.

    Args:
        former: the fit with a dev set before one without.
    """
    last = stages[0].recipe.train.keep == "last"
    if not steered and not last and former is not None:
        stages = stages[: former.kept + 1]
    standings: list[Standing] = []
    for stage in stages:
        standings.append(fit(stage, tuple(standings)))
    if last or not steered:
        return Ended(tuple(standings), len(standings) - 1)
    kept = max(range(len(standings)), key=lambda k: standings[k].best_score)  # the first of equals
    if len(standings) > 1:
        one, other = (standing.best_score for standing in standings)
        say(f"balanced stage: dev {other:.4f} after {one:.4f}; " + ("it is kept" if kept else "it is not kept"))
    return Ended(tuple(standings), kept)


def journal(path: Path, before: Sequence[Standing]) -> Journal:
    """What writes down a stage's validations, below those of the stages before it, their steps counted on."""
    earlier = [entry for standing in before for entry in standing.history]
    steps = sum(standing.step for standing in before)
    stage = {"stage": len(before) + 1} if before else {}

    def write(history: list[dict[str, float]]) -> None:
        write_metrics([*earlier, *({**entry, "step": entry["step"] + steps, **stage} for entry in history)], path)

    return write
