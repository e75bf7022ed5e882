"""What a model card tells of a run, gathered by who knows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emospeech.corpora.base import Corpus
from emospeech.outputs.hub.folder import Written
from emospeech.systems.base import MAIN_TASK

REPOSITORY = "owner/name"  # where a card does not know its own


@dataclass(frozen=True)
class Facts:
    """Of a trained run. What is not known is None or empty, and the card says so."""

    name: str
    written: Written
    tasks: Mapping[str, Sequence[str]]
    hears: bool
    reads: bool
    may_lack: bool  # answers where either is absent
    scores: Mapping[str, Mapping[str, Any]]  # by part, as scores.json has them
    clips: Mapping[str, int]  # part -> rows
    origins: Mapping[str, int]  # speakers, recordings -> how many different ones have trained
    corpora: Mapping[str, Corpus]  # by name
    languages: Sequence[str]  # ISO 639-1
    split: Sequence[str]  # sentences: who trained, steered and tested, and by what rule
    environment: Mapping[str, Any]  # of its first start: versions, commit, device
    temperature: float | None = None
    fitted_to: str = "dev"  # whose predictions the temperature fits
    refit: bool = False  # whether the rows of dev have trained it in the end
    licence: str | None = None
    repository: str = REPOSITORY
    onnx: Sequence[str] = ()  # files that agree with the model

    @property
    def labels(self) -> Sequence[str]:
        return self.tasks[MAIN_TASK]

    @property
    def speech(self) -> frozenset[str]:
        """How the speech of its corpora came about, where that is told."""
        return frozenset(corpus.speech for corpus in self.corpora.values() if corpus.speech)
