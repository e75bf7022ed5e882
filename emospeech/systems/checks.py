"""A recipe's words, checked before any work: here names and options meet the code behind them.

A check takes (value, the section's fields above it) and gives what is wrong, or None. Options of a variant are the
keyword-only parameters of its entry.
"""

import importlib.util
import inspect
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import torch

from emospeech import config
from emospeech.config import Choice, Loss, Optimizer, Train
from emospeech.corpora import CORPORA
from emospeech.data.examples.augment import EFFECTS, sounds_in
from emospeech.encoders import checkpoint
from emospeech.encoders.deepspectrum.weights import name_fault as weights_fault
from emospeech.encoders.finetuning import modes
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.speech.layers import Layers
from emospeech.encoders.text import sentence, subword
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.labels import SPACES
from emospeech.models.fusion import FUSIONS
from emospeech.models.mixing import MIXERS
from emospeech.models.pooling import POOLINGS
from emospeech.runtime.errors import UserError
from emospeech.systems.classical.features import FEATURES
from emospeech.systems.classical.models import MODELS
from emospeech.systems.classical.tfidf import Tfidf
from emospeech.systems.classical.transforms import TRANSFORMS
from emospeech.systems.parts import from_scratch
from emospeech.systems.plan import OPTIMIZERS, build_optimizer
from emospeech.training.losses import CLASS_WEIGHTS, LOSSES
from emospeech.training.samplers import SAMPLERS
from emospeech.training.schedules import SCHEDULES
from emospeech.training.switches import compiler_fault

Check = Callable[[Any, Mapping[str, Any]], str | None]


def one_of(kind: str, known: Iterable[str]) -> Check:
    """A check for a name, or a list of names."""
    names = list(known)

    def check(value: Any, _: Mapping[str, Any]) -> str | None:
        wrong = [one for one in (value if isinstance(value, list) else [value]) if one not in names]
        return f"unknown {kind} {', '.join(map(repr, wrong))}; known: {', '.join(names)}" if wrong else None

    return check


def folder_fault(name: str, _: Mapping[str, Any]) -> str | None:
    return None if Path(name).expanduser().is_dir() else f"no folder {name!r}"


def root_fault(name: str, data: Mapping[str, Any]) -> str | None:
    corpus = CORPORA.get(data.get("corpus") or "")
    fault = None if corpus and corpus.makes_itself else folder_fault(name, data)
    return f"{fault}; give the corpus's folder as data.root=…" if fault else None


def sounds_fault(folder: str | None, _: Mapping[str, Any]) -> str | None:
    try:
        if folder is not None:
            sounds_in(folder)
    except UserError as error:
        return str(error)
    return None


def trackers_fault(names: Sequence[str], _: Mapping[str, Any]) -> str | None:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} is not installed; pip install 'emospeech[{absent[0]}]'" if absent else None


def choice(kind: str, entries: Mapping[str, Any], sample: Sequence[Any] | None = None) -> Check:
    """A check for a name with options.

    Args:
        sample: what the entry is tried with, to find values that its options cannot take.
    """

    def check(value: Choice, _: Mapping[str, Any]) -> str | None:
        fault = one_of(kind, entries)(value.name, _)
        if fault:
            return fault
        fault = _options_of(entries[value.name], value.options)
        if fault or sample is None:
            return fault and f"{value.name}: {fault}"
        return _tried(value.name, entries[value.name], sample, value.options)

    return check


def _tried(name: str, entry: Any, supplied: Sequence[Any], options: Mapping[str, Any]) -> str | None:
    """Built once, which finds values of a wrong size or sign, or that do not go together."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # torch only warns of a layer without a parameter
            entry(*supplied, **options)
    except Exception as error:  # whatever the entry makes of them
        return f"{name} cannot be built with {dict(options)}: {error}"
    return None


def _options_of(entry: Any, options: Mapping[str, Any], extra: Sequence[str] = ()) -> str | None:
    """What is wrong with options as keyword-only parameters of `entry`: unknown, or of another type."""
    parameters = inspect.signature(entry).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    unknown = [name for name in options if name not in known]
    if unknown:
        names = ", ".join([*known, *extra])
        return f"unknown option {', '.join(unknown)}; " + (f"known: {names}" if names else "it takes none")
    hints = typing.get_type_hints(entry.__init__ if inspect.isclass(entry) else entry, include_extras=True)
    fields: dict[str, Any] = {name: (hints.get(name, Any), default) for name, default in known.items()}
    schema = pydantic.create_model("Options", __config__=pydantic.ConfigDict(strict=True), **fields)
    try:
        schema(**options)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        return f"{first['loc'][0]}: {first['msg'].lower()}, got {first['input']!r}"
    return None


def speech_fault(name: str, _: Mapping[str, Any]) -> str | None:
    return checkpoint.name_fault(name, OWN_SPEECH)


def probed_fault(name: str, _: Mapping[str, Any]) -> str | None:
    if name in OWN_SPEECH:
        return f"{name} is trained from scratch; probes are for pre-trained encoders: a Hub id or a checkpoint folder"
    return checkpoint.name_fault(name, [])


def text_fault(name: str, _: Mapping[str, Any]) -> str | None:
    if (Path(name).expanduser() / sentence.PIPELINE).is_file():  # such a folder need not hold a config.json
        return None
    return checkpoint.name_fault(name, SUBWORD_ENCODERS)


def layers_fault(layers: Layers, speech: Mapping[str, Any]) -> str | None:
    if layers != "last" and speech.get("encoder") in OWN_SPEECH:
        return f"{speech['encoder']} has one layer of output; only a pre-trained encoder has more"
    return None


def training_fault(value: Choice, section: Mapping[str, Any]) -> str | None:
    """What is wrong with `speech.train` or `text.train`, before the checkpoint is looked at."""
    encoder, kind = section.get("encoder"), value.name.partition(":")[0]
    if value.name != "frozen" and (encoder in OWN_SPEECH or encoder in SUBWORD_ENCODERS):
        return f"{encoder} trains from scratch anyway; {value.name} is for a pre-trained encoder, so leave it out"
    fault = _options_of(modes.MODES[kind], value.options) if kind in modes.MODES else None
    if fault:
        return f"{value.name}: {fault}"
    try:
        modes.mode(value.name, value.options)
    except UserError as error:
        return str(error)
    return None


def text_level_fault(level: str, text: Mapping[str, Any]) -> str | None:
    if level == "sentence" and text.get("encoder") in SUBWORD_ENCODERS:
        return f"{text['encoder']} gives token states alone; sentence is for a sentence-transformers model"
    return None


def speech_options_fault(options: Mapping[str, Any] | None, speech: Mapping[str, Any]) -> str | None:
    if fault := _options_fault(options, speech, OWN_SPEECH):
        return fault
    weights = (options or {}).get("weights")  # of a saved model they need not be there any more
    return None if weights is None else weights_fault(weights)


def text_options_fault(options: Mapping[str, Any] | None, text: Mapping[str, Any]) -> str | None:
    return _options_fault(options, text, SUBWORD_ENCODERS, extra=("vocabulary",))


def _options_fault(
    options: Mapping[str, Any] | None,
    section: Mapping[str, Any],
    makers: Mapping[str, Any],
    extra: Sequence[str] = (),
) -> str | None:
    """Options that the encoder does not know."""
    if "encoder" not in section or not options:  # its own fault is told already
        return None
    if section["encoder"] not in makers:
        return f"{section['encoder']} is pre-trained and takes none; remove them with options=null"
    maker = makers[section["encoder"]]
    own = {key: value for key, value in options.items() if key not in extra}
    fault = _options_of(maker, own, extra)
    if fault:
        return fault
    vocabulary = options.get("vocabulary", subword.VOCABULARY)
    if not isinstance(vocabulary, int) or vocabulary < len(subword.SPECIAL) + 1:
        return f"vocabulary should be a number of tokens, got {vocabulary!r}"
    sizes = [10 for p in inspect.signature(maker).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    with torch.device("meta"):  # shapes alone
        return _tried(section["encoder"], maker, sizes, own)


def optimizer_fault(value: Optimizer, _: Mapping[str, Any]) -> str | None:
    """Tried on one parameter: torch checks names and ranges itself."""
    if value.name not in OPTIMIZERS:
        return f"unknown optimizer {value.name!r}; known: {', '.join(OPTIMIZERS)}"
    parameters = list(inspect.signature(OPTIMIZERS[value.name]).parameters.values())[1:]  # the first: what is trained
    known = {p.name: p.default for p in parameters if p.name not in ("lr", "weight_decay")}
    unknown = [name for name in value.options if name not in known]
    if unknown:
        return f"{value.name}: unknown option {', '.join(unknown)}; known: lr, weight_decay, {', '.join(known)}"
    for name, given in value.options.items():
        if not _alike(given, known[name]):
            return f"{value.name}: {name}: should be like its default {known[name]!r}, got {given!r}"
    return _tried(value.name, build_optimizer, [value, [torch.nn.Parameter(torch.zeros(1))]], {})


def _alike(given: Any, default: Any) -> bool:
    """Whether an option is of its default's kind: a flag, a number, or so many numbers."""
    if isinstance(default, bool) or isinstance(given, bool):
        return isinstance(given, bool) and isinstance(default, bool | None)
    if isinstance(default, tuple):
        return isinstance(given, list) and len(given) == len(default) and all(map(_alike, given, default))
    return isinstance(given, int | float) or (given is None and default is None)


def loss_fault(value: Loss, section: Mapping[str, Any]) -> str | None:
    fault = choice("loss", LOSSES, [[1.0, 1.0], [3, 1]])(value, section)
    if fault:
        return fault
    if LOSSES[value.name].corrects_counts and value.class_weights.name != "none":
        return (
            f"{value.name} corrects for rare classes itself, and class_weights {value.class_weights.name} would do so "
            "a second time; give class_weights: none with it (train.loss.class_weights=none)"
        )
    return None


def precision_fault(name: str, _: Mapping[str, Any]) -> str | None:
    if name == "fp16" and not torch.cuda.is_available():
        return "fp16 needs a GPU, and none is here; give fp32, or bf16"
    return None


def compile_fault(wanted: bool, _: Mapping[str, Any]) -> str | None:
    return compiler_fault() if wanted else None


def classical_features_fault(value: Choice, section: Mapping[str, Any]) -> str | None:
    # what is fitted costs nothing to build, and finds values that do not go together
    return choice("classical features", FEATURES, [] if FEATURES.get(value.name) is Tfidf else None)(value, section)


def mixup_fault(train: Train, recipe: Mapping[str, Any]) -> str | None:
    """Mixup of what cannot be mixed."""
    if train.mixup is None or recipe.get("system") == "classical":
        return None
    speech, mixes = recipe.get("speech"), "mixup: it mixes waveforms and their labels"
    if recipe.get("text") is not None:
        return f"{mixes}, and a transcript cannot be mixed; give text: null, or take it back (train.mixup=null)"
    frozen = speech is not None and not from_scratch(speech) and speech.train.name == "frozen"
    if frozen and recipe.get("cache") is not None:
        return f"{mixes}, and the states of frozen speech are stored of single clips; give cache: null"
    return None


def effect_fault(value: Choice, section: Mapping[str, Any]) -> str | None:
    folder = value.options.get("folder")
    fault = sounds_fault(folder, section) if isinstance(folder, str) else None
    return f"{value.name}: {fault}" if fault else choice("effect", EFFECTS, [])(value, section)


CHECKS: config.Checks = {
    "corpus": one_of("corpus", CORPORA),
    "label space": one_of("label space", SPACES),
    "root": root_fault,
    "speech encoder": speech_fault,
    "speech options": speech_options_fault,
    "layers": layers_fault,
    "speech training": training_fault,
    "text training": training_fault,
    "text encoder": text_fault,
    "text options": text_options_fault,
    "text level": text_level_fault,
    "sounds": sounds_fault,
    "trackers": trackers_fault,
    "augment effect": effect_fault,
    "mixable": mixup_fault,
    "fusion": choice("fusion", FUSIONS),
    "mixer": choice("mixer", MIXERS),
    "pooling": choice("pooling", POOLINGS),
    "optimizer": optimizer_fault,
    "compile": compile_fault,
    "classical features": classical_features_fault,
    "classical transform": choice("classical transform", TRANSFORMS),
    "classical model": choice("classical model", MODELS),
    "schedule": choice("schedule", SCHEDULES, [100]),
    "loss": loss_fault,
    "precision": precision_fault,
    "probed encoder": probed_fault,
    "sampler": choice("sampler", SAMPLERS, [np.array([3, 1])]),
    "class weights": choice("class weights", CLASS_WEIGHTS, [np.array([3, 1])]),
}
