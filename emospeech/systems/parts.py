"""From the recipe's words for speech and text to encoders, preprocessors and tokenizers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from emospeech.config import Augment, Recipe, Speech, Text
from emospeech.data.examples.augment import EFFECTS, Augmenter, Each, One
from emospeech.encoders.deepspectrum.encoder import DeepSpectrum
from emospeech.encoders.own import OWN_SPEECH
from emospeech.encoders.speech import load_speech
from emospeech.encoders.text import subword
from emospeech.encoders.text.pretrained import PretrainedText
from emospeech.encoders.text.sentence import SentenceText
from emospeech.encoders.text.subword import SUBWORD_ENCODERS
from emospeech.encoders.text.tokenizer import Tokenizer, load_tokenizer
from emospeech.models.build import build_classifier
from emospeech.runtime.errors import UserError

TEXT_LEVELS: Mapping[str, Any] = {"token": PretrainedText, "sentence": SentenceText}


@dataclass(frozen=True)
class TextPart:
    """A text encoder with the tokenizer it was built for."""

    encoder: Any
    tokenizer: Tokenizer


def from_scratch(part: Speech | Text) -> bool:
    return part.encoder in OWN_SPEECH or part.encoder in SUBWORD_ENCODERS


def build_speech(speech: Speech, revision: str | None = None) -> Any:
    """The speech encoder that a recipe names.

    Raises:
        UserError: if it cannot be loaded.
    """
    if speech.encoder in OWN_SPEECH:
        return OWN_SPEECH[speech.encoder](**(speech.options or {}))
    return load_speech(speech.encoder, speech.layers, revision)


def build_text(
    text: Text, transcripts: Sequence[str] = (), saved: Path | None = None, revision: str | None = None
) -> TextPart:
    """The text encoder that a recipe names.

    Args:
        transcripts: those of the training rows, from which a from-scratch encoder learns its tokenizer.
        saved: a tokenizer saved by an earlier fit; where it exists, nothing is learned.

    Raises:
        UserError: if it cannot be loaded.
    """
    if text.encoder not in SUBWORD_ENCODERS:
        return TextPart(*TEXT_LEVELS[text.level].load(text.encoder, text.max_tokens, revision))
    if saved is not None and saved.is_dir():
        tokenizer = Tokenizer(load_tokenizer(str(saved)), text.max_tokens or subword.MAX_TOKENS)
    else:
        tokenizer = train_tokenizer(text, transcripts)
    return TextPart(_scratch_text(text, len(tokenizer.tokenizer), tokenizer.max_tokens), tokenizer)


def _scratch_text(text: Text, tokens: int, max_tokens: int) -> Any:
    options = {key: value for key, value in (text.options or {}).items() if key != "vocabulary"}
    return SUBWORD_ENCODERS[text.encoder](tokens, max_tokens, **options)


def train_tokenizer(text: Text, transcripts: Sequence[str]) -> Tokenizer:
    """The tokenizer of a from-scratch text encoder, learned from these transcripts."""
    vocabulary = (text.options or {}).get("vocabulary", subword.VOCABULARY)
    return subword.train_tokenizer(transcripts, vocabulary, text.max_tokens or subword.MAX_TOKENS)


def load_pretrained(speech: Speech | None, text: Text | None, revisions: Mapping[str, str | None]) -> dict[str, Any]:
    """The pre-trained parts of a recipe, by modality.

    Raises:
        UserError: naming every one that cannot be loaded.
    """
    wanted: dict[str, Callable[[], Any]] = {}
    if speech is not None and not from_scratch(speech):
        wanted["speech"] = lambda: build_speech(speech, revisions.get("speech"))
    if text is not None and not from_scratch(text):
        wanted["text"] = lambda: build_text(text, revision=revisions.get("text"))
    parts, found = {}, []
    for name, load in wanted.items():
        try:
            parts[name] = load()
        except UserError as error:
            message = str(error)
            found.append(message if message.startswith(f"{name}.") else f"{name}.encoder: {message}")
    if found:
        raise UserError("\n".join(found))
    return parts


def check_model(
    recipe: Recipe, tasks: Mapping[str, Sequence[str]], frozen: Mapping[str, Any], begins: bool = False
) -> None:
    """Build the trained part once for nothing: whether its options go with the encoders' widths.

    Args:
        begins: whether it will be trained; then the weights that an encoder of our own begins with must be there.

    Raises:
        UserError: if they do not, or the weights are not, or are another net's.
    """
    speech, text = frozen.get("speech"), frozen.get("text")
    with torch.random.fork_rng(devices=[]):
        if recipe.speech is not None and speech is None:
            with torch.device("meta"):  # shapes alone
                speech = build_speech(recipe.speech)
            if begins and isinstance(speech, DeepSpectrum):
                speech.initial()
        width = text.encoder.width if text is not None else None
        if recipe.text is not None and text is None:
            width = _scratch_text(recipe.text, 10, 10).width
        try:
            build_classifier(recipe.model, tasks, speech and (speech.depth, speech.width), width)
        except ValueError as error:
            raise UserError(f"model: {error}") from None


def start(encoder: Any) -> None:
    """Give an encoder of this project's own the pre-trained weights that it begins with, if it names some.

    Raises:
        UserError: if they cannot be had, or are of another net.
    """
    if isinstance(encoder, DeepSpectrum):
        encoder.start()


def synthetic(wanted: Augment) -> list[str]:
    """The effects for which a recipe names no recordings."""
    recorded = [one.name for one in wanted.effects if wanted.options(one).get("folder") is None]
    return [name for name in dict.fromkeys(recorded) if name in ("reverb", "noise")]


def build_augmenter(wanted: Augment) -> Augmenter:
    """The augmenter that a recipe describes.

    The recipe's check has decoded every recording already; that is not done again for each fit.

    Raises:
        UserError: if a folder of recordings cannot be used.
    """
    effects = [EFFECTS[one.name](**wanted.options(one)) for one in wanted.effects]
    drawing = Each(wanted.probabilities) if wanted.apply == "each" else One(wanted.probability)
    return Augmenter(effects, drawing)
