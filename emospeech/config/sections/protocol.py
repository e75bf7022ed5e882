"""How systems are compared: who is tested by whom (`Protocol`), and which systems (`Benchmark`)."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emospeech.config.sections.space import By
from emospeech.config.words import Choice, Count, Fraction, Name, Section, Seed, named

ACROSS = ("cross-corpus", "leave-one-corpus-out")  # kinds of protocol that divide corpora from each other
FIGURES = "figures"


class Protocol(Section):
    """Who trains and who is tested."""

    kind: Literal["holdout", "k-fold", "loso", "file", "split", "cross-corpus", "leave-one-corpus-out"] = "k-fold"
    by: By = "auto"  # what must not be on both sides
    folds: Annotated[int, Field(ge=2)] = 5  # k-fold, and within each corpus of cross-corpus
    test_speakers: list[str] = []  # holdout: these
    test_fraction: Fraction = 0.2  # holdout, where none is named
    file: str | None = None  # file: as `emospeech data split` writes it
    # split: who is tested of the recipe's own train, dev and test; dev steers, as under `emospeech train`
    part: Literal["dev", "test"] = "dev"
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
        if self.kind != "split" and self.part != "dev":
            raise ValueError(f"part: is for kind: split, not for {self.kind}")
        if self.test_speakers and self.kind != "holdout":
            raise ValueError(f"test_speakers: is for kind: holdout, not for {self.kind}")
        return self


class Layerwise(Section):
    """Probes on each layer of each encoder, each corpus by itself."""

    encoders: Annotated[list[Annotated[str, named("probed encoder")]], Field(min_length=1)]
    # as in transformers' hidden_states; null: all
    layers: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)] | None = None
    # over time, laid end to end
    statistics: Annotated[list[Literal["mean", "std"]], Field(min_length=1)] = ["mean"]
    probes: Annotated[dict[Name, Annotated[Choice, named("classical model")]], Field(min_length=1)] = {
        "logistic_regression": Choice(name="logistic_regression")
    }
    inner_folds: Annotated[int, Field(ge=2)] = 3  # of the training rows, on which the best layer is chosen
    instead: dict[str, Protocol] = {}  # corpus -> how its rows are divided, whatever the others' protocol

    @model_validator(mode="after")
    def _each_once(self) -> "Layerwise":
        for key in ("layers", "statistics"):
            given = getattr(self, key) or []
            if len(set(given)) < len(given):
                raise ValueError(f"{key}: one is there twice: {', '.join(map(str, given))}")
        by_folder: dict[str, list[str]] = {}
        for encoder in self.encoders:
            by_folder.setdefault(short_name(encoder), []).append(encoder)
        if doubled := [f"{name} ({', '.join(those)})" for name, those in by_folder.items() if len(those) > 1]:
            raise ValueError(
                f"encoders: two would be called {'; '.join(doubled)}; leave one out, or rename a folder of yours"
            )
        return self


def short_name(encoder: str) -> str:
    """What a probed encoder is called in tables, figures and folders.

    >>> short_name("facebook/wav2vec2-base")
    'wav2vec2-base'
    """
    return encoder.rstrip("/").rpartition("/")[2]


class Benchmark(Section):
    """Systems, each the recipe with changes, under protocols."""

    protocols: Annotated[dict[Name, Protocol], Field(min_length=1)] = {"k-fold": Protocol()}
    rows: dict[Name, dict[str, Any]] = {}  # name -> changes to the recipe; none: the recipe itself
    base: str | None = None  # the row that all others are compared with
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
        if self.base is not None and self.base not in self.rows:
            raise ValueError(f"base: no row {self.base}; there are {', '.join(self.rows) or 'none'}")
        if FIGURES in self.protocols:
            raise ValueError(f"protocols: {FIGURES} is a folder of the benchmark's own; choose another name")
        if unknown := [name for name in self.published if name not in self.protocols]:
            raise ValueError(f"published: no protocol {', '.join(unknown)}; there are {', '.join(self.protocols)}")
        return self

    @model_validator(mode="after")
    def _probes_are_the_rows(self) -> "Benchmark":
        """Layer by layer, the systems are the probes, and each corpus is divided by itself."""
        if self.layerwise is None:
            return self
        beside = [name for name in ("rows", "base", "published", "keep_models") if getattr(self, name)]
        found = [f"{name} has no place beside it: what is compared are its encoders and probes" for name in beside]
        for title, protocol in {**self.protocols, **self.layerwise.instead}.items():
            if protocol.kind in ACROSS:
                found.append(f"{title}: {protocol.kind} trains across corpora, but each is probed by itself")
            if protocol.seeds is not None:
                found.append(f"{title}: seeds: a probe is fitted once, with train.seed")
        if found:
            raise ValueError("layerwise: " + "; ".join(found))
        return self
