"""From a recipe's words to a classifier. Below this, no module sees the configuration."""

from collections.abc import Mapping, Sequence

from emospeech.config import Model
from emospeech.models.classifier import Classifier
from emospeech.models.fusion import FUSIONS
from emospeech.models.heads import MLPHead
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS


def build_classifier(
    model: Model,
    tasks: Mapping[str, Sequence[str]],
    speech_shape: tuple[int, int] | None,
    text_width: int | None,
) -> Classifier:
    """The trained part for speech features of (layers, width) and text of a width; None for an absent modality."""
    fusion = FUSIONS[model.fusion.name](speech_shape[1] if speech_shape else None, text_width)
    width: int = fusion.width  # type: ignore[assignment]
    head = model.head
    return Classifier(
        fusion=fusion,
        mixer=MIXERS[model.mixer.name](width, **model.mixer.options) if model.mixer else None,
        pooling=POOLINGS[model.pooling.name](width, **model.pooling.options),
        heads={
            task: MLPHead(width, len(names), head.blocks, head.width, head.dropout) for task, names in tasks.items()
        },
        speech_shape=speech_shape,
        text_width=text_width,
        dropout=model.dropout,
    )
