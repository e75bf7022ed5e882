"""From a recipe's sampler to how often an epoch takes each training row."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emospeech.config import Choice
from emospeech.data.examples import votes
from emospeech.data.manifest import WEIGHT
from emospeech.runtime.console import say
from emospeech.systems.base import MAIN_TASK
from emospeech.training.samplers import SAMPLERS


def sampled(wanted: Choice, train: pd.DataFrame, labels: Sequence[str], soft_labels: str | None) -> pd.DataFrame:
    """The training rows with how often an epoch takes each, as `manifest.WEIGHT`; what comes of it is said aloud.

    The sampler's factors multiply the mixture's weights. A row of votes has the mean of its classes' factors, by the
    votes' shares. Rows without a main label keep their weight, so an epoch has as many examples as it had.

    Args:
        labels: those of the main task.
        soft_labels: the column of votes, if the recipe names one.
    """
    if wanted.name == "none":
        return train
    shares = votes.targets(train[MAIN_TASK], labels, train[soft_labels] if soft_labels is not None else None)
    before = train[WEIGHT].to_numpy(dtype=float) if WEIGHT in train else np.ones(len(train))
    told = shares.any(axis=1)
    often = before * (shares @ SAMPLERS[wanted.name](before @ shares, **wanted.options))
    often *= before[told].sum() / max(often[told].sum(), np.finfo(float).tiny)  # votes alone need it
    often = np.where(told, often, before)
    heard = zip(labels, before @ shares, often @ shares, strict=True)
    say(f"sampler {wanted.name}: an epoch hears " + ", ".join(f"{name} {a:.0f} -> {b:.0f}" for name, a, b in heard))
    return train.assign(**{WEIGHT: often})
