"""Gain normalisation: every clip that a recipe hears at one level, which the training clips may tell."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from emospeech.config import Recipe
from emospeech.data.audio import SAMPLE_RATE
from emospeech.data.audio.level import AtLevel, dbfs
from emospeech.runtime.console import say, track
from emospeech.runtime.distributed import on_main
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import write_json

RECORD = "gain.json"  # in a run's folder of checkpoints: what was measured when it began
DECIMALS = 2  # of the measured level, so that a decoder of another version finds the same
Load = Callable[[str], np.ndarray]


def settled(
    recipe: Recipe, train: pd.DataFrame, load: Load, record: Path | None = None, like: Path | None = None
) -> Recipe:
    """The recipe with a number for `speech.gain_dbfs: auto`: the mean level of the training clips, silent ones apart.

    Every process must call it at the same point.

    Args:
        load: gives the waveform of a path.
        record: where a run keeps the number, for its resumption.
        like: such a record of a run on the same training rows.

    Raises:
        UserError: if no training clip can be measured.
    """
    if recipe.speech is None or recipe.speech.gain_dbfs != "auto":
        return recipe
    level = on_main(lambda: _known((record, like)))
    if level is None:
        level = on_main(lambda: _measured(train, load))
    if record is not None:
        on_main(lambda: None if record.is_file() else write_json(record, {"gain_dbfs": level}))
    return recipe.model_copy(update={"speech": recipe.speech.model_copy(update={"gain_dbfs": level})})


def _known(records: Iterable[Path | None]) -> float | None:
    found = next((path for path in records if path is not None and path.is_file()), None)
    return None if found is None else float(json.loads(found.read_text(encoding="utf-8"))["gain_dbfs"])


def _measured(train: pd.DataFrame, load: Load) -> float:
    """The mean dBFS of the clips, each once."""
    paths = train["audio"].dropna().unique().tolist()
    levels = [dbfs(load(path)) for path in track(paths, "measuring the level of the training clips", len(paths))]
    heard = [level for level in levels if level is not None]
    if not heard:
        raise UserError("speech.gain_dbfs: auto: no training clip has sound to measure; give a number, or null")
    level = round(float(np.mean(heard)), DECIMALS)
    span = f"{min(heard):.1f} to {max(heard):.1f}"
    say(f"speech.gain_dbfs: auto: {level} dBFS, the mean of {len(heard)} training clips ({span})")
    return level


def without_effect(recipe: Recipe, preprocess: Callable[[np.ndarray], np.ndarray]) -> str:
    """That the level of a clip changes nothing for the encoder, where that is so: tried on a sound.

    Args:
        preprocess: the speech encoder's own preparation of a waveform.
    """
    if recipe.speech is None or recipe.speech.gain_dbfs is None:
        return ""
    sound = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32)
    if not np.allclose(preprocess(sound), preprocess(sound / 4), atol=0.01):
        return ""
    return (
        f"speech.gain_dbfs decides no more than how loud clips are for what augmentation adds: {recipe.speech.encoder} "
        "brings each clip to one level itself"
    )


def loader(recipe: Recipe, load: Load) -> Load:
    """What gives a path's waveform as the recipe hears it.

    Raises:
        RuntimeError: if its level is to be measured first.
    """
    level = None if recipe.speech is None else recipe.speech.gain_dbfs
    if isinstance(level, str):
        raise RuntimeError("speech.gain_dbfs: auto is a number only after `settled`")
    return load if level is None else AtLevel(load, level)
