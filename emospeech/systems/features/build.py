"""From a recipe and its frozen encoders to the store of their states."""

from collections.abc import Mapping
from typing import Any

from emospeech.config import Recipe
from emospeech.data import audio
from emospeech.data.examples.augment import Augmenter
from emospeech.systems.features.cache import FeatureCache
from emospeech.systems.features.sources import Source, SpeechSource, TextSource
from emospeech.systems.fitting import gain


def feature_cache(
    recipe: Recipe, frozen: Mapping[str, Any], augmenter: Augmenter | None, accelerator: Any
) -> FeatureCache | None:
    """None where nothing is to be stored: the recipe wants none, or every encoder trains.

    Args:
        frozen: the pre-trained parts that do not train, by modality.
        augmenter: of training clips.
    """
    if recipe.cache is None:
        return None
    sources: dict[str, Source] = {}
    if recipe.speech is not None and "speech" in frozen:
        load = gain.loader(recipe, audio.load)
        sources["speech"] = SpeechSource(frozen["speech"], recipe.speech, load, augmenter, recipe.may_lack)
    if recipe.text is not None and "text" in frozen:
        part = frozen["text"]
        sources["text"] = TextSource(part.encoder, part.tokenizer, recipe.text, recipe.may_lack)
    augmented = augmenter is not None and "speech" in sources
    return FeatureCache(recipe.cache, sources, accelerator, augmented) if sources else None
