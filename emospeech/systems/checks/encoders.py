"""Checks of the encoders that a recipe names, and of how they are to be used."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from emospeech.config import Choice
from emospeech.encoders import checkpoint
from emospeech.encoders.deepspectrum.weights import name_fault as weights_fault
from emospeech.encoders.finetuning import modes
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.speech.layers import Layers
from emospeech.encoders.text import sentence, subword
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.runtime.errors import UserError
from emospeech.systems.checks.words import options_fault, tried


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
        return f"{encoder} is trained whole anyway; {value.name} is for a Hub id or checkpoint folder, so leave it out"
    fault = options_fault(modes.MODES[kind], value.options) if kind in modes.MODES else None
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
    fault = options_fault(maker, own, extra)
    if fault:
        return fault
    vocabulary = options.get("vocabulary", subword.VOCABULARY)
    if not isinstance(vocabulary, int) or vocabulary < len(subword.SPECIAL) + 1:
        return f"vocabulary should be a number of tokens, got {vocabulary!r}"
    sizes = [10 for p in inspect.signature(maker).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    with torch.device("meta"):  # shapes alone
        return tried(section["encoder"], maker, sizes, own)
