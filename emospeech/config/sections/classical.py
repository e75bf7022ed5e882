"""The section `classical` of a recipe: one vector a clip, and an estimator that is fitted to them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emospeech.config.words import Choice, Positive, Section, named

READ = ("text", "tfidf", "style")  # features of the transcript; all others are of the sound

Model = Annotated[Choice, named("classical model")]
Transforms = list[Annotated[Choice, named("classical transform")]]
Channels = Annotated[int, Field(ge=0, le=16)]
Speeds = list[Annotated[float, Field(ge=0.5, le=2)]]


class Member(Section):
    """One of several estimators that vote; what it does not name is the section's own."""

    # which of the section's features: by name, or by place, from 0; null: all
    features: Annotated[list[str | int], Field(min_length=1)] | None = None
    speeds: Speeds | None = None
    channels: Channels | None = None
    transforms: Transforms | None = None
    model: Model | None = None
    weight: Positive = 1.0


class Classical(Section):
    """What `system: classical` is made of."""

    # vectors laid end to end; `speech` and `text` are those of the sections of that name, pooled over time
    features: Annotated[list[Annotated[Choice, named("classical features")]], Field(min_length=1)]
    model: Model = Choice(name="logistic_regression")
    # by what each feature is standardised: the training rows; or each speaker's own rows, for which the labels of new
    # speakers are not needed, but all their clips at once
    normalise: Literal["corpus", "speaker"] = "corpus"
    # to each speaker's mean and variance so many clips like the training rows' are added: for speakers of few clips
    speaker_prior: Annotated[float, Field(ge=0)] = 0.0
    # copies of each training clip, played so many times as fast (tempo, pitch, formants), train beside it
    speeds: Speeds = []
    channels: Channels = 0  # so many more copies of each, through filters that are drawn: other microphones and rooms
    transforms: Transforms = []  # of the standardised features, in this order, fitted to the training rows
    vote: list[Member] = []  # a soft vote of these, in place of one model
    # what is averaged: probabilities; or scores, log-probabilities of the same deviation over the training rows
    pool: Literal["probabilities", "scores"] = "probabilities"
    # probabilities once more in the light of each speaker's other clips, all that are predicted together, unlabelled
    adapt: bool = False
    # so many inner folds of the training rows choose what is added to each class's log-probability, for macro-F1
    offsets: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="after")
    def _offsets_are_for_what_is_predicted(self) -> "Classical":
        if self.adapt and self.offsets is not None:
            raise ValueError("adapt and offsets exclude each other: offsets are fitted to probabilities as they are")
        return self

    @model_validator(mode="after")
    def _members_have_features(self) -> "Classical":
        for k, member in enumerate(self.vote):
            self.chosen(member.features, f"vote.{k}.")
        return self

    def chosen(self, wanted: list[str | int] | None, where: str = "") -> tuple[int, ...]:
        """The places of features that are wanted by name or place.

        Raises:
            ValueError: if one of them is not there.
        """
        names = [one.name for one in self.features]
        places = range(len(names))
        if unknown := [one for one in wanted or [] if one not in names and one not in places]:
            there = ", ".join(f"{k} {name}" for k, name in enumerate(names))
            raise ValueError(f"{where}features: no {', '.join(map(str, unknown))} in the section's features: {there}")
        return tuple(k for k in places if wanted is None or k in wanted or names[k] in wanted)

    @property
    def hears(self) -> bool:
        return any(one.name not in READ for one in self.features)

    @property
    def reads(self) -> bool:
        return any(one.name in READ for one in self.features)
