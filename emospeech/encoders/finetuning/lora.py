"""Low-rank adapters on the linear modules of an encoder, by PEFT: injected, found, merged."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from emospeech.runtime.errors import UserError, some

_BERT = ("query", "key", "value", "attention.output.dense")
_SPEECH = ("q_proj", "k_proj", "v_proj", "out_proj")
# `model_type` of a checkpoint -> its attention's four projections, by the ends of their names.
ATTENTION: dict[str, Sequence[str]] = {
    **dict.fromkeys(("wav2vec2", "hubert", "wavlm", "data2vec-audio", "unispeech-sat", "whisper"), _SPEECH),
    "wav2vec2-bert": ("linear_q", "linear_k", "linear_v", "linear_out"),
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "electra", "ernie"), _BERT),
    "deberta": ("in_proj", "attention.output.dense"),
    "deberta-v2": ("query_proj", "key_proj", "value_proj", "attention.output.dense"),
    "mpnet": ("attn.q", "attn.k", "attn.v", "attn.o"),
    "distilbert": ("q_lin", "k_lin", "v_lin", "out_lin"),
    "modernbert": ("Wqkv", "attn.Wo"),
}
READS_WEIGHTS = ("wavlm",)  # families whose attention takes the weights of its projections and does not call them


def transformer_of(encoder: Any) -> Any:
    """The Hugging Face model within an encoder; None: a sentence-transformers model that has none."""
    return getattr(encoder.model, "transformers_model", encoder.model)


def resolved(encoder: Any, targets: Sequence[str] | None) -> Sequence[str]:
    """The names of modules that get adapters: those asked for, else the family's attention projections.

    Raises:
        UserError: if there are no such linear modules, listing those that there are.
    """
    model = transformer_of(encoder)
    if model is None:
        raise UserError("lora adapts a transformer, and this model has none; use full")
    family = model.config.model_type
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    asked = ATTENTION.get(family, ()) if targets is None else targets
    absent = [target for target in asked if not any(_matches(name, target) for name in names)]
    if asked and not absent:
        return asked
    wrong = f"no linear module {', '.join(absent)} in it" if absent else f"of a {family} model it knows no attention"
    known = sorted({".".join(part for part in name.split(".")[-2:] if not part.isdecimal()) for name in names})
    raise UserError(
        f"lora.targets: {wrong}; name them by the ends of their names, of which there are {some(known, 30)}"
    )


def _matches(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def inject(encoder: Any, targets: Sequence[str], rank: int, alpha: float, dropout: float) -> None:
    """Put adapters into an encoder, in place; they alone train, and begin without effect."""
    from peft import LoraConfig, inject_adapter_in_model

    model = transformer_of(encoder)
    wanted = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=list(targets))
    inject_adapter_in_model(wanted, model)
    if model.config.model_type in READS_WEIGHTS:
        for adapter in _adapters(model):
            adapter.__class__ = _summed(type(adapter))


def merge(network: nn.Module) -> None:
    """Add adapters to the weights that they adapt, in place: the same results, without their extra products."""
    for adapter in _adapters(network):
        adapter.merge()


def _adapters(module: nn.Module) -> list[Any]:
    if not any("lora_" in name for name, _ in module.named_parameters()):
        return []  # PEFT need not be imported
    from peft.tuners.lora import LoraLayer

    return [one for one in module.modules() if isinstance(one, LoraLayer)]


def _summed(layer: Any) -> Any:
    """A class of adapted linear modules whose `weight` is the sum; dropout before the adapter has no place in it."""

    class Summed(layer):
        @property
        def weight(self) -> Tensor:
            own: Tensor = self.get_base_layer().weight
            return own if self.merged else own + sum(self.get_delta_weight(name) for name in self.active_adapters)

    return Summed
