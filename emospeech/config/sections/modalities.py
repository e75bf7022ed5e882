"""The sections `speech` and `text` of a recipe: what is heard and read, by which encoders."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from emospeech.config.sections.augment import Augment
from emospeech.config.sections.finetuning import SpeechTraining, TextTraining
from emospeech.config.words import Count, Section, named, whole


def _layers(value: Any) -> Any:
    if value in ("last", "weighted") or whole(value):
        return value
    if isinstance(value, list) and value and all(map(whole, value)) and len(set(value)) == len(value):
        return value
    raise ValueError(f"should be last, weighted, a layer's number, or a list of different ones, got {value!r}")


def _gain(value: Any) -> Any:
    if value is None or value == "auto":
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and -100 <= value <= 0:
        return float(value)
    raise ValueError(f"should be auto, a level between -100 and 0 dBFS, or null, got {value!r}")


class Speech(Section):
    encoder: Annotated[str, named("speech encoder")]
    options: Annotated[dict[str, Any] | None, named("speech options")] = None  # of a from-scratch encoder
    # last: the encoder's output; weighted: a learned sum of all transformer layers; a number: that layer, counted as
    # in transformers' hidden_states (0: what the first layer takes in); a list: a learned sum of those
    layers: Annotated[str | int | list[int], PlainValidator(_layers), named("layers")] = "last"
    # of a pre-trained encoder: frozen, full, top:<n> (its n highest blocks), or lora
    train: Annotated[SpeechTraining, named("speech training")] = SpeechTraining()
    crop_seconds: Annotated[float, Field(ge=0.05)] | None = (
        None  # random crop in training, short clips repeated; evaluation hears all
    )
    # every clip, in prediction too, is scaled to this RMS level, in dBFS, before crop and augmentation; auto: the mean
    # level of the training clips, measured before training; null: clips stay as loud as they are
    gain_dbfs: Annotated[float | str | None, PlainValidator(_gain)] = None
    augment: Augment | None = None


class Whisper(Section):
    """How clips are transcribed; what is done once is kept in the store, by content."""

    model: str = "large-v3"  # a size, a .pt file, a folder of transformers, or a Hub id
    backend: Literal["auto", "openai", "transformers"] = "auto"
    language: str | None = None  # of all clips, as es; null: the manifest's
    # of clips that tell none; null: a trained run takes that of its training clips, if they tell one
    default_language: str | None = None
    batch: Count = 8  # windows of 30 s at once


class Text(Section):
    encoder: Annotated[str, named("text encoder")]
    options: Annotated[dict[str, Any] | None, named("text options")] = None
    # sentence: one vector a text, of a sentence-transformers model
    level: Annotated[Literal["token", "sentence"], named("text level")] = "token"
    # of a pre-trained encoder: frozen, full, top:<n> (its n highest blocks), or lora
    train: Annotated[TextTraining, named("text training")] = TextTraining()
    max_tokens: Annotated[int, Field(ge=3)] | None = None  # of one window; None: as many as the encoder takes
    transcripts: Literal["provided", "whisper", "whisper_if_missing"] = "provided"
    whisper: Whisper = Whisper()
