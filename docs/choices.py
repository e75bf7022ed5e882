"""Writes docs/choices.md: every choice of a recipe with its options, default and source, read from the code.

    make docs        (or: python docs/choices.py)

Names, options and sources come from the dicts of variants and the docstrings of their entries, keys and defaults from
the schema; the checkpoints that are named as examples are listed here.
"""

import collections.abc
import inspect
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from emospeech.config import Choice, Optimizer, Recipe
from emospeech.config.words import section_of
from emospeech.data.examples.augment import EFFECTS
from emospeech.encoders.finetuning.modes import MODES
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.speech.long import WINDOW
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.systems.classical.features import FEATURES
from emospeech.systems.classical.models import MODELS
from emospeech.systems.classical.transforms import TRANSFORMS
from emospeech.systems.fitting.plan import OPTIMIZERS
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES
from emospeech.training.samplers import SAMPLERS
from emospeech.training.schedules import SCHEDULES

PAGE = Path(__file__).with_name("choices.md")

HEAD = """# Every choice of a recipe

Written by `make docs` from the code. A variant is chosen by its name, `model.pooling=multi_head`, or with options
of its own, `model.pooling.name=multi_head model.pooling.heads=8` (in YAML `pooling: {name: multi_head, heads: 8}`).
The default is in bold. How to add one: [adding a pooling](adding_a_pooling.md).
"""

PRETRAINED = f"""## Pre-trained encoders

`speech.encoder` and `text.encoder` are a Hub id or a checkpoint folder, loaded through the Auto classes; frozen,
or trained as `speech.train` and `text.train` say ([fine-tuning](finetuning.md)).
Widths are read from the checkpoint; where two do not match, the fusion projects. Weights of heads that are not used may
be missing; any other missing weight is an error. A batch of different lengths gives what each utterance gives alone.
Texts longer than an encoder takes, and recordings of more than {WINDOW:.0f} s, are read in overlapping windows; Whisper
hears its 30 s, end to end.
"""

SPEECH = {
    "wav2vec 2.0": ("facebook/wav2vec2-base", "Baevski et al. 2020 (arXiv 2006.11477); group norm"),
    "XLSR-53": ("facebook/wav2vec2-large-xlsr-53", "Conneau et al. 2021 (arXiv 2006.13979)"),
    "XLS-R": ("facebook/wav2vec2-xls-r-300m", "Babu et al. 2022 (arXiv 2111.09296); the main recipe's"),
    "HuBERT": ("facebook/hubert-large-ll60k", "Hsu et al. 2021 (arXiv 2106.07447); base has group norm"),
    "WavLM": ("microsoft/wavlm-large", "Chen et al. 2022 (arXiv 2110.13900); base has group norm"),
    "data2vec": ("facebook/data2vec-audio-large", "Baevski et al. 2022 (arXiv 2202.03555)"),
    "UniSpeech-SAT": ("microsoft/unispeech-sat-large", "Chen et al. 2022 (arXiv 2110.05752); base has group norm"),
    "w2v-BERT 2.0": ("facebook/w2v-bert-2.0", "Seamless Communication 2023 (arXiv 2312.05187)"),
    "Whisper's encoder": ("openai/whisper-large-v3", "Radford et al. 2023 (arXiv 2212.04356); hears 30 s at a time"),
}
TEXT = {
    "XLM-R": ("llange/xlm-roberta-large-spanish", "Conneau et al. 2020 (arXiv 1911.02116); the main recipe's"),
    "RoBERTa": ("PlanTL-GOB-ES/roberta-large-bne", "Liu et al. 2019 (arXiv 1907.11692)"),
    "BERT, BETO": ("dccuchile/bert-base-spanish-wwm-cased", "Devlin et al. 2019 (arXiv 1810.04805)"),
    "DeBERTa": ("microsoft/mdeberta-v3-base", "He et al. 2021 (arXiv 2111.09543)"),
    "sentence-transformers": (
        "sentence-transformers/paraphrase-multilingual-mpnet-base-v2",
        "Reimers and Gurevych 2019 (arXiv 1908.10084); `text.level: token` or `sentence`",
    ),
}

# title, key of the recipe, entries, how options are told from what the system supplies
Parameters = Callable[[inspect.Parameter], bool]
FILLED = ("tokens", "max_tokens")  # of from-scratch encoders: by the system


def keyword_only(parameter: inspect.Parameter) -> bool:
    return parameter.kind is parameter.KEYWORD_ONLY


def any_but_filled(parameter: inspect.Parameter) -> bool:
    return parameter.name not in FILLED


VARIANTS: tuple[tuple[str, str, Mapping[str, Any], Parameters], ...] = (
    ("Speech encoders from scratch", "speech.encoder", OWN_SPEECH, any_but_filled),
    ("Text encoders from scratch", "text.encoder", SUBWORD_ENCODERS, any_but_filled),
    ("How much of a pre-trained encoder trains", "speech.train", MODES, keyword_only),
    ("Fusions", "model.fusion", FUSIONS, keyword_only),
    ("Mixers", "model.mixer", MIXERS, keyword_only),
    ("Poolings", "model.pooling", POOLINGS, keyword_only),
    ("Losses", "train.loss", LOSSES, keyword_only),
    ("Class weights", "train.loss.class_weights", CLASS_WEIGHTS, keyword_only),
    ("Samplers", "train.sampler", SAMPLERS, keyword_only),
    ("Schedules", "train.schedule", SCHEDULES, keyword_only),
    ("Augmentation", "speech.augment.effects", EFFECTS, keyword_only),
    ("Features of a clip, for classical systems", "classical.features", FEATURES, keyword_only),
    ("Transforms of standardised features", "classical.transforms", TRANSFORMS, keyword_only),
    ("Classical models", "classical.model", MODELS, keyword_only),
)


def page() -> str:
    """The whole page, as Markdown."""
    parts = [HEAD, PRETRAINED, checkpoints("speech.encoder", SPEECH), checkpoints("text.encoder", TEXT)]
    parts += [variants(*each) for each in VARIANTS]
    parts += [optimizers(), keys()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def checkpoints(key: str, known: Mapping[str, tuple[str, str]]) -> str:
    rows = [f"| {family} | `{name}` | {source} |" for family, (name, source) in known.items()]
    return "\n".join([f"| `{key}` | for example | source |", "|---|---|---|", *rows])


def variants(title: str, key: str, entries: Mapping[str, Any], is_option: Parameters) -> str:
    default = default_of(key)
    chosen = default if isinstance(default, list) else [default]
    where = f"`{key}`"
    if is_option is any_but_filled:
        where += f", options under `{key.replace('.encoder', '.options')}`"
    elif default is None:
        where += ": none unless it is named"
    lines = [f"## {title}", "", where, ""]
    lines += ["| name | what it is | options | source |", "|---|---|---|---|"]
    for name, entry in entries.items():
        what, source = told(entry)
        label = f"**`{name}`**" if name in chosen else f"`{name}`"
        lines.append(f"| {label} | {what} | {options(entry, is_option)} | {source} |")
    return "\n".join(lines)


def told(entry: Any) -> tuple[str, str]:
    """First paragraph and source of an entry's docstring.

    Raises:
        ValueError: if it has no source.
    """
    text = inspect.cleandoc(entry.__doc__ or "")
    source = re.search(r"^Source: (.*?)(?:\n\n|\Z)", text, re.DOTALL | re.MULTILINE)
    if source is None:
        raise ValueError(f"{entry.__name__}: its docstring names no source")
    what = text.split("\n\n")[0]
    return flat(what), flat(source.group(1).rstrip("."))


def options(entry: Any, is_option: Parameters) -> str:
    function = entry.__init__ if inspect.isclass(entry) else entry
    parameters = [p for p in inspect.signature(entry).parameters.values() if is_option(p)]
    hints = typing.get_type_hints(function)
    lines = [f"`{p.name}: {type_name(hints.get(p.name))} = {shown(p.default)}`" for p in parameters]
    return "<br>".join(lines).replace("|", "\\|") or "-"


def optimizers() -> str:
    names = ", ".join(f"**`{n}`**" if n == Optimizer().name else f"`{n}`" for n in OPTIMIZERS)
    return f"## Optimisers\n\n`train.optimizer`: those of `torch.optim`, with their own options: {names}.\n"


def keys() -> str:
    """Every key of the schema with type, default and comment."""
    lines = ["## Every key", "", "| key | type | default | |", "|---|---|---|---|"]
    lines += [f"| `{key}` | {kind} | {default} | {note} |" for key, kind, default, note in fields(Recipe, "")]
    return "\n".join(lines)


def fields(section: type[BaseModel], path: str) -> Iterator[tuple[str, str, str, str]]:
    notes = comments(section)
    for name, field in section.model_fields.items():
        inner = section_of(field.annotation)
        if inner is not None and not issubclass(inner, Choice):
            optional = "" if field.is_required() or field.default is not None else "`null`, or a section"
            yield f"{path}{name}", optional, "", notes.get(name, "")
            yield from fields(inner, f"{path}{name}.")
            continue
        default = "" if field.is_required() else f"`{shown(field.default)}`"
        yield f"{path}{name}", type_name(field.annotation).replace("|", "\\|"), default, notes.get(name, "")
        if inner is not None:
            yield from (row for row in fields(inner, f"{path}{name}.") if not row[0].endswith(".name"))


def shown(default: Any) -> Any:
    """A default as YAML has it."""
    if isinstance(default, Choice):
        return default.name
    if isinstance(default, tuple | list):
        return [shown(one) if isinstance(one, Choice) else one for one in default]
    return {None: "null", True: "true", False: "false"}[default] if isinstance(default, bool | None) else default


def type_name(annotation: Any) -> str:
    """A type as a user reads it."""
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(str(value) for value in typing.get_args(annotation))
    if typing.get_origin(annotation) is typing.Annotated:
        return type_name(typing.get_args(annotation)[0])
    parts = [type_name(one) for one in typing.get_args(annotation) if one is not type(None)]
    if typing.get_origin(annotation) in (list, collections.abc.Sequence):
        return f"list of {', '.join(parts)}"
    if typing.get_origin(annotation) is dict:
        return "keys and values"
    if parts:
        return " or ".join(parts)
    if isinstance(annotation, type) and issubclass(annotation, Choice):
        return "a name, or a name with options"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}.get(
        getattr(annotation, "__name__", ""), str(getattr(annotation, "__name__", annotation))
    )


def comments(section: type[BaseModel]) -> dict[str, str]:
    """The comment beside, or above, each field of a section."""
    found: dict[str, str] = {}
    above: list[str] = []
    ours = [one for one in reversed(section.__mro__) if one.__module__.startswith("emospeech.")]
    for line in (line for one in ours for line in inspect.getsource(one).splitlines()):
        alone, field = re.match(r"\s+# (.*)", line), re.match(r"    (\w+): ", line)
        beside = re.search(r"  # (.*)", line)
        if alone:
            above.append(alone.group(1))
            continue
        if field:
            name = field.group(1)
            found[name] = " ".join(above)
        if beside and found:
            found[name] = f"{found[name]} {beside.group(1)}".strip()
        above = []
    return {name: flat(note) for name, note in found.items()}


def flat(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def default_of(key: str) -> Any:
    """The schema's default at a path: a name, a list of names, or None."""
    section: Any = Recipe
    for part in key.split("."):
        field = section.model_fields[part]
        section = section_of(field.annotation) or field
    default = field.default
    return shown(default) if isinstance(default, Choice | list) else None


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")
