"""The schema of a recipe: its sections, keys, types and defaults.

Names of variants (encoder, pooling, loss, …) and their options are checked by functions handed in from the floors
that know them.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from emospeech.config.sections.classical import Classical
from emospeech.config.sections.data import Data
from emospeech.config.sections.modalities import Speech, Text
from emospeech.config.sections.space import Tune
from emospeech.config.sections.training import Train
from emospeech.config.words import Choice, Count, Name, Probability, Section, count_or_auto, named


def _none(value: Any) -> Any:
    """`none`, as a name or spelled out, as null."""
    return None if value in ("none", {"name": "none"}) else value


class Head(Section):
    """An MLP: `blocks` times Linear, LayerNorm, GELU, dropout; then a Linear to the classes."""

    blocks: Annotated[int, Field(ge=0)] = 3
    width: Count = 512
    dropout: Probability = 0.1


class Trunk(Section):
    """What all tasks share between the pooled vector and their heads: layers of Linear, norm, activation, dropout."""

    widths: list[Count] = []  # one a layer, as [512, 256, 256]
    activation: Literal["relu", "gelu"] = "relu"
    norm: Literal["none", "layer", "batch"] = "none"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # after each layer, and after standardising
    standardise: bool = False  # first, each dimension of the pooled vector, by a batch norm without weights

    @model_validator(mode="after")
    def _is_something(self) -> "Trunk":
        if not self.widths and not self.standardise:
            raise ValueError("should have widths, or standardise: true; trunk: null is none at all")
        return self


class Model(Section):
    fusion: Annotated[Choice, named("fusion")] = Choice(name="sequence")
    mixer: Annotated[Annotated[Choice, named("mixer")] | None, BeforeValidator(_none)] = None  # or none
    pooling: Annotated[Choice, named("pooling")] = Choice(name="attention")
    dropout: Probability = 0.1  # on the pooled vector
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # how often a training clip loses its speech or text
    trunk: Trunk | None = None  # null: the heads read the pooled vector itself
    head: Head = Head()


class Cache(Section):
    """Hidden states of frozen encoders, computed once and kept by content; training reads them from there."""

    folder: str | None = None  # null: $EMOSPEECH_CACHE, else ~/.cache/emospeech
    write: bool | Literal["auto"] = "auto"  # false: kept in memory, for this run alone; auto: where the disk has room
    dtype: Literal["fp32", "fp16", "bf16", "int8"] = "fp16"  # int8 has a scale for each frame
    frame_stride: Count = 1  # of so many frames of speech one mean is kept
    # layers: all that speech.layers asks for; mixed: their sum alone, by weights that are learned first, on a sample;
    # auto: by the room there is
    mode: Literal["auto", "layers", "mixed"] = "auto"
    sample: Annotated[int, Field(ge=16)] = 256  # training clips on which `mixed` learns the weights
    # of each training clip, where the recipe augments: the clip itself and views - 1 augmented ones
    views: Annotated[int | str, PlainValidator(count_or_auto)] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # encoders compute in it; auto: bf16 on GPUs that have it
    # where states lie while training reads them: disk is a memory map; auto: on the GPU where all fit
    device: Literal["auto", "disk", "cpu", "cuda"] = "auto"


class Recipe(Section):
    name: Name  # of the run's folder
    runs_dir: str = "runs"
    system: Literal["neural", "classical"] = "neural"
    data: Data
    speech: Speech | None = None
    text: Text | None = None
    model: Model = Model()
    classical: Classical | None = None  # of `system: classical`, in place of model and train
    tune: Tune | None = None  # keys whose values are chosen on inner folds
    cache: Cache | None = None  # null: frozen encoders run anew in every epoch
    train: Annotated[Train, named("training")] = Train()

    @property
    def hears(self) -> bool:
        """Whether its system needs sound."""
        return self.speech is not None if self._fitted is None else self._fitted.hears

    @property
    def reads(self) -> bool:
        """Whether its system needs transcripts."""
        return self.text is not None if self._fitted is None else self._fitted.reads

    @property
    def further_tasks(self) -> list[str]:
        """What it learns beside the main task: columns of the manifest, then corpora's own labels."""
        own = [part.task for part in self.data.mixture if part.task] if self.data.target == "label" else []
        weights = self.train.task_weights
        unlearned = [task for task, weight in weights.items() if not weight] if isinstance(weights, dict) else []
        return [task for task in dict.fromkeys([*self.data.tasks, *own]) if task not in unlearned]

    @property
    def may_lack(self) -> bool:
        """Whether its model serves utterances that lack speech or text: it has learned to do without either."""
        return self._fitted is None and self.model.modality_dropout > 0 and self.hears and self.reads

    @property
    def _fitted(self) -> Classical | None:
        return self.classical if self.system == "classical" else None
