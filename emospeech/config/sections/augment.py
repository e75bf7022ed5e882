"""The section `speech.augment` of a recipe: what is done to training clips, and how often."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emospeech.config.words import Choice, Probability, Section, named

# the section's words: whose option each is, its name there, and what else of the effect's own takes its place
SHARED = {
    "speeds": ("speed", ("factors", "between")),
    "impulse_folder": ("reverb", ("folder",)),
    "snr_db": ("noise", ("snr_db",)),
    "noise_folder": ("noise", ("folder",)),
}
Ratio = Annotated[float, Field(ge=-100, le=100)]


class Effect(Choice):
    """An effect by its name, `noise`, or with options of its own beside it, `{name: noise, snr_db: [0.0, 10.0]}`."""

    probability: Probability | None = None  # with `apply: each`; null: the section's


class Augment(Section):
    """Effects on training clips only: one of them, drawn evenly, or each by its own probability."""

    apply: Literal["one", "each"] = "one"  # each: in the order of `effects`, each whatever the others do
    probability: Probability = 0.6  # that a clip gets one; with `each`, of every effect that names none
    # with `each`, one may have a probability of its own: {name: pitch, probability: 0.25}
    effects: Annotated[list[Annotated[Effect, named("augment effect")]], Field(min_length=1)] = [
        Effect(name="speed"),
        Effect(name="reverb"),
        Effect(name="noise"),
    ]
    # what effects take that do not say themselves: `factors` of speed
    speeds: Annotated[list[Annotated[float, Field(ge=0.5, le=2)]], Field(min_length=1)] = [0.9, 1.1]
    snr_db: Annotated[list[Ratio], Field(min_length=2, max_length=2)] = [15.0, 25.0]  # of noise; drawn evenly between
    impulse_folder: Annotated[str, named("sounds")] | None = None  # `folder` of reverb; null: synthetic rooms
    noise_folder: Annotated[str, named("sounds")] | None = None  # `folder` of noise; null: synthetic noise

    @model_validator(mode="after")
    def _probabilities_count(self) -> "Augment":
        own = [effect.name for effect in self.effects if effect.probability is not None]
        if self.apply == "one" and own:
            raise ValueError(
                f"effects: {', '.join(own)} with a probability of its own, but apply: one draws them evenly; "
                "give apply: each, or leave it out"
            )
        return self

    @property
    def plain(self) -> bool:
        """Whether it says nothing but names of effects, of which one is drawn."""
        return self.apply == "one" and not any(effect.options for effect in self.effects)

    def options(self, effect: Effect) -> dict[str, Any]:
        """Those of one of its effects, the section's own words among them."""
        shared = {own[0]: getattr(self, word) for word, (name, own) in SHARED.items() if name == effect.name}
        if "snr_db" in shared:
            shared["snr_db"] = sorted(shared["snr_db"])
        return {**shared, **effect.options}

    @property
    def unread(self) -> dict[str, str]:
        """The section's words that none of its effects takes, and whose they would be."""
        given = [word for word in SHARED if getattr(self, word) != type(self).model_fields[word].default]
        return {word: SHARED[word][0] for word in given if not self._reads(*SHARED[word])}

    def _reads(self, name: str, own: Sequence[str]) -> bool:
        return any(one.name == name and not set(own) & set(one.options) for one in self.effects)

    @property
    def probabilities(self) -> list[float]:
        """Of each effect, with `apply: each`."""
        return [self.probability if one.probability is None else one.probability for one in self.effects]
