"""How a sequence longer than an encoder takes, tokens or frames, becomes overlapping windows."""

from dataclasses import dataclass

import torch
from torch import Tensor

OVERLAP = 4  # two windows share at least a 4th of their room, so that no token is read without context at both sides


@dataclass(frozen=True)
class Windows:
    """How one text, or one recording in frames, becomes windows; it depends on its own length alone.

    Each window has the text's special tokens at its ends and is full; the first begins and the last ends with the
    text, the others are spread evenly between. Frames are tokens here, without special ones: prefix and suffix 0.
    """

    size: int  # tokens of one window, special tokens included
    prefix: int = 1  # special tokens before a text
    suffix: int = 1  # and after it

    def __post_init__(self) -> None:
        if self.room < 1:
            raise ValueError(
                f"a window of {self.size} tokens has no room beside {self.prefix + self.suffix} special ones"
            )

    @property
    def room(self) -> int:
        """Tokens of the text itself that one window holds."""
        return self.size - self.prefix - self.suffix

    def starts(self, length: int) -> Tensor:
        """Where the windows of a text of `length` tokens begin, counted in its own tokens: int64 (windows,).

        >>> Windows(size=10).starts(10), Windows(size=10).starts(19)
        (tensor([0]), tensor([0, 4, 9]))
        """
        rest = length - self.size
        if rest <= 0:
            return torch.zeros(1, dtype=torch.long)
        count = 1 - (-rest // (self.room - self.room // OVERLAP))
        return torch.arange(count) * rest // (count - 1)

    def positions(self, length: int) -> Tensor:
        """Which of the text's tokens each window reads: int64 (windows, size).

        Of a text that fits, the one window goes on past its end, into the padding.
        """
        starts = self.starts(length)
        if len(starts) == 1:
            return torch.arange(self.size)[None]
        read = torch.arange(self.size) + starts[:, None]
        read[:, : self.prefix] = torch.arange(self.prefix)
        read[:, self.size - self.suffix :] = torch.arange(length - self.suffix, length)
        return read

    def shares(self, length: int) -> Tensor:
        """Where each window's share begins, and the last one's ends, in the text's own tokens: int64 (windows + 1,).

        A token that several windows read is in the share of the one where it stands farthest from either edge.

        >>> Windows(size=8, prefix=0, suffix=0).shares(20)
        tensor([ 0,  7, 13, 20])
        """
        starts = self.starts(length)
        meet = (starts[:-1] + starts[1:] + self.room - 1) // 2 + 1  # the first token nearer to the later one's middle
        own = length - self.prefix - self.suffix
        return torch.cat([torch.tensor([0]), meet, torch.tensor([own])])

    def places(self, length: int) -> Tensor:
        """Where each token's state is found among those of the windows, (windows * size) in a row: int64 (length,).

        It is taken from the window whose share the token is in.
        """
        starts = self.starts(length)
        if len(starts) == 1:
            return torch.arange(length)
        window = torch.repeat_interleave(torch.arange(len(starts)), self.shares(length).diff())
        token = torch.arange(len(window))
        own = window * self.size + self.prefix + token - starts[window]
        last = len(starts) * self.size
        return torch.cat([torch.arange(self.prefix), own, torch.arange(last - self.suffix, last)])
