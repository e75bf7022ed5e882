"""The learned sum over layers, straight from stored states.

The obvious way, stacking all layers in float32, spends most of a training step of the head on moving memory. Here a
stretch of one layer at a time is converted, into a buffer that stays in a core's cache, and added.
"""

import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from emospeech.encoders.store.packed import Packed

STRETCH = 2**17  # numbers of one layer converted at a time, 128 frames of 1024: 0.5 MiB in float32


def weighted_sum(weights: Tensor, utterances: Sequence[Packed]) -> Tensor:
    """sum_l w_l H_l of each utterance, in float32 whatever the store's dtype and inside autocast.

    Gradients flow to the weights alone: stored states are constants. On a CPU it takes torch.get_num_threads() threads,
    and gives the same bits however many they are.

    Args:
        weights: (layers,).
        utterances: states (layers, frames, width) each, on the weights' device.

    Returns:
        float32 (B, longest, width), zeros behind an utterance's own frames.

    Raises:
        ValueError: if there is no utterance, or their layers or widths differ from each other or from the weights.
    """
    _check(weights, utterances)
    if torch.compiler.is_compiling():  # nothing to trace in here, and the decorator takes seconds to import
        return torch.compiler.disable(_differentiable_sum)(weights, utterances)
    return _differentiable_sum(weights, utterances)


def _differentiable_sum(weights: Tensor, utterances: Sequence[Packed]) -> Tensor:
    by_stretches = weights.device.type == "cpu"
    total: Tensor = (_StretchedSum if by_stretches else _JoinedSum).apply(weights, tuple(utterances))
    return total


def _check(weights: Tensor, utterances: Sequence[Packed]) -> None:
    if not utterances:
        raise ValueError("no utterance to sum the layers of")
    shapes = {(one.values.shape[0], one.values.shape[2]) for one in utterances}
    if len(shapes) > 1:
        raise ValueError(f"utterances of one batch have different (layers, width): {sorted(shapes)}")
    ((layers, _),) = shapes
    if layers != len(weights):
        raise ValueError(f"the stored states have {layers} layers, the model has weights for {len(weights)}")


class _StretchedSum(torch.autograd.Function):
    """For a CPU: stretches of utterances, shared among threads."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, utterances: tuple[Packed, ...]) -> Tensor:
        ctx.utterances, ctx.dtype = utterances, weights.dtype
        factors = weights.detach().float()
        longest, width = max(one.frames for one in utterances), utterances[0].values.shape[2]
        total = torch.empty(len(utterances), longest, width)
        for row, one in zip(total, utterances, strict=True):
            row[one.frames :] = 0

        def add(scratch: Tensor, row: int, start: int, end: int) -> None:
            _add_layers(total[row, start:end], factors, utterances[row].cut(start, end - start), scratch)

        _in_threads(add, _stretches(utterances), width)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        utterances, gradient = ctx.utterances, gradient.float().contiguous()
        stretches, width = _stretches(utterances), utterances[0].values.shape[2]
        part_of = {(row, start): part for part, (row, start, _) in enumerate(stretches)}
        # a row a stretch, summed in their order: the same bits however the threads share them
        parts = torch.empty(len(stretches), utterances[0].values.shape[0])

        def multiply(scratch: Tensor, row: int, start: int, end: int) -> None:
            of = parts[part_of[row, start]]
            _multiply_layers(of, gradient[row, start:end], utterances[row].cut(start, end - start), scratch)

        _in_threads(multiply, stretches, width)
        return parts.sum(0).to(ctx.dtype), None


def _stretches(utterances: Sequence[Packed]) -> list[tuple[int, int, int]]:
    """(row, first frame, end): each utterance in the fewest even parts that STRETCH allows."""
    found = []
    for row, one in enumerate(utterances):
        count = max(1, -(-one.frames * one.values.shape[2] // STRETCH))
        edges = [one.frames * k // count for k in range(count + 1)]
        found += [(row, start, end) for start, end in pairwise(edges)]
    return found


def _add_layers(total: Tensor, factors: Tensor, stretch: Packed, scratch: Tensor) -> None:
    """total (frames, width) = sum_l factor_l H_l, whatever stood there."""
    layer = scratch[: total.numel()].view_as(total)
    total.zero_()
    if stretch.scales is None:
        for values, factor in zip(stretch.values, factors.tolist(), strict=True):
            total.add_(layer.copy_(values), alpha=factor)
    else:
        scales = (factors[:, None] * stretch.scales)[..., None]
        for values, scale in zip(stretch.values, scales, strict=True):
            total.addcmul_(layer.copy_(values), scale)


def _multiply_layers(products: Tensor, gradient: Tensor, stretch: Packed, scratch: Tensor) -> None:
    """products (layers,) = <gradient, H_l> for gradient (frames, width)."""
    flat = gradient.view(-1)
    layer = scratch[: flat.numel()].view_as(gradient)
    scales = [None] * len(products) if stretch.scales is None else stretch.scales[..., None].unbind()
    for product, values, scale in zip(products, stretch.values, scales, strict=True):
        layer.copy_(values)
        if scale is not None:
            layer.mul_(scale)
        torch.dot(layer.view(-1), flat, out=product)


class _JoinedSum(torch.autograd.Function):
    """For a GPU: few large kernels over all utterances, laid end to end along time. It never waits for the device."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, utterances: tuple[Packed, ...]) -> Tensor:
        ctx.lengths, ctx.dtype = [one.frames for one in utterances], weights.dtype
        with torch.autocast(weights.device.type, enabled=False):  # it would join and add in a dtype of its own
            ctx.joined = joined = _joined(utterances)
            total = joined.values.new_zeros(joined.values.shape[1:], dtype=torch.float32)
            for layer, factor in zip(_layers(joined), weights.detach().float(), strict=True):
                total.addcmul_(layer, factor)
        if len(set(ctx.lengths)) == 1:  # crops: nothing to pad
            return total.view(len(utterances), -1, total.shape[-1])
        return torch.nn.utils.rnn.pad_sequence(list(total.split(ctx.lengths)), batch_first=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        rows = zip(gradient.float(), ctx.lengths, strict=True)
        with torch.autocast(gradient.device.type, enabled=False):
            alike = len(set(ctx.lengths)) == 1
            # (all frames, width)
            joined = gradient.float().flatten(0, 1) if alike else torch.cat([row[:length] for row, length in rows])
            products = torch.stack([(joined * layer).sum() for layer in _layers(ctx.joined)])
        return products.to(ctx.dtype), None


def _joined(utterances: Sequence[Packed]) -> Packed:
    scales = [one.scales for one in utterances if one.scales is not None]
    values = torch.cat([one.values for one in utterances], dim=1)
    return Packed(values, torch.cat(scales, dim=1) if scales else None)


def _layers(joined: Packed) -> Iterator[Tensor]:
    """One layer after another (frames, width); integers at their scale in float32, others as they are stored."""
    if joined.scales is None:
        yield from joined.values
    else:
        for values, scale in zip(joined.values, joined.scales, strict=True):
            yield values * scale[:, None]


def _in_threads(work: Callable[..., None], jobs: Sequence[tuple[int, int, int]], width: int) -> None:
    """Do the work for all stretches, each on one of as many threads as torch may use, with scratch memory."""
    threads = min(torch.get_num_threads(), len(jobs))
    size = max(end - start for _, start, end in jobs) * width
    left = iter(jobs)  # next() on it is atomic: whoever is free takes the next job

    def some() -> None:
        # no autocast in here, and a worker may write into tensors that were made in inference mode
        with torch.inference_mode(), torch.autocast("cpu", enabled=False):
            scratch = torch.empty(size)
            for job in left:
                work(scratch, *job)

    if threads == 1 and torch.get_num_threads() == 1:
        some()
    else:
        for done in [_workers(torch.get_num_threads()).submit(some) for _ in range(threads)]:
            done.result()


@functools.lru_cache(maxsize=1)
def _workers(count: int) -> ThreadPoolExecutor:
    """Threads in which a torch operation stays on its own thread.

    Threads of torch's own would wait for each other at every operation, of which there are thousands.
    """
    together = threading.Barrier(count + 1)

    def alone() -> None:
        torch.get_num_threads()  # a thread's first look at it takes the number that all threads share
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, "layer_sum")
    started = [pool.submit(alone) for _ in range(count)]
    together.wait()
    for one in started:
        one.result()
    torch.set_num_threads(count)  # it holds for this thread, and for threads to come
    return pool


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.cache_clear)  # a forked process inherits no threads
