"""Hidden states of one utterance as a store keeps them: at full or half precision, or as integers with a scale."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

# as a recipe names them in cache.dtype
DTYPES: Mapping[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "int8": torch.int8,
}
LEVELS = 127  # steps of int8 on either side of zero


@dataclass(frozen=True)
class Packed:
    """One utterance's states; `values` may lie in a memory-mapped file: never write into them."""

    values: Tensor  # (layers, frames, width) in one of DTYPES
    scales: Tensor | None = None  # of int8 alone: float32 (layers, frames); a state is value * scale

    @property
    def frames(self) -> int:
        return int(self.values.shape[1])

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def cut(self, start: int, frames: int) -> "Packed":
        """A stretch of it, not copied."""
        end = start + frames
        return Packed(self.values[:, start:end], None if self.scales is None else self.scales[:, start:end])

    def filled(self, frames: int) -> "Packed":
        """Repeated along time until it has that many frames."""
        index = torch.arange(frames, device=self.values.device) % self.frames
        return Packed(self.values[:, index], None if self.scales is None else self.scales[:, index])

    def to(self, device: torch.device | str) -> "Packed":
        waits = torch.device(device).type == "cpu"  # what comes from a GPU is read at once
        return Packed(
            self.values.to(device, non_blocking=not waits),
            None if self.scales is None else self.scales.to(device, non_blocking=not waits),
        )

    def copied(self, device: torch.device | str) -> "Packed":
        """On a device, in memory of its own."""
        scales = None if self.scales is None else self.scales.to(device, copy=True)
        return Packed(self.values.to(device, copy=True), scales)

    def pinned(self) -> "Packed":
        """In one piece, in memory that a GPU can copy by itself."""
        scales = None if self.scales is None else self.scales.contiguous().pin_memory()
        return Packed(self.values.contiguous().pin_memory(), scales)

    def states(self) -> Tensor:
        """float32 (layers, frames, width)."""
        values = self.values.float()
        return values if self.scales is None else values * self.scales[..., None]


def pack(states: Tensor, dtype: str = "fp16", stride: int = 1) -> Packed:
    """States as they are kept.

    Args:
        states: (layers, frames, width).
        dtype: a name in DTYPES. int8 keeps, for each layer and frame, the largest magnitude exactly and the others to
            within half a 127th of it.
        stride: frames of which one mean is kept; the last one is of those that are left.

    Raises:
        ValueError: if a state is no number, or too large for the dtype.
    """
    states = strided(states.float(), stride)
    if dtype == "int8":
        scales = states.abs().amax(dim=-1) / LEVELS
        values = torch.round(states / scales.clamp(min=torch.finfo(torch.float32).tiny)[..., None])
        packed = Packed(values.to(torch.int8), scales)
        finite = torch.isfinite(scales).all()
    else:
        packed = Packed(states.to(DTYPES[dtype]))
        finite = torch.isfinite(packed.values).all()
    if not bool(finite):
        if bool(torch.isfinite(states).all()):
            raise ValueError(f"states up to {float(states.abs().max()):.3g} do not fit into {dtype}; bf16 holds them")
        raise ValueError("the encoder gives states that are no numbers")
    return packed


def strided(states: Tensor, stride: int) -> Tensor:
    """(layers, frames, width) -> (layers, ⌈frames / stride⌉, width): means of `stride` frames.

    >>> strided(torch.tensor([[[1.0], [3.0], [7.0]]]), 2).flatten().tolist()
    [2.0, 7.0]
    """
    if stride == 1:
        return states
    whole = torch.ones(1, states.shape[1], dtype=torch.bool, device=states.device)
    return strided_batch(states[None], whole, stride)[0][0]


def strided_batch(states: Tensor, mask: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """`strided` of a padded batch, each utterance as it would be alone.

    Args:
        states, mask: (B, layers, frames, width) and bool (B, frames).

    Returns:
        (B, layers, ⌈frames / stride⌉, width) and its mask; 0 on the padding.
    """
    missing = -states.shape[2] % stride
    there = torch.nn.functional.pad(mask, (0, missing)).unflatten(1, (-1, stride))  # (B, kept, stride)
    kept = torch.nn.functional.pad(states.float(), (0, 0, 0, missing)).unflatten(2, (-1, stride))
    counts = there.sum(-1)
    sums = kept.masked_fill(~there[:, None, :, :, None], 0.0).sum(3)
    return sums / counts.clamp(min=1)[:, None, :, None], counts > 0


def bytes_per_frame(dtype: str, layers: int, width: int) -> int:
    """What one kept frame takes.

    >>> bytes_per_frame("fp16", 24, 1024)  # XLS-R 300M with all its layers
    49152
    """
    return layers * (width * DTYPES[dtype].itemsize + (4 if dtype == "int8" else 0))
