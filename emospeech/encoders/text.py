"""Pre-trained text encoders (RoBERTa, XLM-R; Liu et al. 2019, Conneau et al. 2020), frozen, and their tokenizers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from emospeech.encoders import checkpoint
from emospeech.runtime.errors import UserError

FAMILIES = ("roberta", "xlm-roberta")
# A folder must hold one of these: without them the Auto class makes an empty tokenizer and says nothing.
TOKENIZER_FILES = ("tokenizer.json", "sentencepiece.bpe.model", "spiece.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Tokenizer:
    """A Hugging Face tokenizer with its limit."""

    tokenizer: Any
    max_tokens: int  # special tokens included; what is longer is cut

    @property
    def pad_id(self) -> int:
        return int(self.tokenizer.pad_token_id)

    def __call__(self, text: str) -> Sequence[int]:
        """Token ids (tokens,), with the special tokens that the encoder was trained with."""
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def too_long(self, texts: Sequence[str]) -> int:
        """How many of the texts are cut."""
        return sum(len(ids) > self.max_tokens for ids in self.tokenizer(list(texts), verbose=False)["input_ids"])


class PretrainedText(nn.Module):
    """Last hidden state of a frozen text encoder."""

    frozen = True

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.width: int = model.config.hidden_size

    @classmethod
    def load(
        cls, name: str, max_tokens: int | None = None, revision: str | None = None
    ) -> tuple["PretrainedText", Tokenizer]:
        """Encoder and tokenizer, by Hub id or folder.

        Raises:
            UserError: if either is missing, of another family, or they do not belong together.
        """
        from transformers import AutoConfig

        name = str(Path(name).expanduser())
        config = checkpoint.loaded("config", name, lambda: AutoConfig.from_pretrained(name, revision=revision))
        if config.model_type not in FAMILIES:
            raise UserError(
                f"text.encoder: {name} is a {config.model_type} model; text encoders here are {', '.join(FAMILIES)}"
            )
        tokenizer = load_tokenizer(name, revision)
        if len(tokenizer) > config.vocab_size:
            raise UserError(
                f"{name}: the tokenizer has {len(tokenizer)} tokens but the model only {config.vocab_size}; "
                "they do not belong together"
            )
        # RoBERTa counts positions from the padding id + 1 on
        limit = config.max_position_embeddings - (config.pad_token_id or 0) - 1
        wanted = limit if max_tokens is None else min(max_tokens, limit)
        return cls(checkpoint.pretrained_model(name, revision)), Tokenizer(tokenizer, wanted)

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, tokens), mask (B, tokens) -> (B, tokens, width), mask (B, tokens)."""
        return self.model(tokens, attention_mask=mask.long()).last_hidden_state, mask


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
    if tokenizer.pad_token_id is None:
        raise UserError(f"the tokenizer of {name} has no padding token")
    return tokenizer
