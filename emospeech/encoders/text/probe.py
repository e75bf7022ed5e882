"""What a checkpoint of any family does with tokens, seen on a handful of them: none is known by name."""

from typing import Any

import torch
from torch import Tensor, nn

from emospeech.encoders.text.tokenizer import Tokenizer
from emospeech.encoders.text.windows import Encode
from emospeech.runtime.errors import UserError

TOLERANCE = 1e-3  # by which padding may move a state: float32 sums in another order stay far below
CONTENT = 4  # tokens between the special ones
PADDING = 3


def refuse_other_kinds(name: str, config: Any) -> None:
    """Before any weight is loaded: a model whose configuration tells that it is no text encoder.

    Raises:
        UserError: if it is an encoder-decoder, a causal decoder, or takes something else than tokens.
    """
    from transformers import MODEL_MAPPING
    from transformers.models.auto import modeling_auto as auto

    known = MODEL_MAPPING.get(type(config), None)
    takes = getattr(known, "main_input_name", "input_ids")
    causal = config.model_type in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = config.model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if hasattr(config, "vision_config") or hasattr(config, "audio_config"):
        raise _refusal(name, config.model_type, "takes more than text")
    if takes != "input_ids":
        raise _refusal(name, config.model_type, f"takes {takes}")
    if getattr(config, "is_encoder_decoder", False):
        raise _refusal(name, config.model_type, "is an encoder-decoder")
    if getattr(config, "is_decoder", False) or (causal and not masked):
        raise _refusal(name, config.model_type, "is a causal decoder, which reads left to right")


def token_width(name: str, family: str, encode: Encode, tokenizer: Tokenizer) -> int:
    """Width of a model's token states, once it has shown that they are such.

    Raises:
        UserError: if it gives no sequence of token states, lets padding change them, or reads left to right.
    """
    ids, windows = sample(tokenizer), tokenizer.windows()
    alone, padded = _alone_and_padded(name, encode, ids, tokenizer.pad_id, "sequence of token states")
    if alone.ndim != 3 or alone.shape[:2] != (1, len(ids)):
        raise UserError(
            f"text.encoder: {name} gives no sequence of token states: {len(ids)} tokens give {tuple(alone.shape)}"
        )
    _require_same(name, alone[0], padded[0, : len(ids)])
    other, last = ids.clone(), windows.prefix + CONTENT - 1
    other[last] = ids[ids != ids[last]][0]
    changed = encode(other[None], torch.ones(1, len(ids), dtype=torch.bool))
    if torch.allclose(alone[:, 0], changed[:, 0], rtol=0, atol=1e-7):
        raise _refusal(name, family, "reads left to right: later tokens do not reach the first state")
    return int(alone.shape[-1])


def vector_width(name: str, encode: Encode, tokenizer: Tokenizer) -> int:
    """Width of a model's vector for a text, once it has shown that it is such.

    Raises:
        UserError: if it gives no vector, or lets padding change it.
    """
    alone, padded = _alone_and_padded(name, encode, sample(tokenizer), tokenizer.pad_id, "vector for a text")
    if alone.ndim != 2 or len(alone) != 1:
        raise UserError(f"text.encoder: {name} gives no vector for a text, but {tuple(alone.shape)}")
    _require_same(name, alone[0], padded[0])
    return int(alone.shape[-1])


def token_limit(model: Any, tokenizer: Any, wanted: int | None) -> int:
    """Tokens that an encoder reads at once, special ones included: the least that model, tokenizer and recipe say."""
    limits = (position_limit(model) if model is not None else None, tokenizer.model_max_length, wanted)
    return int(min(limit for limit in limits if limit is not None))


def position_limit(model: nn.Module) -> int | None:
    """Tokens that a model has positions for, special tokens included; None where it sets no limit.

    A position table with a padding row (RoBERTa and its kin, MPNet) is counted from the row after that one; BERT's
    from 0. Models with relative positions alone (DeBERTa) are read as far as they were trained.
    """
    for name, table in model.named_modules():
        rows = getattr(table, "num_embeddings", None)
        if name.rpartition(".")[2] == "position_embeddings" and rows is not None:
            padding = getattr(table, "padding_idx", None)
            return int(rows if padding is None else rows - padding - 1)
    limit = getattr(model.config, "max_position_embeddings", None)
    return limit if isinstance(limit, int) and limit > 0 else None


def sample(tokenizer: Tokenizer) -> Tensor:
    """A few ordinary tokens between what the tokenizer puts around a text: int64 (tokens,)."""
    windows, whole = tokenizer.windows(), list(tokenizer("a"))
    special = set(tokenizer.tokenizer.all_special_ids)
    ordinary = [k for k in range(len(tokenizer.tokenizer)) if k not in special][:CONTENT]
    content = [ordinary[k % len(ordinary)] for k in range(CONTENT)]
    return torch.tensor([*whole[: windows.prefix], *content, *whole[len(whole) - windows.suffix :]])


@torch.no_grad()
def _alone_and_padded(name: str, encode: Encode, ids: Tensor, pad_id: int, what: str) -> tuple[Tensor, Tensor]:
    """The output for one text, alone and first of a batch with a longer one."""
    longer = torch.cat([ids, ids])[: len(ids) + PADDING]
    batch = torch.stack([torch.cat([ids, torch.full((len(longer) - len(ids),), pad_id)]), longer])
    mask = torch.arange(len(longer)) < torch.tensor([[len(ids)], [len(longer)]])
    try:
        return encode(ids[None], torch.ones(1, len(ids), dtype=torch.bool)), encode(batch, mask)
    except Exception as error:  # whatever a model makes of tokens and a padding mask alone
        raise UserError(f"text.encoder: {name} gives no {what} when it gets tokens and their mask: {error}") from error


def _require_same(name: str, alone: Tensor, padded: Tensor) -> None:
    if not torch.allclose(alone, padded, rtol=TOLERANCE, atol=TOLERANCE):
        change = float((alone - padded).abs().max())
        raise UserError(
            f"text.encoder: {name} lets padding change its output (by {change:.2g}), so a text's result would depend "
            "on the others of its batch; choose another encoder"
        )


def _refusal(name: str, family: str, fault: str) -> UserError:
    return UserError(
        f"text.encoder: {name} is a {family} model; text encoders here read tokens in both directions "
        f"(BERT, RoBERTa, DeBERTa and others), and this one {fault}"
    )
