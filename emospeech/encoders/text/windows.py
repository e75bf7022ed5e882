"""Texts longer than an encoder takes: read in overlapping windows, laid together again."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

OVERLAP = 4  # two windows share at least a 4th of their room, so that no token is read without context at both sides

Encode = Callable[[Tensor, Tensor], Tensor]  # tokens (R, size), mask (R, size) -> (R, …)


@dataclass(frozen=True)
class Windows:
    """How one text becomes windows; it depends on the text's own length alone.

    Each window has the text's special tokens at its ends and is full; the first begins and the last ends with the
    text, the others are spread evenly between.
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

    def places(self, length: int) -> Tensor:
        """Where each token's state is found among those of the windows, (windows * size) in a row: int64 (length,).

        A token that several windows read is taken from the one where it stands farthest from either edge.
        """
        starts = self.starts(length)
        if len(starts) == 1:
            return torch.arange(length)
        token = torch.arange(length - self.prefix - self.suffix)
        inside = token - starts[:, None]  # (windows, tokens): place within the window
        window = torch.minimum(inside, self.room - 1 - inside).argmax(0)
        own = window * self.size + self.prefix + token - starts[window]
        last = len(starts) * self.size
        return torch.cat([torch.arange(self.prefix), own, torch.arange(last - self.suffix, last)])


def read_tokens(encode: Encode, tokens: Tensor, mask: Tensor, windows: Windows) -> Tensor:
    """A state for each token, however long the text.

    Args:
        encode: gives the states (R, size, D) of rows that fit.
        tokens, mask: (B, tokens), padded at the end.

    Returns:
        (B, tokens, D); 0 on the padding of a batch with windows.
    """
    if tokens.shape[1] <= windows.size:
        return encode(tokens, mask)
    lengths = mask.sum(1).tolist()
    rows, row_mask, counts = _split(tokens, mask, lengths, windows)
    states = encode(rows, row_mask).flatten(0, 1)  # (R * size, D)
    places = torch.zeros(tokens.shape, dtype=torch.long)
    first = 0
    for k, (length, count) in enumerate(zip(lengths, counts, strict=True)):
        places[k, :length] = first * windows.size + windows.places(length)
        first += count
    return states[places.to(tokens.device)] * mask[..., None]


def read_windows(encode: Encode, tokens: Tensor, mask: Tensor, windows: Windows) -> tuple[Tensor, Tensor]:
    """One vector for each window: one for a text that fits.

    Args:
        encode: gives the vectors (R, D) of rows that fit.
        tokens, mask: (B, tokens), padded at the end.

    Returns:
        (B, windows, D) and its mask, bool (B, windows).
    """
    if tokens.shape[1] <= windows.size:
        return encode(tokens, mask)[:, None], mask.new_ones(len(mask), 1)
    rows, row_mask, counts = _split(tokens, mask, mask.sum(1).tolist(), windows)
    vectors = encode(rows, row_mask).split(counts)
    padded = torch.nn.utils.rnn.pad_sequence(vectors, batch_first=True)
    real = torch.arange(padded.shape[1]) < torch.tensor(counts)[:, None]
    return padded, real.to(mask.device)


def _split(tokens: Tensor, mask: Tensor, lengths: list[int], windows: Windows) -> tuple[Tensor, Tensor, list[int]]:
    """All windows of a batch as rows (R, size), their mask, and how many are of each text."""
    positions = [windows.positions(length) for length in lengths]
    counts = [len(part) for part in positions]
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))[:, None].to(tokens.device)
    read = torch.cat(positions).to(tokens.device)
    return tokens[owner, read], mask[owner, read], counts
