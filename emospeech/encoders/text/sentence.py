"""sentence-transformers models, frozen: a pipeline of a transformer, pooling, and what else was trained behind it."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.encoders import checkpoint
from emospeech.encoders.finetuning.parts import blocks_of
from emospeech.encoders.text import probe
from emospeech.encoders.text.tokenizer import Tokenizer, require_padding, require_tokens, require_vocabulary
from emospeech.encoders.text.windows import read_windows
from emospeech.encoders.windows import Windows
from emospeech.runtime.errors import UserError

Features = Callable[..., dict[str, Any]]  # tokens (R, size), mask (R, size) -> the input of a model's first module

PIPELINE = "modules.json"  # names the modules of a sentence-transformers model, and marks it as one


class SentenceText(nn.Module):
    """One vector a text, as a frozen sentence-transformers model gives it; a long text has one for each window.

    Source: Reimers and Gurevych 2019 (Sentence-BERT, arXiv 1908.10084).
    """

    frozen = True  # until it is made to train, see finetuning
    front: Sequence[nn.Module] = ()  # convolutions, which never train

    def __init__(self, model: Any, width: int, windows: Windows, features: Features) -> None:
        """`features`: tokens and mask to what the model's first module takes."""
        super().__init__()
        self.model, self.width, self.windows, self.features = model, width, windows, features

    @classmethod
    def load(
        cls, name: str, max_tokens: int | None = None, revision: str | None = None
    ) -> tuple["SentenceText", Tokenizer]:
        """Encoder and tokenizer, by Hub id or folder.

        Args:
            max_tokens: of one window; None, or more than the model takes: as many as it takes.

        Raises:
            UserError: if it is missing, no sentence-transformers model, or gives no vector for a text.
        """
        name = str(Path(name).expanduser())
        if not is_pipeline(name, revision):
            raise UserError(
                f"text.level: {name} is no sentence-transformers model (no {PIPELINE}), so it has no vector for a "
                "text; use text.level=token, with model.pooling=mean as the near equivalent"
            )
        model = pipeline(name, revision)
        tokenizer, features = _tokenizer_of(name, model, max_tokens)
        windows = tokenizer.windows()
        if tokenizer.prompt:
            features = partial(features, prompt_length=windows.prefix)
        width = probe.vector_width(name, partial(_vectors, model, features), tokenizer)
        return cls(model, width, windows, features), tokenizer

    @property
    def blocks(self) -> Sequence[nn.Module]:
        """Of the transformer, lowest first; none in a model without one."""
        return blocks_of(self.model.transformers_model)

    @property
    def above(self) -> Sequence[nn.Module]:
        """Pooling, and what else stands behind the blocks."""
        return list(self.model)[1:]

    def states(self, tokens: int) -> int:
        """How many vectors a text of so many tokens gives, special ones included: one for each window."""
        return len(self.windows.starts(tokens))

    def forward(self, tokens: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, tokens), mask (B, tokens) -> (B, windows, width), mask (B, windows)."""
        return read_windows(partial(_vectors, self.model, self.features), tokens, mask, self.windows)


def _vectors(model: Any, features: Features, tokens: Tensor, mask: Tensor) -> Tensor:
    """tokens (R, size), mask (R, size) -> (R, width), cut to the dimensions that the model's authors kept."""
    vectors: Tensor = model(features(tokens, mask))["sentence_embedding"]
    return vectors[:, : model.truncate_dim]


def _padded(tokens: Tensor, mask: Tensor, **more: int) -> dict[str, Any]:
    return {"input_ids": tokens, "attention_mask": mask.long(), **more}


def _end_to_end(tokens: Tensor, mask: Tensor, **more: int) -> dict[str, Any]:
    """As an embedding bag takes them: all texts in one row, and where each begins."""
    lengths = mask.sum(1)
    return {"input_ids": tokens[mask], "offsets": lengths.cumsum(0) - lengths, **more}


def is_pipeline(name: str, revision: str | None = None) -> bool:
    """Whether a folder or Hub id is a sentence-transformers model."""
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError

    try:
        return _modules_file(name, revision).is_file()
    except (EntryNotFoundError, HFValidationError, OSError):  # what is amiss beyond that, loading the model tells
        return False


def _modules_file(name: str, revision: str | None) -> Path:
    """The list of its modules, in its folder or the Hub's cache."""
    from huggingface_hub import hf_hub_download

    folder = Path(name).expanduser()
    return folder / PIPELINE if folder.is_dir() else Path(hf_hub_download(name, PIPELINE, revision=revision))


def transformer(name: str, revision: str | None) -> tuple[Any, Any]:
    """The transformer within a sentence-transformers model, and its tokenizer.

    Raises:
        UserError: if it has none: there are no token states.
    """
    model = pipeline(name, revision)
    inner, tokenizer = model.transformers_model, model.tokenizer
    if inner is None:
        raise UserError(
            f"text.level: {name} has no transformer (its first module is {type(model[0]).__name__}), so no token "
            "states; use text.level=sentence"
        )
    _require_tokenizer(name, tokenizer)
    require_vocabulary(name, tokenizer, inner.config)
    return checkpoint.frozen(inner, name, revision), tokenizer


def pipeline(name: str, revision: str | None) -> Any:
    """The whole model, frozen, in eval mode and float32; every weight of its transformer must be in the checkpoint.

    Raises:
        UserError: if it cannot be loaded, or weights are missing and would be random.
    """
    from sentence_transformers import SentenceTransformer

    model = checkpoint.loaded(
        "sentence-transformers model",
        name,
        lambda: SentenceTransformer(name, device="cpu", revision=revision, model_kwargs={"dtype": torch.float32}),
    )
    inner = model.transformers_model
    if inner is not None:
        _require_weights(name, revision, type(inner))
    return checkpoint.frozen(model, name, revision)


def _require_weights(name: str, revision: str | None, architecture: Any) -> None:
    """SentenceTransformer only warns of weights that it had to make up; a load without memory tells which.

    Raises:
        UserError: if weights are missing.
    """
    folder = json.loads(_modules_file(name, revision).read_text(encoding="utf-8"))[0]["path"]
    _, info = checkpoint.loaded(
        "model",
        name,
        lambda: architecture.from_pretrained(
            name, subfolder=folder, revision=revision, output_loading_info=True, device_map="meta"
        ),
    )
    checkpoint.require_weights(name, architecture.config_class.model_type, info["missing_keys"])


def _tokenizer_of(name: str, model: Any, max_tokens: int | None) -> tuple[Tokenizer, Features]:
    """Its tokenizer with the default prompt, and how its first module takes tokens.

    Raises:
        UserError: if it has no tokenizer that gives ids.
    """
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from transformers import PreTrainedTokenizerFast

    prompt = model.prompts.get(model.default_prompt_name) or ""
    if isinstance(model[0], StaticEmbedding):
        static = PreTrainedTokenizerFast(tokenizer_object=model[0].tokenizer)
        return Tokenizer(static, probe.token_limit(None, static, max_tokens), prompt, special=False), _end_to_end
    tokenizer = model.tokenizer
    _require_tokenizer(name, tokenizer)
    limit = probe.token_limit(model.transformers_model, tokenizer, max_tokens)
    return Tokenizer(tokenizer, limit, prompt), _padded


def _require_tokenizer(name: str, tokenizer: Any) -> None:
    """
    Raises:
        UserError: if it is none of Hugging Face's, or has no padding token.
    """
    from transformers import PreTrainedTokenizerBase

    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        raise UserError(f"text.encoder: {name} has no Hugging Face tokenizer, so its texts cannot become token ids")
    require_tokens(name, tokenizer)
    require_padding(name, tokenizer)
