"""From the recipe's words for speech and text to encoders, preprocessors and tokenizers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emospeech.config import Augment, Speech, Text
from emospeech.data.augment import Augmenter, sounds_in
from emospeech.encoders import subword
from emospeech.encoders.spectrogram import SPECTROGRAM_ENCODERS
from emospeech.encoders.speech import load_speech
from emospeech.encoders.subword import SUBWORD_ENCODERS
from emospeech.encoders.text import PretrainedText, load_tokenizer
from emospeech.encoders.text import Tokenizer as HubTokenizer
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError


@dataclass(frozen=True)
class TextPart:
    """A text encoder with the tokenizer it was built for."""

    encoder: Any
    tokenizer: HubTokenizer


def from_scratch(part: Speech | Text) -> bool:
    return part.encoder in SPECTROGRAM_ENCODERS or part.encoder in SUBWORD_ENCODERS


def build_speech(speech: Speech, revision: str | None = None) -> Any:
    """The speech encoder that a recipe names.

    Raises:
        UserError: if it cannot be loaded.
    """
    if speech.encoder in SPECTROGRAM_ENCODERS:
        return SPECTROGRAM_ENCODERS[speech.encoder](**(speech.options or {}))
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
        return TextPart(*PretrainedText.load(text.encoder, text.max_tokens, revision))
    if saved is not None and saved.is_dir():
        tokenizer = HubTokenizer(load_tokenizer(str(saved)), text.max_tokens or subword.MAX_TOKENS)
    else:
        tokenizer = train_tokenizer(text, transcripts)
    options = {key: value for key, value in (text.options or {}).items() if key != "vocabulary"}
    encoder = SUBWORD_ENCODERS[text.encoder](len(tokenizer.tokenizer), tokenizer.max_tokens, **options)
    return TextPart(encoder, tokenizer)


def train_tokenizer(text: Text, transcripts: Sequence[str]) -> HubTokenizer:
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
            found.append(str(error))
    if found:
        raise UserError("\n".join(found))
    return parts


def build_augmenter(wanted: Augment) -> Augmenter:
    """The augmenter that a recipe describes; what is synthetic is said aloud.

    The recipe's check has decoded every recording already; that is not done again for each fit.

    Raises:
        UserError: if a folder of recordings cannot be used.
    """
    for effect, folder in (("reverb", wanted.impulse_folder), ("noise", wanted.noise_folder)):
        if effect in wanted.effects and folder is None:
            say(f"augmentation: {effect} is synthetic, as the recipe names no folder of recordings for it")
    return Augmenter(
        probability=wanted.probability,
        effects=wanted.effects,
        speeds=wanted.speeds,
        snr_db=wanted.snr_db,
        impulses=sounds_in(wanted.impulse_folder, decode=False) if wanted.impulse_folder else (),
        noises=sounds_in(wanted.noise_folder, decode=False) if wanted.noise_folder else (),
    )
