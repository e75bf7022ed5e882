"""The section `tune` of a recipe: keys whose values are chosen on inner folds of the training rows.

A space, as a file of `configs/spaces/` or under `tune`, draws `trials`:

    trials: 40
    space:
      classical.model.c: {low: 0.01, high: 100, log: true}      # between the two, both included
      classical.model.class_weight: [balanced, none]            # one of these
      model.head.width: {low: 64, high: 512, step: 64}          # whole numbers, as both ends are

A grid is all combinations of values:

    grid: {classical.model.c: [0.1, 1, 10]}
"""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emospeech.config.words import NAME, Count, Section, Seed

By = Literal["auto", "group", "speaker", "none"]


class Range(Section):
    """Numbers between two, both included; whole ones where both are written as such."""

    low: int | float
    high: int | float
    log: bool = False  # drawn evenly by the logarithm
    step: Annotated[int | float, Field(gt=0)] | None = None  # only low, low + step, …

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float)

    @model_validator(mode="after")
    def _is_one(self) -> "Range":
        if not self.low < self.high:
            raise ValueError(f"low should be below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log: true wants low above 0, got {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log: true and step exclude each other")
        return self


Values = Range | list[Any]  # what one key may be


class Tune(Section):
    """What is tried, and by which rows it is judged."""

    # dotted key of the recipe -> its values: all combinations; or several such grids
    grid: dict[str, list[Any]] | list[dict[str, list[Any]]] | None = None
    # dotted key of the recipe -> its values, or {low: …, high: …, log: …, step: …}, of which trials are drawn
    space: dict[str, Values] | None = None
    trials: Count = 30  # of a space, beside the recipe as it is
    # trials drawn at a time (TPE; Watanabe 2023): so many can run at once; each round learns from those before it
    round: Count = 8
    folds: Annotated[int, Field(ge=2)] = 3
    by: By = "auto"  # what an inner fold keeps together
    seed: Seed = 0

    @model_validator(mode="after")
    def _is_one_or_the_other(self) -> "Tune":
        if (self.grid is None) == (self.space is None):
            raise ValueError("should have a grid or a space, as space: {classical.model.c: {low: 0.1, high: 100}}")
        return self

    @property
    def keys(self) -> list[str]:
        """All that are tuned, in the order in which they are written."""
        if self.space is not None:
            return list(self.space)
        grids = self.grid if isinstance(self.grid, list) else [self.grid or {}]
        return list(dict.fromkeys(key for one in grids for key in one))


class Space(Tune):
    """A file of its own."""

    name: Annotated[str, Field(pattern=NAME)] | None = None  # left out: the file's
