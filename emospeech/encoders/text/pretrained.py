"""Pre-trained text encoders of any encoder-only family (BERT, RoBERTa, XLM-R, DeBERTa …), frozen."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.encoders import checkpoint
from emospeech.encoders.finetuning.parts import blocks_of
from emospeech.encoders.text import probe, sentence
from emospeech.encoders.text.tokenizer import Tokenizer, load_tokenizer, require_vocabulary
from emospeech.encoders.text.windows import read_tokens
from emospeech.encoders.windows import Windows


class PretrainedText(nn.Module):
    """Last hidden state of a frozen text encoder, one state a token; long texts are read in windows.

    Source: Devlin et al. 2019 (BERT, arXiv 1810.04805); Conneau et al. 2020 (XLM-R, arXiv 1911.02116).
    """

    frozen = True  # until it is made to train, see finetuning
    front: Sequence[nn.Module] = ()  # convolutions, which never train
    above: Sequence[nn.Module] = ()  # what stands behind the blocks

    def __init__(self, model: Any, width: int, windows: Windows) -> None:
        super().__init__()
        self.model, self.width, self.windows = model, width, windows

    @classmethod
    def load(
        cls, name: str, max_tokens: int | None = None, revision: str | None = None
    ) -> tuple["PretrainedText", Tokenizer]:
        """Encoder and tokenizer, by Hub id or folder; of a sentence-transformers model its transformer.

        Args:
            max_tokens: of one window; None, or more than the encoder takes: as many as it takes.

        Raises:
            UserError: if either is missing, they do not belong together, or the model is no text encoder.
        """
        name = str(Path(name).expanduser())
        find = sentence.transformer if sentence.is_pipeline(name, revision) else _transformer
        model, plain = find(name, revision)
        tokenizer = Tokenizer(plain, probe.token_limit(model, plain, max_tokens))
        width = probe.token_width(name, model.config.model_type, partial(_states, model), tokenizer)
        return cls(model, width, tokenizer.windows()), tokenizer

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Of the transformer, lowest first."""
        return blocks_of(self.model)

    def states(self, tokens: int) -> int:
        """How many states a text of so many tokens gives, special ones included: one each."""
        return tokens

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, tokens), mask (B, tokens) -> (B, tokens, width), mask (B, tokens)."""
        return read_tokens(partial(_states, self.model), tokens, mask, self.windows), mask


def _transformer(name: str, revision: str | None) -> tuple[Any, Any]:
    """Model and tokenizer through the Auto classes."""
    from transformers import AutoConfig

    config = checkpoint.loaded("config", name, lambda: AutoConfig.from_pretrained(name, revision=revision))
    probe.refuse_other_kinds(name, config)
    tokenizer = load_tokenizer(name, revision)
    require_vocabulary(name, tokenizer, config)
    return checkpoint.pretrained_model(name, revision, dtype=torch.float32), tokenizer


def _states(model: Any, tokens: Tensor, mask: Tensor) -> Tensor:
    states: Tensor = model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
    return states
