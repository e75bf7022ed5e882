"""The schema of a recipe: its sections, keys, types and defaults.

Names of variants (encoder, pooling, loss, …) and their options are checked by functions handed in from the floors
that know them.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from emospeech.config.classical import Classical
from emospeech.config.data import Data
from emospeech.config.protocol import Tune
from emospeech.config.words import Choice, Count, Positive, Probability, Section, Seed, named, whole


def _layers(value: Any) -> Any:
    if value in ("last", "weighted") or whole(value):
        return value
    if isinstance(value, list) and value and all(map(whole, value)) and len(set(value)) == len(value):
        return value
    raise ValueError(f"should be last, weighted, a layer's number, or a list of different ones, got {value!r}")


def _none(value: Any) -> Any:
    """`none`, as a name or spelled out, as null."""
    return None if value in ("none", {"name": "none"}) else value


def _count_or_auto(value: Any) -> Any:
    if value == "auto" or (whole(value) and value >= 1):
        return value
    raise ValueError(f"should be a whole number, at least 1, or auto, got {value!r}")


def _steps_or_fraction(value: Any) -> Any:
    if whole(value) or (isinstance(value, float) and 0 <= value < 1):
        return value
    raise ValueError(f"should be a number of steps, or a fraction of all of them between 0 and 1, got {value!r}")


def _task_weights(value: Any) -> Any:
    if value in ("equal", "uncertainty"):
        return value
    if not isinstance(value, dict) or not all(map(_weighs, value.values())):
        raise ValueError(f"should be equal, uncertainty, or a number, 0 or more, for each task, got {value!r}")
    if value.get("label") == 0:
        raise ValueError("label is the main task, by which training is steered; its weight should be above 0")
    return {str(task): float(weight) for task, weight in value.items()}


def _weighs(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


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


class Speech(Section):
    encoder: Annotated[str, named("speech encoder")]
    options: Annotated[dict[str, Any] | None, named("speech options")] = None  # of a from-scratch encoder
    # last: the encoder's output; weighted: a learned sum of all transformer layers; a number: that layer, counted as
    # in transformers' hidden_states (0: what the first layer takes in); a list: a learned sum of those
    layers: Annotated[str | int | list[int], PlainValidator(_layers), named("layers")] = "last"
    crop_seconds: Annotated[float, Field(ge=0.05)] | None = (
        None  # random crop in training, short clips repeated; evaluation hears all
    )
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
    max_tokens: Annotated[int, Field(ge=3)] | None = None  # of one window; None: as many as the encoder takes
    transcripts: Literal["provided", "whisper", "whisper_if_missing"] = "provided"
    whisper: Whisper = Whisper()


class Head(Section):
    """An MLP: `blocks` times Linear, LayerNorm, GELU, dropout; then a Linear to the classes."""

    blocks: Annotated[int, Field(ge=0)] = 3
    width: Count = 512
    dropout: Probability = 0.1


class Trunk(Section):
    """What all tasks share between the pooled vector and their heads: layers of Linear, norm, activation, dropout."""

    widths: Annotated[list[Count], Field(min_length=1)]  # one a layer, as [512, 256, 256]
    activation: Literal["relu", "gelu"] = "relu"
    norm: Literal["none", "layer", "batch"] = "none"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    standardise: bool = False  # first, each dimension of the pooled vector, by a batch norm without weights


class Model(Section):
    fusion: Annotated[Choice, named("fusion")] = Choice(name="sequence")
    mixer: Annotated[Annotated[Choice, named("mixer")] | None, BeforeValidator(_none)] = None  # or none
    pooling: Annotated[Choice, named("pooling")] = Choice(name="attention")
    dropout: Probability = 0.1  # on the pooled vector
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0  # how often a training clip loses its speech or text
    trunk: Trunk | None = None  # null: the heads read the pooled vector itself
    head: Head = Head()


class Optimizer(Choice):
    """One of torch.optim, by its name; its further options go beside these."""

    name: str = "AdamW"
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class Schedule(Choice):
    name: str = "constant"
    warmup_steps: Annotated[int | float, PlainValidator(_steps_or_fraction)] = 0  # a linear rise; below 1: of all steps


class Loss(Choice):
    name: str = "cross_entropy"
    class_weights: Annotated[Choice, named("class weights")] = Choice(name="inverse")


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
    views: Annotated[int | str, PlainValidator(_count_or_auto)] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"  # encoders compute in it; auto: bf16 on GPUs that have it
    # where states lie while training reads them: disk is a memory map; auto: on the GPU where all fit
    device: Literal["auto", "disk", "cpu", "cuda"] = "auto"


class Train(Section):
    seed: Seed = 0  # a list of them, as train.seed=[1,2,3]: one run each, and a summary
    epochs: Count = 10
    batch_size: Count = 16  # examples of one optimiser step, over all processes and micro-batches
    accumulation: Count = 1  # micro-batches a step: saves memory; only batch-norm statistics notice
    optimizer: Annotated[Optimizer, named("optimizer")] = Optimizer()
    schedule: Annotated[Schedule, named("schedule")] = Schedule()
    loss: Annotated[Loss, named("loss")] = Loss()
    # of the tasks' losses: equal; numbers, as {label: 1.0, gender: 0.5}, 1 where none is given, 0: not learned at all;
    # uncertainty: learned (Kendall et al. 2018, arXiv 1705.07115). The main task is called label
    task_weights: Annotated[str | dict[str, float], PlainValidator(_task_weights)] = "equal"
    clip_norm: Positive | None = None
    validate_every: Count | None = None  # optimiser steps; None: once an epoch
    early_stopping: Count | None = None  # validations without gain
    precision: Annotated[Literal["fp32", "bf16", "fp16"], named("precision")] = "fp32"
    # torch.compile: a minute to start; small networks on a CPU gain nothing
    compile: Annotated[bool, named("compile")] = False
    # blocks of an encoder that trains compute again, in the backward pass, what they would keep: less memory, more time
    gradient_checkpointing: bool = False
    deterministic: bool = False  # on a GPU, the same numbers from run to run; slower
    eval_batch_size: Annotated[int | str, PlainValidator(_count_or_auto)] = (
        "auto"  # auto: one by one through large encoders on a CPU, else many
    )
    workers: Annotated[int, Field(ge=0)] = 0  # processes that load audio
    trackers: Annotated[list[Literal["tensorboard", "wandb"]], named("trackers")] = ["tensorboard"]


class Recipe(Section):
    name: Annotated[str, Field(pattern=r"^\w[\w .+=-]*$")]  # of the run's folder
    runs_dir: str = "runs"
    system: Literal["neural", "classical"] = "neural"
    data: Data
    speech: Speech | None = None
    text: Text | None = None
    model: Model = Model()
    classical: Classical | None = None  # of `system: classical`, in place of model and train
    tune: Tune | None = None  # keys whose values are chosen on inner folds
    cache: Cache | None = None  # null: frozen encoders run anew in every epoch
    train: Train = Train()

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
