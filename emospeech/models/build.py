"""From a recipe's words to a classifier. Below this, no module sees the configuration."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from emospeech.models.classifier import Classifier
from emospeech.models.fusion import FUSIONS
from emospeech.models.heads import MLPHead, Trunk
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.models.streams import StreamPooling

if TYPE_CHECKING:  # a schema takes packages that a machine which only computes may lack
    from emospeech.config import Model


def build_classifier(
    model: "Model",
    tasks: Mapping[str, Sequence[str]],
    speech_shape: tuple[int, int] | None,
    text_width: int | None,
) -> Classifier:
    """The trained part for speech features of (layers, width) and text of a width; None for an absent modality.

    With one modality every fusion is the same: that stream, pooled.

    Raises:
        ValueError: if an option does not go with a width.
    """
    inputs = {"speech": speech_shape[1]} if speech_shape is not None else {}
    if text_width is not None:
        inputs["text"] = text_width
    mixer, pooling, head = model.mixer, model.pooling, model.head

    def pool(width: int) -> StreamPooling:
        return StreamPooling(
            POOLINGS[pooling.name](width, **pooling.options),
            MIXERS[mixer.name](width, **mixer.options) if mixer else None,
        )

    if len(inputs) > 1:
        fusion = FUSIONS[model.fusion.name](inputs, pool, **model.fusion.options)
    else:
        fusion = FUSIONS["sequence"](inputs, pool)
    widths: dict[str, int] = fusion.widths  # type: ignore[assignment]
    trunks = {} if model.trunk is None else {of: Trunk(width, **dict(model.trunk)) for of, width in widths.items()}
    read = {of: trunk.width for of, trunk in trunks.items()} or widths  # by the heads
    return Classifier(
        fusion=fusion,
        heads={
            task: {
                vector: MLPHead(width, len(names), head.blocks, head.width, head.dropout)
                for vector, width in read.items()
            }
            for task, names in tasks.items()
        },
        speech_shape=speech_shape,
        text_width=text_width,
        dropout=model.dropout,
        modality_dropout=model.modality_dropout,
        trunks=trunks,
    )
