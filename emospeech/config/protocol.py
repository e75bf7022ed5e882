"""How systems are compared: who is tested by whom (`Protocol`), and which systems (`Benchmark`)."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emospeech.config.words import Choice, Count, Fraction, Section, Seed, named

By = Literal["auto", "group", "speaker", "none"]
FIGURES = "figures"
NAME = r"^\w[\w .+=-]*$"  # of a folder
Name = Annotated[str, Field(pattern=NAME)]


class Tune(Section):
    """Overrides that are chosen on inner folds of the training rows: all combinations of a grid, or of several."""

    grid: dict[str, list[Any]] | list[dict[str, list[Any]]]  # dotted key of the recipe -> its values
    folds: Annotated[int, Field(ge=2)] = 3
    by: By = "auto"  # what an inner fold keeps together
    seed: Seed = 0


class Protocol(Section):
    """Who trains and who is tested."""

    kind: Literal["holdout", "k-fold", "loso", "file", "cross-corpus", "leave-one-corpus-out"] = "k-fold"
    by: By = "auto"  # what must not be on both sides
    folds: Annotated[int, Field(ge=2)] = 5  # k-fold, and within each corpus of cross-corpus
    test_speakers: list[str] = []  # holdout: these
    test_fraction: Fraction = 0.2  # holdout, where none is named
    file: str | None = None  # file: as `emospeech data split` writes it
    seed: Seed = 0  # of the draw
    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None  # of training, one fit each; null: the recipe's

    @model_validator(mode="after")
    def _can_be(self) -> "Protocol":
        if self.seeds is not None and len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: should be different numbers, got {self.seeds}")
        if self.kind == "file" and self.file is None:
            raise ValueError("file: missing; name what `emospeech data split` wrote")
        if self.kind != "file" and self.file is not None:
            raise ValueError(f"file: is for kind: file, not for {self.kind}")
        if self.test_speakers and self.kind != "holdout":
            raise ValueError(f"test_speakers: is for kind: holdout, not for {self.kind}")
        return self


class Layerwise(Section):
    """Probes on each layer of each encoder."""

    encoders: Annotated[list[Annotated[str, named("probed encoder")]], Field(min_length=1)]
    layers: list[Annotated[int, Field(ge=0)]] | None = None  # as in transformers' hidden_states; null: all
    statistics: list[Literal["mean", "std"]] = ["mean"]  # over time, laid end to end
    probes: dict[Name, Annotated[Choice, named("classical model")]] = {
        "logistic_regression": Choice(name="logistic_regression")
    }
    inner_folds: Annotated[int, Field(ge=2)] = 3  # of the training rows, on which the best layer is chosen


class Benchmark(Section):
    """Systems, each the recipe with changes, under protocols."""

    protocols: Annotated[dict[Name, Protocol], Field(min_length=1)] = {"k-fold": Protocol()}
    rows: dict[Name, dict[str, Any]] = {}  # name -> changes to the recipe; none: the recipe itself
    quick: list[str] = []  # the rows that --quick keeps
    # protocol -> row -> what others report, by a heading of its own
    published: dict[str, dict[str, dict[str, float]]] = {}
    layerwise: Layerwise | None = None
    workers: Count = 1  # processes that share the folds
    keep_models: bool = False  # else a fold leaves its predictions alone

    @model_validator(mode="after")
    def _names_are_there(self) -> "Benchmark":
        if unknown := [name for name in self.quick if name not in self.rows]:
            raise ValueError(f"quick: no row {', '.join(unknown)}; there are {', '.join(self.rows) or 'none'}")
        if FIGURES in self.protocols:
            raise ValueError(f"protocols: {FIGURES} is a folder of the benchmark's own; choose another name")
        if unknown := [name for name in self.published if name not in self.protocols]:
            raise ValueError(f"published: no protocol {', '.join(unknown)}; there are {', '.join(self.protocols)}")
        return self
