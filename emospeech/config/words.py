"""What the sections of a recipe are made of: a section, a choice with options, and kinds of values."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

# kind of name -> function (value, the section's fields above it) that says what is wrong, or None
Checks = Mapping[str, Callable[[Any, Mapping[str, Any]], str | None]]
HERE = "{here}"  # in what a check says: the path of what it says it of


def named(kind: str) -> Any:
    """A field whose value a function of this kind checks."""

    def check(value: Any, info: ValidationInfo) -> Any:
        checks: Checks = info.context or {}
        fault = checks[kind](value, info.data) if kind in checks else None
        if fault:
            raise ValueError(fault)
        return value

    return AfterValidator(check)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field of this type holds, or may hold; None: a plain value."""
    found = (annotation, *get_args(annotation))
    return next((one for one in found if isinstance(one, type) and issubclass(one, BaseModel)), None)


class Choice(Section):
    """A variant by its name, `attention`, or with options of its own beside it, `{name: multi_head, heads: 4}`."""

    model_config = ConfigDict(extra="allow")

    name: str

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def count_or_auto(value: Any) -> Any:
    if value == "auto" or (whole(value) and value >= 1):
        return value
    raise ValueError(f"should be a whole number, at least 1, or auto, got {value!r}")


Fraction = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
NAME = r"^\w[\w .,+=-]*$"  # of a folder
Name = Annotated[str, Field(pattern=NAME)]
