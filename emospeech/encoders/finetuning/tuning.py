"""From a frozen encoder to one that trains, and how fast each of its parameters learns."""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn

from emospeech.encoders.checkpoint import MASK
from emospeech.encoders.finetuning import layerdrop as dropping
from emospeech.encoders.finetuning.lora import transformer_of
from emospeech.encoders.finetuning.masking import masking_of
from emospeech.encoders.finetuning.modes import Mode
from emospeech.encoders.finetuning.tuned import Tuned, keep_to_what_is_reached


def tune(
    encoder: Any, mode: Mode, inputs: tuple[Tensor, Tensor], spec_augment: bool = False, layerdrop: float | None = 0.0
) -> None:
    """Let a frozen encoder train, in place.

    Args:
        inputs: of the encoder, however short: what they do not reach cannot train.
        spec_augment: whether it is trained with the masks that its config asks for.
        layerdrop: how often a block is left out; None: as its config says.
    """
    awake = [*mode.free(encoder)]
    model = transformer_of(encoder)
    if model is not None:
        usual = dropping.take_over(model)
        dropping.drop_in_place(encoder.blocks, usual if layerdrop is None else layerdrop)
    embedding: Any = getattr(model, MASK, None)
    masked = embedding is not None and embedding.requires_grad
    keep_to_what_is_reached(encoder, *inputs)
    masking = masking_of(model.config) if spec_augment else None
    if masking is not None:
        encoder.masking = masking
        awake.append(masking)
        if masked and masking.time[0]:
            embedding.requires_grad_(True)
    encoder.frozen = False
    encoder.tuned = Tuned(awake, [*encoder.front, *_resting_norms(encoder)])
    encoder.tuned.set_mode(encoder, False)


def _resting_norms(encoder: nn.Module) -> list[nn.Module]:
    """Batch norms that do not train: their statistics must not move either."""
    norms = [module for module in encoder.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    return [norm for norm in norms if not any(parameter.requires_grad for parameter in norm.parameters())]


def rates(encoder: Any, rate: float, decay: float) -> dict[float, list[nn.Parameter]]:
    """The parameters that train, by their learning rate, highest first.

    Block k of n, counted from below, learns at `rate * decay ** (n - k)`, what stands above the blocks at `rate`, what
    is below them at `rate * decay ** n`.

    Source: Clark et al. 2020 (ELECTRA, arXiv 2003.10555), appendix B.
    """
    blocks = list(encoder.blocks)
    below = dict.fromkeys(map(id, encoder.parameters()), len(blocks))
    for number, block in enumerate(blocks, start=1):
        below |= dict.fromkeys(map(id, block.parameters()), len(blocks) - number)
    for part in encoder.above:
        below |= dict.fromkeys(map(id, part.parameters()), 0)
    found: dict[float, list[nn.Parameter]] = defaultdict(list)
    for parameter in encoder.parameters():
        if parameter.requires_grad:
            found[rate * decay ** below[id(parameter)]].append(parameter)
    return dict(sorted(found.items(), reverse=True))


def sound(encoder: Any, samples: int = 8000) -> tuple[Tensor, Tensor]:
    """Half a second of noise as a speech encoder takes it."""
    noise = torch.randn(samples, generator=torch.Generator().manual_seed(0)).numpy()
    prepared = torch.as_tensor(encoder.preprocess(0.1 * noise))[None]
    return prepared, torch.ones(prepared.shape[:2], dtype=torch.bool)


def words() -> tuple[Tensor, Tensor]:
    """Four tokens as a text encoder takes them."""
    tokens = torch.arange(4)[None]
    return tokens, torch.ones_like(tokens, dtype=torch.bool)
