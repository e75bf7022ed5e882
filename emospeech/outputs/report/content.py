"""What a report holds, gathered and not yet written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from emospeech.data.audit.report import Report as Audit


@dataclass(frozen=True)
class Word:
    """A stretch of a transcript without spaces."""

    text: str
    share: float | None  # of the attention, over all that is spoken and read; None: not known


@dataclass(frozen=True)
class Clip:
    """A clip that is shown by itself."""

    id: str
    part: str
    truth: str
    prediction: str
    chances: tuple[tuple[str, float], ...]  # label and probability, the likeliest first
    about: tuple[tuple[str, str], ...]  # what else is told of it, such as its speaker
    transcript: tuple[Word, ...]  # empty: none is known
    audio: str | None  # a data URI
    without: str  # why there is no audio; empty where there is
    seconds: float | None
    envelope: np.ndarray | None  # (bins, 2) lowest and highest sample of each bin; None: not heard here
    attention: np.ndarray | None  # (bins,) share of each bin; None: not known
    shares: tuple[tuple[str, float], ...]  # of the attention: speech, words, and the rest; empty: not known


@dataclass(frozen=True)
class Shown:
    """Clips that are shown for one reason."""

    title: str
    about: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True)
class Group:
    """The scores of the clips that have something in common, such as their speaker."""

    name: str
    count: int
    right: int
    accuracy: float
    low: float  # 95 % interval of the accuracy (Wilson 1927), clips taken as independent
    high: float
    macro_f1: float  # over the classes that occur here or are predicted here
    classes: int  # how many occur
    small: bool  # too few clips to say much


@dataclass(frozen=True)
class Breakdown:
    """A part's clips by what a column of the manifest says of them."""

    by: str  # as a heading: speaker, recording …
    groups: tuple[Group, ...]  # those that are shown, the worst first
    more: int  # groups that are not
    untold: int  # clips of which the column says nothing


@dataclass(frozen=True)
class ClassScores:
    """Of one class; the ends of 95 % intervals: Wilson's of precision and recall, a bootstrap's over clips of F1."""

    name: str
    support: int
    precision: float
    precision_ends: tuple[float, float] | None
    recall: float
    recall_ends: tuple[float, float] | None
    f1: float
    f1_ends: tuple[float, float] | None


@dataclass(frozen=True)
class Part:
    """What the run says of some rows, such as dev."""

    name: str
    scores: Mapping[str, Any]  # as `scoring.values.scores_of_tasks` gives them, with what a run adds
    classes: tuple[ClassScores, ...]
    chance: float  # macro-F1 of who guesses each label equally often
    clips: pd.DataFrame  # id, truth, prediction, p (of the prediction), p_truth; NA where not known
    breakdowns: tuple[Breakdown, ...]
    calibration: Any | None  # `scoring.calibrated.Calibration`
    calibrated_how: str  # where the temperature is from


@dataclass(frozen=True)
class Report:
    """Of one run."""

    name: str
    summary: tuple[str, ...]  # sentences: what was trained on what, and what its scores are of
    missing: tuple[str, ...]  # what the report would tell, and why it cannot
    facts: tuple[tuple[str, str], ...]  # what was trained
    data: pd.DataFrame  # a row a part: clips, labelled, speakers, recordings, and clips of each class
    parts: tuple[Part, ...]
    history: Sequence[Mapping[str, float]]  # validations; empty of what is not trained in steps
    layers: tuple[tuple[str, float], ...]  # name and learned weight of each layer of the speech encoder
    audit: Audit | None
    shown: tuple[Shown, ...]
    recipe: str  # YAML
    environment: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = field(default=())  # on the clips shown
    holds: tuple[str, ...] = field(default=())  # sentences: whose voices and words are on the page, and who may have it
