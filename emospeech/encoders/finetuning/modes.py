"""Which parts of a pre-trained encoder train."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from emospeech.encoders.finetuning import lora
from emospeech.runtime.errors import UserError


class Mode(Protocol):
    def check(self, encoder: Any) -> None:
        """
        Raises:
            UserError: if the encoder lacks what is to train.
        """

    def free(self, encoder: Any) -> Sequence[nn.Module]:
        """Let parts of a frozen encoder train, in place; the modules that follow the network's mode."""


@dataclass(frozen=True)
class Full:
    """All of it but the convolutions that a speech encoder begins with.

    Source: Baevski et al. 2020 (wav2vec 2.0, arXiv 2006.11477), section 4.3; Devlin et al. 2019 (arXiv 1810.04805)
    """

    def check(self, encoder: Any) -> None:
        """See `Mode.check`."""

    def free(self, encoder: Any) -> Sequence[nn.Module]:
        """See `Mode.free`."""
        encoder.requires_grad_(True)
        for part in encoder.front:
            part.requires_grad_(False)
        return [encoder]


@dataclass(frozen=True)
class Top:
    """`top:4`: the four highest transformer blocks, of those that `speech.layers` keeps; what is below stays
    as it is, without dropout, and no graph is built through it; SpecAugment's masks are put before it all the same.

    Source: Howard and Ruder 2018 (ULMFiT, arXiv 1801.06146), section 3.3
    """

    count: int

    def check(self, encoder: Any) -> None:
        """See `Mode.check`."""
        there = len(encoder.blocks)
        if not there:
            raise UserError(f"top:{self.count}: its transformer blocks are not found; use full or lora")
        if self.count > there:
            raise UserError(f"top:{self.count}: it has {there} blocks{_kept(encoder)}; ask for 1 to {there}, or full")

    def free(self, encoder: Any) -> Sequence[nn.Module]:
        """See `Mode.free`."""
        blocks = list(encoder.blocks)[-self.count :]
        for block in blocks:
            block.requires_grad_(True)
        return blocks


def _kept(encoder: Any) -> str:
    cut = getattr(getattr(encoder, "states", None), "cut", False)
    return " up to the highest that speech.layers asks for" if cut else ""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Low-rank adapters beside the attention's projections, or beside the linear modules named in `targets` by the
    ends of their names; each adds `alpha / rank` times the product of two matrices, whose inner size is the rank.

    Source: Hu et al. 2022 (arXiv 2106.09685), by PEFT
    """

    rank: int = 8
    alpha: float = 16.0
    dropout: float = 0.0
    targets: list[str] | None = None

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UserError(f"lora: rank should be 1 or more, got {self.rank}")
        if self.alpha <= 0:
            raise UserError(f"lora: alpha should be above 0, got {self.alpha}")
        if not 0 <= self.dropout < 1:
            raise UserError(f"lora: dropout should be at least 0 and below 1, got {self.dropout}")
        if self.targets == []:
            raise UserError("lora: targets should name a module at least; null means the attention's projections")

    def check(self, encoder: Any) -> None:
        """See `Mode.check`."""
        lora.resolved(encoder, self.targets)

    def free(self, encoder: Any) -> Sequence[nn.Module]:
        """See `Mode.free`."""
        targets = lora.resolved(encoder, self.targets)
        lora.inject(encoder, targets, self.rank, self.alpha, self.dropout)
        return [encoder]


class Frozen:
    """None of it: its states can be stored, and no graph is built through it.

    Source: the main recipe's, arXiv 2407.12467
    """


MODES: dict[str, Any] = {"frozen": Frozen, "full": Full, "top": Top, "lora": Lora}
KNOWN = "frozen, full, top:<n>, lora"


def mode(name: str, options: Mapping[str, Any]) -> Mode | None:
    """What a recipe's words mean; None: frozen.

    Raises:
        UserError: if there is no such mode, or an option cannot be.

    >>> mode("top:4", {})
    Top(count=4)
    """
    kind, colon, number = name.partition(":")
    counted = kind == "top"
    if kind not in MODES or bool(colon) != counted or (counted and not (number.isdecimal() and int(number))):
        raise UserError(f"unknown way to train {name!r}; known: {KNOWN}, n being 1 or more")
    if kind == "frozen":
        return None
    found: Mode = MODES[kind](int(number)) if counted else MODES[kind](**options)
    return found
