"""What a person is told of a fit, before it begins or as it fails, and of rows before they are predicted."""

import math
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.models.classifier import EmotionNetwork
from emospeech.runtime.errors import WorkError
from emospeech.systems.fitting import finetuning, gain, idle
from emospeech.systems.parts import synthetic
from emospeech.training.checkpoint import Checkpoints
from emospeech.training.loop import NonFiniteError


def fit(
    recipe: Recipe,
    network: EmotionNetwork,
    tokenizer: Any,
    accelerator: Any,
    parts: tuple[pd.DataFrame, pd.DataFrame | None],
    augments: bool,
) -> str:
    """A line on what trains on what.

    Args:
        parts: the training rows, and the dev rows if there are.
        augments: whether training hears augmented speech where the recipe asks for it.
    """
    count = network.trained_parameters
    processes = accelerator.num_processes
    share = f"{recipe.train.batch_size} a step over {processes} process{'es' if processes > 1 else ''}"
    if (parts_of_it := processes * recipe.train.accumulation) > 1:
        share += f", {math.ceil(recipe.train.batch_size / parts_of_it)} at once on each"
    named = zip(("training", "dev"), parts, strict=True)
    rows = ", ".join(f"{len(part)} {name} rows" for name, part in named if part is not None)
    notes = [f"{rows}; {count:,} trained parameters on {accelerator.device}; batch {share}"]
    if encoders := finetuning.told(recipe, network):
        notes.append(encoders)
    if long := long_texts(tokenizer, pd.concat([part for part in parts if part is not None])):
        notes.append(long)
    if recipe.train.mixup is not None:
        notes.append(f"mixup of {recipe.train.mixup.probability:.0%} of the training clips")
    augment = recipe.speech.augment if recipe.speech is not None else None
    if augment is not None and augments and (made := synthetic(augment)):
        notes.append(f"synthetic, as the recipe names no recordings: {', '.join(made)}")
    heard: Any = network.speech
    if heard is not None and (same := gain.without_effect(recipe, heard.preprocess)):
        notes.append(same)
    if recipe.model.modality_dropout and not recipe.may_lack:
        notes.append("modality dropout has nothing to drop, as there is one modality")
    return "; ".join([*notes, *idle.notes(recipe, network)])


def not_finite(error: NonFiniteError, train: pd.DataFrame, checkpoints: Checkpoints) -> WorkError:
    """What happened to a fit whose loss or weights are no longer numbers, with the clips of the step."""
    ids = train["id"]
    clips = ", ".join(
        ids.iloc[row] if partner is None else f"{ids.iloc[row]} mixed with {ids.iloc[partner]}"
        for row, partner in error.rows
    )
    kept = f"the last checkpoint in {checkpoints.folder} stays" if checkpoints.any() else "none was kept yet"
    return WorkError(
        f"{error}; its clips: {clips}. Of the weights before it, {kept}. If the clips are sound, lower "
        "train.optimizer.lr or set train.clip_norm"
    )


def long_texts(tokenizer: Any, rows: pd.DataFrame) -> str:
    """That transcripts are longer than the encoder reads at once, if there are such."""
    texts = rows["transcription"].dropna().tolist() if tokenizer is not None else []
    count = int(tokenizer.too_long(texts)) if texts else 0
    which = "transcript is" if count == 1 else "transcripts are"
    return f"{count} {which} longer than {tokenizer.max_tokens} tokens and read in windows" if count else ""
