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

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from emospeech.config.words import NAME, Count, Section, Seed

By = Literal["auto", "group", "speaker", "none"]


class Range(Section):
    """Numbers between two, both included; whole ones where both are written as such."""

    low: int | float
    high: int | float
    log: bool = False  # drawn evenly by the logarithm
    step: Annotated[int | float, Field(gt=0)] | None = None  # only low, low + step, …

    @property
    def last(self) -> int | float:
        """The highest that steps reach."""
        if self.step is None:
            return self.high
        reached = self.low + int((self.high - self.low) / self.step + 1e-9) * self.step
        return reached if self.whole else float(f"{reached:.12g}")

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


def _values(given: Any) -> Values:
    """
    Raises:
        ValueError: in one line, if it is neither.
    """
    if isinstance(given, Range | list):
        return given
    if not isinstance(given, dict):
        raise ValueError(f"should be values, as [1, 10], or a range, as {{low: 1, high: 10}}, got {given!r}")
    try:
        return Range.model_validate(given)
    except ValidationError as error:
        faults: dict[str, Any] = {}  # by key: of a number that is neither whole nor not, one is told
        for one in error.errors(include_url=False):
            faults.setdefault(str(one["loc"][0]) if one["loc"] else "", one)
        told = [_told(key, one) for key, one in faults.items()]
        raise ValueError("; ".join(told)) from None


def _told(key: str, error: Any) -> str:
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "missing":
        return f"{key}: missing"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; known here: {', '.join(Range.model_fields)}"
    what = "true or false" if key == "log" else "a number"
    return f"{key}: should be {what}, got {error['input']!r}"


class Tune(Section):
    """What is tried, and by which rows it is judged."""

    # dotted key of the recipe -> its values: all combinations; or several such grids
    grid: dict[str, list[Any]] | list[dict[str, list[Any]]] | None = None
    # dotted key of the recipe -> its values, or {low: …, high: …, log: …, step: …}, of which trials are drawn
    space: dict[str, Annotated[Values, BeforeValidator(_values)]] | None = None
    trials: Annotated[int, Field(ge=1, le=10_000)] = 30  # of a space, beside the recipe as it is
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
