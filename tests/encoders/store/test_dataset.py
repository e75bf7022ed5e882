"""What training draws from stored states, and how batches are made ahead."""

import threading
import time

import pytest
import torch

from emospeech.data.examples.batching import Ticket
from emospeech.encoders.store.dataset import WHOLE, Drawing
from emospeech.encoders.store.packed import DTYPES, Packed, pack, strided, strided_batch
from emospeech.encoders.store.prefetch import ahead, fetch


def clip(frames, start=0.0):
    return Packed((start + torch.arange(frames, dtype=torch.float32)).reshape(1, frames, 1).repeat(2, 1, 1))


def frames_of(packed):
    return packed.values[0, :, 0].tolist()


def test_crops_lie_within_and_reach_both_ends():
    draw = Drawing(frames=4)
    starts = set()
    for epoch in range(200):
        found = frames_of(draw([clip(10)], Ticket(0, epoch)))
        assert found == [found[0] + k for k in range(4)]
        starts.add(found[0])
    assert starts == set(range(7))


def test_a_short_clip_is_repeated_and_a_whole_one_is_left():
    assert frames_of(Drawing(frames=5)([clip(2)], Ticket(0, 0))) == [0, 1, 0, 1, 0]
    assert frames_of(Drawing(frames=3)([clip(3)], Ticket(0, 0))) == [0, 1, 2]
    assert frames_of(WHOLE([clip(7)], Ticket(0, 0))) == list(range(7))


def test_views_are_drawn_as_often_as_the_recipe_augments():
    draw, views = Drawing(probability=0.6), [clip(2, start) for start in (0, 100, 200, 300)]
    drawn = [int(frames_of(draw(views, Ticket(row, epoch)))[0]) for row in range(50) for epoch in range(40)]
    shares = {start: drawn.count(start) / len(drawn) for start in (0, 100, 200, 300)}
    assert shares[0] == pytest.approx(0.4, abs=0.04)
    assert all(shares[start] == pytest.approx(0.2, abs=0.04) for start in (100, 200, 300))
    assert {frames_of(draw(views[:1], Ticket(row, 0)))[0] for row in range(20)} == {0}


def test_a_draw_depends_on_seed_epoch_and_row_alone():
    draw, views = Drawing(frames=3, probability=0.5, seed=4), [clip(50), clip(60, 100)]
    one = [frames_of(draw(views, Ticket(row, epoch))) for row in range(5) for epoch in range(5)]
    assert one == [frames_of(draw(views, Ticket(row, epoch))) for row in range(5) for epoch in range(5)]
    assert len({tuple(found) for found in one}) > 10
    other = Drawing(frames=3, probability=0.5, seed=5)
    assert one != [frames_of(other(views, Ticket(row, epoch))) for row in range(5) for epoch in range(5)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_packing_is_as_exact_as_its_dtype(dtype):
    states = (
        torch.randn(3, 20, 64, generator=torch.Generator().manual_seed(0))
        * torch.tensor([0.01, 1.0, 300.0])[:, None, None]
    )
    packed = pack(states, dtype)
    error = (packed.states() - states).abs()
    bound = {"fp32": 0.0, "fp16": 2**-11, "bf16": 2**-8}.get(dtype)
    if bound is None:  # half a step of the frame's own scale
        assert bool((error <= states.abs().amax(-1, keepdim=True) / 127 / 2 * 1.001).all())
    else:
        assert bool((error <= states.abs() * bound + 6e-8).all())


def test_a_zero_frame_stays_zero_in_int8():
    assert bool((pack(torch.zeros(1, 2, 3), "int8").states() == 0).all())


def test_means_of_frames():
    states = torch.randn(2, 7, 5)
    found = strided(states, 3)
    for k, part in enumerate((slice(0, 3), slice(3, 6), slice(6, 7))):
        torch.testing.assert_close(found[:, k], states[:, part].mean(1))


def test_means_of_frames_in_a_batch_are_those_of_each_alone():
    lengths = (7, 1, 6)
    alone = [torch.randn(2, length, 5) for length in lengths]
    padded = torch.full((3, 2, 7, 5), 1e6)
    for k, states in enumerate(alone):
        padded[k, :, : lengths[k]] = states
    found, mask = strided_batch(padded, torch.arange(7) < torch.tensor(lengths)[:, None], 3)
    assert mask.sum(1).tolist() == [3, 1, 2]
    for k, states in enumerate(alone):
        kept = int(mask[k].sum())
        torch.testing.assert_close(found[k, :, :kept], strided(states, 3))
        assert bool((found[k, :, kept:] == 0).all())


@pytest.mark.parametrize(
    ("value", "dtype", "expected"), [(1e5, "fp16", "do not fit into fp16"), (float("nan"), "int8", "no numbers")]
)
def test_what_cannot_be_kept_is_refused(value, dtype, expected):
    with pytest.raises(ValueError, match=expected):
        pack(torch.full((1, 2, 3), value), dtype)


def test_ahead_keeps_the_order_and_works_in_a_thread_beside():
    seen = []

    def ready(item):
        seen.append(threading.current_thread().name)
        return -item

    assert list(ahead(iter(range(20)), ready)) == [-k for k in range(20)]
    assert threading.current_thread().name not in seen


def test_ahead_hands_on_errors_and_can_be_left():
    def broken():
        yield 1
        raise OSError("the disk is gone")

    stream = ahead(broken(), lambda item: item)
    assert next(stream) == 1
    with pytest.raises(OSError, match="gone"):
        next(stream)
    endless = ahead(iter(lambda: 0, 1), lambda item: time.sleep(0.001))
    next(endless)
    endless.close()


def test_fetching_changes_nothing():
    packed = clip(100)
    before = packed.values.clone()
    fetch([packed, packed.cut(3, 5)])
    assert bool((packed.values == before).all())
