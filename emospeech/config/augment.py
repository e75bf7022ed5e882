"""The section `speech.augment` of a recipe: what is done to training clips, and how often."""

from typing import Annotated

from pydantic import Field

from emospeech.config.words import Probability, Section, named


class Augment(Section):
    """One effect, drawn evenly, with this probability; on training clips only."""

    probability: Probability = 0.6
    effects: Annotated[list[str], Field(min_length=1), named("augment effects")] = [
        "speed",
        "reverb",
        "noise",
    ]
    speeds: Annotated[list[Annotated[float, Field(ge=0.5, le=2)]], Field(min_length=1)] = [0.9, 1.1]
    snr_db: Annotated[list[float], Field(min_length=2, max_length=2)] = [15.0, 25.0]  # drawn evenly between
    impulse_folder: Annotated[str, named("sounds")] | None = None  # None: synthetic rooms
    noise_folder: Annotated[str, named("sounds")] | None = None  # None: synthetic noise
