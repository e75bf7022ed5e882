"""What a recipe asks for and does not get, as something else in it takes it away: told as a fit begins."""

from collections.abc import Iterator
from typing import Any

from emospeech.config import Recipe
from emospeech.models.classifier import EmotionNetwork
from emospeech.systems.parts import from_scratch


def notes(recipe: Recipe, network: EmotionNetwork) -> list[str]:
    """A line for each thing that has no effect in a fit of this network."""
    return [*unused_training(recipe), *_augmentation(recipe), *_checkpointing(recipe, network)]


def unused_training(recipe: Recipe) -> Iterator[str]:
    """Options of `speech.train` and `text.train` beside an encoder that does not train by them."""
    for modality, part in _parts(recipe).items():
        settings = part.train
        given = [
            f"{modality}.train.{name}"
            for name, field in type(settings).model_fields.items()
            if name != "name" and getattr(settings, name) != field.default
        ]
        if given and settings.name == "frozen":
            yield f"without effect: {', '.join(given)}, as {_why(recipe, modality, part)}"


def unheard(recipe: Recipe) -> Iterator[str]:
    """What a classical system does not do with the clips that it hears."""
    speech = recipe.speech
    given = [] if speech is None else [("augment", speech.augment), ("crop_seconds", speech.crop_seconds)]
    if names := ", ".join(f"speech.{name}" for name, value in given if value is not None):
        yield f"without effect: {names}, as a classical system hears clips whole and plain, beside classical.speeds"


def _why(recipe: Recipe, modality: str, part: Any) -> str:
    if recipe.system == "classical":
        return f"a classical system takes {modality} as its encoder gives it"
    if from_scratch(part):
        return f"{part.encoder} trains whole, at train.optimizer.lr"
    return f"{modality} is frozen; {modality}.train=full, top:<n> or lora lets it train"


def _augmentation(recipe: Recipe) -> Iterator[str]:
    augment = recipe.speech.augment if recipe.speech is not None else None
    if augment is None:
        return
    there = [one.name for one in augment.effects]
    for word, effect in augment.unread.items():
        why = "has its own" if effect in there else "is not among its effects"
        yield f"without effect: speech.augment.{word}, as {effect} {why}"


def _checkpointing(recipe: Recipe, network: EmotionNetwork) -> Iterator[str]:
    encoders: list[Any] = [one for one in (network.speech, network.text) if one is not None]
    if not recipe.train.gradient_checkpointing or any(map(_has_blocks_that_train, encoders)):
        return
    yield "without effect: train.gradient_checkpointing, as no encoder trains that has blocks to compute again"


def _has_blocks_that_train(encoder: Any) -> bool:
    return any(weight.requires_grad for block in getattr(encoder, "blocks", ()) for weight in block.parameters())


def _parts(recipe: Recipe) -> dict[str, Any]:
    return {name: part for name, part in (("speech", recipe.speech), ("text", recipe.text)) if part is not None}
