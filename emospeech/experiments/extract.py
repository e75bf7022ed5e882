"""Filling the feature store for a recipe, before any training."""

from dataclasses import replace

import pandas as pd

from emospeech.config import Recipe
from emospeech.experiments import rows as data_rows
from emospeech.experiments.rows.sound import with_usable_audio
from emospeech.runtime import distributed
from emospeech.runtime.errors import UserError
from emospeech.systems import build


def run(recipe: Recipe) -> str:
    """Have the states of all rows of a recipe in its store; what was done, in a line.

    Raises:
        UserError: if recipe or data are not as they must be, there is no room, or nothing to store.
    """
    if recipe.cache is None:
        raise UserError("the recipe keeps no features (cache: null); give cache.write=true, say, to keep them")
    if recipe.cache.write is False:
        raise UserError("cache.write=false: the features would be gone with this command, never written")
    recipe = recipe.model_copy(update={"cache": recipe.cache.model_copy(update={"write": True})})
    distributed.start()
    rows = data_rows.load(recipe)
    rows = replace(rows, test=pd.concat([rows.test, rows.blind], ignore_index=True))
    system = build.build(recipe, rows.tasks)
    rows = data_rows.transcribed(with_usable_audio(rows, recipe), recipe)
    if not system.extract(rows.augmented(recipe), [rows.dev, rows.test]):
        raise UserError(
            "there is nothing to store: what the recipe learns from changes with the training rows, as TF-IDF does and "
            "the states of an encoder that trains"
        )
    clips = len(rows.train) + len(rows.dev) + len(rows.test)
    return f"the features of {clips} utterances are ready; training and predictions read them"
