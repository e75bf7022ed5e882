"""A recipe's words, checked before any work: here names and options meet the code behind them.

A check takes (value, the section's fields above it) and gives what is wrong, or None. Options of a variant are the
keyword-only parameters of its entry.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from emospeech import config
from emospeech.config import Choice
from emospeech.corpora import CORPORA
from emospeech.labels import SPACES
from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.systems.checks.data import effect_fault, root_fault, sounds_fault
from emospeech.systems.checks.encoders import (
    layers_fault,
    probed_fault,
    speech_fault,
    speech_options_fault,
    text_fault,
    text_level_fault,
    text_options_fault,
    training_fault,
)
from emospeech.systems.checks.training import (
    compile_fault,
    loss_fault,
    optimizer_fault,
    precision_fault,
    trackers_fault,
    train_fault,
)
from emospeech.systems.checks.words import choice, one_of
from emospeech.systems.classical.features import FEATURES, FITTED
from emospeech.systems.classical.models import MODELS
from emospeech.systems.classical.transforms import TRANSFORMS
from emospeech.training.losses import CLASS_WEIGHTS
from emospeech.training.samplers import SAMPLERS
from emospeech.training.schedules import SCHEDULES


def classical_features_fault(value: Choice, section: Mapping[str, Any]) -> str | None:
    # what is fitted costs nothing to build, and finds values that do not go together
    return choice("classical features", FEATURES, [] if value.name in FITTED else None)(value, section)


CHECKS: config.Checks = {
    "corpus": one_of("corpus", CORPORA),
    "label space": one_of("label space", SPACES),
    "root": root_fault,
    "speech encoder": speech_fault,
    "speech options": speech_options_fault,
    "layers": layers_fault,
    "speech training": training_fault,
    "text training": training_fault,
    "text encoder": text_fault,
    "text options": text_options_fault,
    "text level": text_level_fault,
    "sounds": sounds_fault,
    "trackers": trackers_fault,
    "augment effect": effect_fault,
    "training": train_fault,
    "fusion": choice("fusion", FUSIONS),
    "mixer": choice("mixer", MIXERS),
    "pooling": choice("pooling", POOLINGS),
    "optimizer": optimizer_fault,
    "compile": compile_fault,
    "classical features": classical_features_fault,
    "classical transform": choice("classical transform", TRANSFORMS),
    "classical model": choice("classical model", MODELS),
    "schedule": choice("schedule", SCHEDULES, [100]),
    "loss": loss_fault,
    "precision": precision_fault,
    "probed encoder": probed_fault,
    "sampler": choice("sampler", SAMPLERS, [np.array([3, 1])]),
    "class weights": choice("class weights", CLASS_WEIGHTS, [np.array([3, 1])]),
}
