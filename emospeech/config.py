"""The schema of a recipe, and `load`: YAML, `extends`, command-line overrides, every fault reported at once.

A recipe reads as the method section of a paper. Names of variants (encoder, pooling, loss, …) are checked by
functions handed in from the floors that know them, so that one message holds all faults.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
)

from emospeech.runtime.errors import UserError, faults

# kind of name -> function (value, the section's fields above it) that says what is wrong, or None
Checks = Mapping[str, Callable[[Any, Mapping[str, Any]], str | None]]


def _named(kind: str) -> Any:
    """A field whose value a function of this kind checks."""

    def check(value: Any, info: ValidationInfo) -> Any:
        checks: Checks = info.context or {}
        fault = checks[kind](value, info.data) if kind in checks else None
        if fault:
            raise ValueError(fault)
        return value

    return AfterValidator(check)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Fraction = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Split(Section):
    """Which rows train, steer and test. First that applies: files, speakers, the corpus's own split, a draw."""

    train_file: str | None = None  # CSV with a column `id`, relative to data.root
    dev_file: str | None = None
    dev_speakers: list[str] = []
    test_speakers: list[str] = []
    dev_fraction: Fraction = 0.16  # of the labelled rows that are left, where dev is drawn
    disjoint: Literal["auto", "group", "speaker", "none"] = "auto"  # auto: by group, else speaker, where known
    seed: Seed = 0


class Data(Section):
    corpus: Annotated[str, _named("corpus")]
    root: Annotated[str, _named("root")]  # the corpus's folder
    labels: list[str] | None = None  # None: the corpus's own
    split: Split = Split()
    limit: Count | None = None  # the first so many rows of each of train, dev, test: a quick look
    refit: Literal["train+dev"] | None = None  # train again on all labelled rows, as long as the dev run chose
    on_bad_audio: Literal["fail", "drop", "silence"] = "fail"
    memory_gb: Annotated[float, Field(ge=0)] = 2.0  # of decoded audio that each process may keep


class Augment(Section):
    """One effect, drawn evenly, with this probability; on training clips only."""

    probability: Probability = 0.6
    effects: Annotated[list[str], Field(min_length=1), _named("augment effects")] = [
        "speed",
        "reverb",
        "noise",
    ]
    speeds: Annotated[list[Annotated[float, Field(ge=0.5, le=2)]], Field(min_length=1)] = [0.9, 1.1]
    snr_db: Annotated[list[float], Field(min_length=2, max_length=2)] = [15.0, 25.0]  # drawn evenly between
    impulse_folder: Annotated[str, _named("sounds")] | None = None  # None: synthetic rooms
    noise_folder: Annotated[str, _named("sounds")] | None = None  # None: synthetic noise


class Speech(Section):
    encoder: Annotated[str, _named("speech encoder")]
    options: Annotated[dict[str, Any] | None, _named("speech options")] = None  # of a from-scratch encoder
    layers: Annotated[Literal["last", "weighted"], _named("layers")] = "last"
    crop_seconds: Annotated[float, Field(ge=0.05)] | None = (
        None  # random crop in training, short clips repeated; evaluation hears all
    )
    augment: Augment | None = None


class Text(Section):
    encoder: Annotated[str, _named("text encoder")]
    options: Annotated[dict[str, Any] | None, _named("text options")] = None
    max_tokens: Annotated[int, Field(ge=3)] | None = None  # None: as many as the encoder takes


class Mixer(Section):
    name: Annotated[str, _named("mixer")] = "multi_head"
    heads: Count = 1


class Head(Section):
    """An MLP: `blocks` times Linear, LayerNorm, GELU, dropout; then a Linear to the classes."""

    blocks: Annotated[int, Field(ge=0)] = 3
    width: Count = 512
    dropout: Probability = 0.1


class Model(Section):
    fusion: Annotated[str, _named("fusion")] = "sequence"
    mixer: Mixer | None = None
    pooling: Annotated[str, _named("pooling")] = "attention"
    dropout: Probability = 0.1  # on the pooled vector
    head: Head = Head()


class Optimizer(Section):
    name: Literal["AdamW", "Adam", "SGD"] = "AdamW"
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class Schedule(Section):
    name: Annotated[str, _named("schedule")] = "constant"
    factor: Fraction = 0.9  # plateau: the rate is multiplied by this …
    patience: Count = 10  # … after so many validations without gain
    warmup_steps: Annotated[int, Field(ge=0)] = 0


class Loss(Section):
    name: Annotated[str, _named("loss")] = "cross_entropy"
    class_weights: Annotated[str, _named("class weights")] = "inverse"


class Train(Section):
    seed: Seed = 0
    epochs: Count = 10
    batch_size: Count = 16  # examples of one optimiser step, over all processes and micro-batches
    accumulation: Count = 1  # micro-batches a step: saves memory; only batch-norm statistics notice
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    loss: Loss = Loss()
    clip_norm: Positive | None = None
    validate_every: Count | None = None  # optimiser steps; None: once an epoch
    early_stopping: Count | None = None  # validations without gain
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    eval_batch_size: Count = 16
    workers: Annotated[int, Field(ge=0)] = 0  # processes that load audio
    trackers: Annotated[list[Literal["tensorboard", "wandb"]], _named("trackers")] = ["tensorboard"]


class Recipe(Section):
    name: Annotated[str, Field(pattern=r"^\w[\w .+=-]*$")]  # of the run's folder
    runs_dir: str = "runs"
    system: Literal["neural"] = "neural"
    data: Data
    speech: Speech | None = None
    text: Text | None = None
    model: Model = Model()
    train: Train = Train()


def load(path: str | Path, overrides: Sequence[str] = (), checks: Checks | None = None) -> Recipe:
    """Read a recipe, apply `key=value` overrides, and check all of it.

    Raises:
        UserError: with every fault, each with its path in the recipe.
    """
    from omegaconf import OmegaConf

    path = Path(path)
    changes = _overrides(overrides)
    try:
        raw = OmegaConf.merge({"name": path.stem}, _read(path, ()), changes)
        plain = OmegaConf.to_container(raw, resolve=True)
    except UserError:
        raise
    except Exception as error:  # OmegaConf has a family of its own
        raise UserError(f"recipe {path}: {error}") from None
    return validate(plain, f"recipe {path}", checks)


def validate(plain: Any, title: str, checks: Checks | None = None) -> Recipe:
    """A `Recipe` from nested dicts.

    Raises:
        UserError: with every fault.
    """
    found = []
    try:
        recipe = Recipe.model_validate(plain, context=dict(checks or {}))
    except ValidationError as error:
        found = [_fault(one) for one in error.errors(include_url=False)]
    if not found and recipe.speech is None and recipe.text is None:
        found = ["speech, text: both are null; a recipe needs at least one of them"]
    if found:
        raise faults(f"{title}: {len(found)} fault{'s' if len(found) > 1 else ''}", found)
    return recipe


def recipes_folder() -> Path:
    """Where the shipped recipes lie: `configs/` of a checkout, or inside the installed package."""
    here = Path(__file__).parent
    return here.parent / "configs" if (here.parent / "configs").is_dir() else here / "configs"


def as_yaml(recipe: Recipe) -> str:
    from omegaconf import OmegaConf

    return str(OmegaConf.to_yaml(OmegaConf.create(recipe.model_dump())))


def _read(path: Path, seen: tuple[Path, ...]) -> Any:
    from omegaconf import DictConfig, OmegaConf

    if path.resolve() in seen:
        raise UserError(f"recipe {path} extends itself: {' -> '.join(p.name for p in (*seen, path))}")
    try:
        own = OmegaConf.load(path)
    except FileNotFoundError:
        where = f", named by 'extends' in {seen[-1]}" if seen else ""
        raise UserError(f"no recipe {path}{where}; the shipped ones are under {recipes_folder()}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; a recipe is a YAML file") from None
    except Exception as error:  # the YAML parser's own errors, which name line and column
        raise UserError(f"{path} is not YAML: {error}") from None
    if not isinstance(own, DictConfig):
        raise UserError(f"{path} is not a recipe: its top level must be keys and values")
    base = own.pop("extends", None)
    if base is not None and not isinstance(base, str):
        raise UserError(f"{path}: extends: should be the path of one recipe, got {base!r}")
    return own if base is None else OmegaConf.merge(_read(path.parent / base, (*seen, path.resolve())), own)


def _overrides(pairs: Sequence[str]) -> Any:
    from omegaconf import OmegaConf

    wrong = [pair for pair in pairs if "=" not in pair or pair.startswith("=")]
    if wrong:
        raise UserError(f"cannot read {', '.join(map(repr, wrong))}; overrides are written key=value, as train.seed=2")
    try:
        return OmegaConf.from_dotlist(list(pairs))
    except Exception as error:
        raise UserError(f"overrides {' '.join(pairs)}: {error}") from None


def _fault(error: Any) -> str:
    """One pydantic error as a line: path, what is wrong, what would be right."""
    where = ".".join(str(part) for part in error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        siblings = _keys_at(error["loc"][:-1])
        close = difflib.get_close_matches(str(error["loc"][-1]), siblings, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(siblings)}"
        return f"{where}: unknown key; {hint}"
    if kind == "missing":
        return f"{where}: missing; set it in the recipe or as {where}=… on the command line"
    if kind == "value_error":
        return f"{where}: {error['ctx']['error']}"
    message = error["msg"].replace("Input should be", "should be").replace("a valid integer", "a whole number")
    message = message.replace("a valid ", "a ")
    return f"{where}: {message}, got {error['input']!r}"


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    """The keys that the section at `location` knows."""
    section: type[BaseModel] = Recipe
    for part in location:
        annotation = section.model_fields[part].annotation
        options = (annotation, *get_args(annotation))
        section = next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
    return list(section.model_fields)
