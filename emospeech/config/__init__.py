"""A recipe reads as the method section of a paper: `schema` is what it may say, `reading` how it is read."""

from emospeech.config.ablation import load_ablation
from emospeech.config.comparing import Comparison, compares, load_benchmark, varied
from emospeech.config.reading import BENCHMARK, as_yaml, load, load_seeds, recipes_folder, validate
from emospeech.config.schema import Cache, Head, Model, Recipe
from emospeech.config.sections.augment import Augment
from emospeech.config.sections.classical import Classical, Member
from emospeech.config.sections.data import Data, Part, Split
from emospeech.config.sections.modalities import Speech, Text
from emospeech.config.sections.protocol import Benchmark, Layerwise, Protocol
from emospeech.config.sections.space import Range, Space, Tune
from emospeech.config.sections.training import Loss, Optimizer, Schedule, Train
from emospeech.config.tuning import load_tuning
from emospeech.config.words import Checks, Choice, Section

__all__ = [
    "BENCHMARK",
    "Augment",
    "Benchmark",
    "Cache",
    "Checks",
    "Choice",
    "Classical",
    "Comparison",
    "Data",
    "Head",
    "Layerwise",
    "Loss",
    "Member",
    "Model",
    "Optimizer",
    "Part",
    "Protocol",
    "Range",
    "Recipe",
    "Schedule",
    "Section",
    "Space",
    "Speech",
    "Split",
    "Text",
    "Train",
    "Tune",
    "as_yaml",
    "compares",
    "load",
    "load_ablation",
    "load_benchmark",
    "load_seeds",
    "load_tuning",
    "recipes_folder",
    "validate",
    "varied",
]
