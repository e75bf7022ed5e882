"""The section `classical` of a recipe: one vector a clip, and an estimator that is fitted to them."""

from typing import Annotated, Literal

from pydantic import Field

from emospeech.config.words import Choice, Section, named


class Classical(Section):
    """What `system: classical` is made of."""

    # vectors laid end to end; `speech` and `text` are those of the sections of that name, pooled over time
    features: Annotated[list[Annotated[Choice, named("classical features")]], Field(min_length=1)]
    model: Annotated[Choice, named("classical model")] = Choice(name="logistic_regression")
    # by what each feature is standardised: the training rows; or each speaker's own rows, for which the labels of new
    # speakers are not needed, but all their clips at once
    normalise: Literal["corpus", "speaker"] = "corpus"
