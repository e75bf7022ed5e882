"""A recipe reads as the method section of a paper: `schema` is what it may say, `reading` how it is read."""

from emospeech.config.data import Data, Part, Split
from emospeech.config.reading import as_yaml, load, load_seeds, recipes_folder, validate
from emospeech.config.schema import (
    Augment,
    Cache,
    Head,
    Loss,
    Model,
    Optimizer,
    Recipe,
    Schedule,
    Speech,
    Text,
    Train,
)
from emospeech.config.words import Checks, Choice, Section

__all__ = [
    "Augment",
    "Cache",
    "Checks",
    "Choice",
    "Data",
    "Head",
    "Loss",
    "Model",
    "Optimizer",
    "Part",
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
