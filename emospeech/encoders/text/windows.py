"""Texts longer than an encoder takes: read in overlapping windows, laid together again."""

from collections.abc import Callable

import torch
from torch import Tensor

from emospeech.encoders.windows import Windows

Encode = Callable[[Tensor, Tensor], Tensor]  # tokens (R, size), mask (R, size) -> (R, …)


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
