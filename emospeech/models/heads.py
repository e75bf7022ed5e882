"""From a pooled vector to logits: layers that the tasks share, and a head for each."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor, nn


class BatchNorm(nn.BatchNorm1d):
    """Batch norm that takes a single row in training, too, by the running statistics: one row varies by nothing."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width) -> (B, width)."""
        if self.training and len(x) == 1:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(x)


class Standardised(BatchNorm):
    """Each dimension by its mean and deviation over training batches, then dropout."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__(width, affine=False)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width) -> (B, width)."""
        return nn.functional.dropout(super().forward(x), self.dropout, self.training)


ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU}
NORMS: Mapping[str, Callable[[int], nn.Module] | None] = {"none": None, "layer": nn.LayerNorm, "batch": BatchNorm}


class Trunk(nn.Sequential):
    """Layers that all tasks share, or none: Linear, norm, activation, dropout each; `width` is what comes out.

    x (B, ins) -> (B, width).
    """

    def __init__(
        self,
        ins: int,
        widths: Sequence[int],
        activation: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        standardise: bool = False,
    ) -> None:
        """
        Args:
            ins: width of what comes in.
            activation, norm: names in `ACTIVATIONS` and `NORMS`.
            dropout: after each layer, and after standardising.
            standardise: each dimension of what comes in, by its mean and deviation over training batches.
        """
        layers: list[nn.Module] = [Standardised(ins, dropout)] if standardise else []
        for a, b in pairwise([ins, *widths]):
            layers.append(nn.Linear(a, b))
            if (norm_of := NORMS[norm]) is not None:
                layers.append(norm_of(b))
            layers += [ACTIVATIONS[activation](), nn.Dropout(dropout)]
        super().__init__(*layers)
        self.width = widths[-1] if widths else ins


class MLPBlock(nn.Module):
    """Linear, LayerNorm, GELU (exact), dropout."""

    def __init__(self, ins: int, outs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(ins, outs)
        self.norm = nn.LayerNorm(outs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dropout(nn.functional.gelu(self.norm(self.linear(x))))
        return out


class MLPHead(nn.Module):
    """`blocks` MLP blocks and a Linear to the classes."""

    def __init__(self, width: int, classes: int, blocks: int = 3, hidden: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        ins = [width, *[hidden] * blocks]
        self.hidden = nn.ModuleList(MLPBlock(a, b, dropout) for a, b in pairwise(ins))
        self.out = nn.Linear(ins[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width) -> logits (B, classes)."""
        for block in self.hidden:
            x = block(x)
        logits: Tensor = self.out(x)
        return logits
