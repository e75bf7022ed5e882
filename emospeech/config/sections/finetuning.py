"""The sections `speech.train` and `text.train` of a recipe: how much of a pre-trained encoder trains, and how fast."""

from typing import Annotated

from pydantic import Field

from emospeech.config.words import Choice, Positive


class TextTraining(Choice):
    """frozen, full, top:<n> (the n highest blocks), or lora; options of lora go beside these."""

    name: str = "frozen"
    lr: Positive | None = None  # of the highest block; null: train.optimizer.lr
    # each block below learns so many times as fast as the one above it, what is below the blocks slowest of all
    # (Clark et al. 2020, arXiv 2003.10555)
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class SpeechTraining(TextTraining):
    """The same, and what speech encoders were trained with."""

    spec_augment: bool = True  # masks on time and width as the checkpoint's config says; false: none
    layerdrop: Annotated[float, Field(ge=0, lt=1)] | None = (
        None  # how often a block is left out; null: as the config says
    )
