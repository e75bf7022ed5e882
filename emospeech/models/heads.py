"""From a pooled vector to logits."""

from itertools import pairwise

from torch import Tensor, nn


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
