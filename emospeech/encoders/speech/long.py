"""Recordings longer than a transformer should hear at once: in overlapping windows, laid together again."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from emospeech.data.audio import SAMPLE_RATE
from emospeech.encoders.windows import Windows

# Seconds that are heard whole. Attention costs time, and in WavLM and w2v-BERT memory, by the square of the frames, and
# these models were trained on at most some 15 to 30 s. Their positions are relative, so they can hear more, and hardly
# an utterance of an emotion corpus lasts longer than this and has to be cut.
WINDOW = 60.0

Hear = Callable[[Tensor, Tensor, Sequence[int]], tuple[Tensor, Tensor]]
"""inputs (R, time, …), mask (R, time), the rows of the batch that they are of -> (R, depth, frames, width), mask (R,
frames)"""


@dataclass(frozen=True)
class Grid:
    """Which inputs, samples or mel frames, each frame sees."""

    stride: int  # inputs from one frame to the next
    field: int  # inputs that one frame sees

    def frames(self, inputs: int) -> int:
        """How many frames so many inputs give, once made long enough for one.

        >>> [Grid(stride=320, field=400).frames(samples) for samples in (0, 719, 720)]
        [1, 1, 2]
        """
        return (max(inputs, self.field) - self.field) // self.stride + 1

    def inputs(self, frames: int) -> int:
        """How many inputs so many frames see together."""
        return (frames - 1) * self.stride + self.field


def windows_of(seconds: float, frames: Callable[[int], int]) -> Windows:
    """Windows of so many seconds; `frames`: how many of them so many samples give.

    Raises:
        ValueError: if that is no time.
    """
    if not 0 < seconds < float("inf"):
        raise ValueError(f"a window should last more than 0 s, got {seconds}")
    return Windows(frames(round(seconds * SAMPLE_RATE)), prefix=0, suffix=0)


def hear_long(hear: Hear, inputs: Tensor, mask: Tensor, grid: Grid, windows: Windows) -> tuple[Tensor, Tensor]:
    """The states of a batch, of which utterances that fit are heard together, whole, and longer ones in windows.

    Each frame of a longer one is taken from the window where it stands farthest from either edge. Windows are heard
    one at a time: a minute is enough work for one step, and attention over several takes gigabytes more.

    Args:
        hear: gives the states of rows that fit.
        inputs, mask: (B, time, …) and (B, time), padded at the end.

    Returns:
        (B, depth, frames, width) and its mask (B, frames); 0 on the padding of a batch with windows.
    """
    if grid.frames(inputs.shape[1]) <= windows.size:
        return hear(inputs, mask, range(len(inputs)))
    lengths = mask.sum(1).tolist()
    frames = [grid.frames(length) for length in lengths]
    whole = None
    for k, first, states in _parts(hear, inputs, mask, lengths, grid, windows):
        if whole is None:
            depth, _, width = states.shape
            whole = states.new_zeros(len(frames), depth, max(frames), width)
        whole[k, :, first : first + states.shape[1]] = states
    assert whole is not None
    valid = torch.arange(max(frames)) < torch.tensor(frames)[:, None]
    return whole, valid.to(whole.device)


def _parts(
    hear: Hear, inputs: Tensor, mask: Tensor, lengths: Sequence[int], grid: Grid, windows: Windows
) -> Iterator[tuple[int, int, Tensor]]:
    """Row of the batch, first frame, and states (depth, frames, width) from there on."""
    fit = [k for k, length in enumerate(lengths) if grid.frames(length) <= windows.size]
    if fit:
        longest = max(lengths[k] for k in fit)
        states, _ = hear(inputs[fit, :longest], mask[fit, :longest], fit)
        for k, own in zip(fit, states, strict=True):
            yield k, 0, own[:, : grid.frames(lengths[k])]
    for k, length in enumerate(lengths):
        if k not in fit:
            for first, own in _in_windows(hear, inputs[k, :length], k, grid, windows):
                yield k, first, own


def _in_windows(hear: Hear, utterance: Tensor, of: int, grid: Grid, windows: Windows) -> Iterator[tuple[int, Tensor]]:
    """utterance (time, …), row `of` the batch -> the share of each window: its first frame, and states (depth, frames,
    width)."""
    count = grid.frames(len(utterance))
    starts, shares = windows.starts(count).tolist(), windows.shares(count).tolist()
    for start, first, end in zip(starts, shares[:-1], shares[1:], strict=True):
        row = utterance[start * grid.stride :][: grid.inputs(windows.size)][None]
        states, _ = hear(row, row.new_ones(row.shape[:2], dtype=torch.bool), [of])
        yield first, states[0, :, first - start : end - start]
