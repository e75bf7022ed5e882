"""A recipe reads as the method section of a paper: `schema` is what it may say, `reading` how it is read."""

from emospeech.config.reading import as_yaml, load, load_seeds, recipes_folder, validate
from emospeech.config.schema import (
    Augment,
    Checks,
    Choice,
    Data,
    Head,
    Loss,
    Model,
    Optimizer,
    Recipe,
    Schedule,
    Section,
    Speech,
    Split,
    Text,
    Train,
)

__all__ = [
    "Augment",
    "Checks",
    "Choice",
    "Data",
    "Head",
    "Loss",
    "Model",
    "Optimizer",
    "Recipe",
    "Schedule",
    "Section",
    "Speech",
    "Split",
    "Text",
    "Train",
    "as_yaml",
    "load",
    "load_seeds",
    "recipes_folder",
    "validate",
]
