"""A frozen encoder run over many utterances at its own speed: inputs made ahead, batches that fit into memory."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from emospeech.data.examples.dataset import pad
from emospeech.runtime.ahead import in_order
from emospeech.runtime.errors import WorkError
from emospeech.runtime.memory import is_out_of_memory

READING_THREADS = 4  # decoders and resamplers let go of the interpreter while they work
AHEAD = 16  # inputs made before they are needed


@dataclass(frozen=True)
class Item:
    """One utterance to read."""

    key: str
    length: float  # seconds of sound, or tokens
    read: Callable[[], Any]  # the encoder's input, unpadded: (time,), (time, bands), or token ids (tokens,)


class Reader:
    """Gives the states of utterances, in the order asked for.

    Args:
        encode: inputs (B, time, …), mask (B, time) -> states (B, depth, frames, width), mask (B, frames).
        device: of the encoder.
        bf16: whether it computes in bfloat16.
        budget: length that a batch may have, padding included; 0: one utterance at a time.
        pad_value: of the inputs.
    """

    def __init__(
        self,
        encode: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
        device: torch.device,
        bf16: bool = False,
        budget: float = 0.0,
        pad_value: float = 0.0,
    ) -> None:
        self.encode, self.device, self.bf16 = encode, device, bf16
        self.budget, self.pad_value = budget, pad_value
        self.seconds = 0.0  # inside the encoder

    def read(self, items: Iterable[Item]) -> Iterator[tuple[Item, Tensor]]:
        """Each item with its states (depth, frames, width) on the encoder's device.

        Raises:
            WorkError: if one utterance alone needs more memory than there is.
        """
        batch: list[tuple[Item, Tensor]] = []
        for item, inputs in _ahead(items):
            if batch and self._cost([*batch, (item, inputs)]) > self.budget:
                yield from self._together(batch)
                batch = []
            batch.append((item, inputs))
        yield from self._together(batch)

    def _together(self, batch: Sequence[tuple[Item, Tensor]]) -> Iterator[tuple[Item, Tensor]]:
        """One batch; where it does not fit into memory its halves, and smaller batches from then on."""
        if not batch:
            return
        states = self._within_memory([inputs for _, inputs in batch])
        if states is not None:
            yield from ((item, own) for (item, _), own in zip(batch, states, strict=True))
            return
        if len(batch) == 1:
            item = batch[0][0]
            raise WorkError(
                f"the memory of {self.device} does not hold the encoder's work on one utterance of length "
                f"{item.length:.0f}; free memory, or leave that utterance out"
            )
        self.budget = min(self.budget, self._cost(batch) / 2)
        half = len(batch) // 2
        yield from self._together(batch[:half])
        yield from self._together(batch[half:])

    @staticmethod
    def _cost(batch: Sequence[tuple[Item, Tensor]]) -> float:
        return len(batch) * max(item.length for item, _ in batch)

    def _within_memory(self, inputs: Sequence[Tensor]) -> list[Tensor] | None:
        """States of each, or None if memory is short; what was tried is free again by then."""
        try:
            return self._states(inputs)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    @torch.no_grad()
    def _states(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        padded, mask = pad(inputs, self.pad_value)
        padded, mask = padded.to(self.device), mask.to(self.device)
        began = time.perf_counter()
        with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            states, valid = self.encode(padded, mask)
        lengths = valid.sum(1).tolist()  # waits for the device
        self.seconds += time.perf_counter() - began
        return [own[:, :length] for own, length in zip(states, lengths, strict=True)]


def _ahead(items: Iterable[Item]) -> Iterator[tuple[Item, Tensor]]:
    """Items with their inputs, in order, those to come already being made."""

    def read(item: Item) -> tuple[Item, Tensor]:
        return item, item.read()

    return in_order((partial(read, item) for item in items), READING_THREADS, AHEAD)


def bf16_is_native(device: Any) -> bool:
    """Whether a device multiplies in bfloat16 by itself: GPUs since Ampere. (CPUs: see `cache.precision`.)"""
    return torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
