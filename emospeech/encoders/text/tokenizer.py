"""Transcripts to token ids, as an encoder was trained with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emospeech.encoders import checkpoint
from emospeech.encoders.windows import Windows
from emospeech.runtime.errors import UserError

# A folder must hold one of these: without them the Auto class makes an empty tokenizer and says nothing.
TOKENIZER_FILES = (
    "tokenizer.json",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
    "tokenizer.model",
    "bpe_encoder.bin",
    "vocab.json",
    "vocab.txt",
)


@dataclass(frozen=True)
class Tokenizer:
    """A Hugging Face tokenizer, and how much of a text its encoder reads at once."""

    tokenizer: Any
    max_tokens: int  # of one window, special tokens included; a longer text is read in several
    prompt: str = ""  # put before each text, for encoders trained with one
    special: bool = True  # False: without special tokens, for encoders that know none

    @property
    def pad_id(self) -> int:
        return int(
            self.tokenizer.pad_token_id or 0
        )  # one without a padding token belongs to an encoder that reads none

    def __call__(self, text: str) -> Sequence[int]:
        """Token ids (tokens,) of the whole text, with the special tokens that the encoder was trained with."""
        return self._ids([text])[0]

    def offsets(self, text: str) -> list[tuple[int, int]] | None:
        """Of each token the characters [start, end) of the text that it stands for.

        Empty, start = end, of special tokens; of the prompt's before 0. None: this kind of tokenizer does not tell.
        """
        if not self.tokenizer.is_fast:
            return None
        found = self.tokenizer(
            self.prompt + text,
            add_special_tokens=self.special,
            truncation=False,
            verbose=False,
            return_offsets_mapping=True,
        )["offset_mapping"]
        # special tokens are told as (0, 0)
        return [(start - len(self.prompt), end - len(self.prompt)) for start, end in found]

    def too_long(self, texts: Sequence[str]) -> int:
        """How many of the texts take more than one window."""
        return sum(len(ids) > self.max_tokens for ids in self._ids(texts))

    def windows(self) -> Windows:
        """The windows that the encoder reads such tokens in.

        Raises:
            UserError: if there is no room in one for a text.
        """
        before, after = _special_ends(self.tokenizer) if self.special else (0, 0)
        if self.prompt:
            before = len(self._ids([""])[0]) - after
        if self.max_tokens <= before + after:
            raise UserError(
                f"text.max_tokens: {self.max_tokens} tokens leave no room for text beside the {before + after} "
                "that the encoder puts around it; give more"
            )
        return Windows(self.max_tokens, before, after)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        # not verbose: else it warns of texts longer than the model takes
        prompted = [self.prompt + text for text in texts]
        ids: list[list[int]] = self.tokenizer(
            prompted, add_special_tokens=self.special, truncation=False, verbose=False
        )["input_ids"]
        return ids


def _special_ends(tokenizer: Any) -> tuple[int, int]:
    """How many special tokens a tokenizer puts before a text, and after it."""
    whole, bare = (tokenizer("a", add_special_tokens=special)["input_ids"] for special in (True, False))
    added = len(whole) - len(bare)
    before = next((k for k in range(added + 1) if whole[k : k + len(bare)] == bare), added)
    return before, added - before


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """The tokenizer of a checkpoint.

    Raises:
        UserError: if there is none, or it has no padding token.
    """
    from transformers import AutoTokenizer

    folder = Path(name)
    if folder.is_dir() and not any((folder / file).is_file() for file in TOKENIZER_FILES):
        raise UserError(
            f"checkpoint folder {name} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}); "
            "save it there with tokenizer.save_pretrained(folder)"
        )
    tokenizer = checkpoint.loaded("tokenizer", name, lambda: AutoTokenizer.from_pretrained(name, revision=revision))
    require_padding(name, tokenizer)
    return tokenizer


def require_padding(name: str, tokenizer: Any) -> None:
    """
    Raises:
        UserError: if the tokenizer has no padding token.
    """
    if tokenizer.pad_token_id is None:
        raise UserError(
            f"the tokenizer of {name} has no padding token, so texts of different lengths cannot share a batch; "
            "give it the one that the model was trained with (tokenizer.pad_token = …) and save it again"
        )


def require_tokens(name: str, tokenizer: Any) -> None:
    """
    Raises:
        UserError: if the tokenizer is the empty one that transformers makes where its files are missing.
    """
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise UserError(
            f"text.encoder: {name} has no tokenizer (none of {', '.join(TOKENIZER_FILES)}); save it there, or download "
            "the checkpoint again"
        )


def require_vocabulary(name: str, tokenizer: Any, config: Any) -> None:
    """
    Raises:
        UserError: if the tokenizer knows tokens that the model does not.
    """
    require_tokens(name, tokenizer)
    tokens = getattr(config, "vocab_size", None)
    if tokens is not None and len(tokenizer) > tokens:
        raise UserError(
            f"{name}: the tokenizer has {len(tokenizer)} tokens but the model only {tokens}; "
            "they do not belong together"
        )
