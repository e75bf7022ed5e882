"""The order of training: complete, resumable, and the same on any number of processes."""

from collections import Counter
from itertools import chain
from math import ceil, floor

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emospeech.data.examples.batching import Ticket, TrainingOrder, evaluation_order

sizes, batch_sizes = st.integers(1, 40), st.integers(1, 17)
worlds, accumulations, seeds = st.integers(1, 5), st.integers(1, 4), st.integers(0, 1000)
quick = settings(deadline=None, max_examples=60)


def on_all(size, batch_size, seed, world, accumulation, first, last):
    """The micro-batches of every process."""
    return [
        list(TrainingOrder(size, batch_size, seed, rank, world, accumulation, first, last)) for rank in range(world)
    ]


@quick
@given(sizes, batch_sizes, seeds, worlds, accumulations)
def test_every_row_exactly_once_an_epoch(size, batch_size, seed, world, accumulation):
    steps = TrainingOrder(size, batch_size, seed).steps_per_epoch
    streams = on_all(size, batch_size, seed, world, accumulation, 0, 2 * steps)
    counted = [ticket for ticket in chain(*chain(*streams)) if ticket.counts]
    for epoch in (0, 1):
        assert sorted(t.row for t in counted if t.epoch == epoch) == list(range(size))
    assert {t.epoch for t in counted} == {0, 1}


@quick
@given(sizes, batch_sizes, seeds, worlds, accumulations)
def test_all_processes_have_as_many_batches_none_empty(size, batch_size, seed, world, accumulation):
    streams = on_all(size, batch_size, seed, world, accumulation, 0, 7)
    for rank, stream in enumerate(streams):
        assert len(stream) == len(TrainingOrder(size, batch_size, seed, rank, world, accumulation, 0, 7))
        assert len(stream) == 7 * accumulation
        assert all(stream)


@quick
@given(sizes, batch_sizes, seeds, worlds, accumulations)
def test_a_step_is_the_same_set_of_rows_on_any_machine(size, batch_size, seed, world, accumulation):
    alone = list(TrainingOrder(size, batch_size, seed, last_step=6))
    streams = on_all(size, batch_size, seed, world, accumulation, 0, 6)
    for step, together in enumerate(alone):
        micro = [stream[step * accumulation : (step + 1) * accumulation] for stream in streams]
        counted = [ticket for ticket in chain(*chain(*micro)) if ticket.counts]
        assert sorted(counted) == sorted(together)
        assert len(together) <= batch_size


@quick
@given(sizes, batch_sizes, seeds, worlds, accumulations, st.integers(0, 9))
def test_a_resumed_stream_is_the_rest_of_the_whole_one(size, batch_size, seed, world, accumulation, step):
    for whole, rest in zip(
        on_all(size, batch_size, seed, world, accumulation, 0, 10),
        on_all(size, batch_size, seed, world, accumulation, step, 10),
        strict=True,
    ):
        assert rest == whole[step * accumulation :]


@quick
@given(st.lists(st.floats(0.05, 4.0), min_size=1, max_size=30), batch_sizes, seeds)
def test_weights_say_how_often_an_epoch_takes_a_row(weights, batch_size, seed):
    order = TrainingOrder(len(weights), batch_size, seed, weights=weights)
    whole = TrainingOrder(len(weights), batch_size, seed, weights=weights, last_step=3 * order.steps_per_epoch)
    taken = [ticket for batch in whole for ticket in batch]
    assert len(set(taken)) == len(taken)  # no two examples have the same crop
    scale = order.examples / sum(weights)
    for epoch in range(3):
        counts = Counter(ticket.row for ticket in taken if ticket.epoch == epoch)
        assert counts.total() == order.examples == max(round(sum(weights)), 1)
        for row, weight in enumerate(weights):
            assert floor(weight * scale - 1e-9) <= counts[row] <= ceil(weight * scale + 1e-9)


def test_weights_are_met_in_the_mean():
    weights = [0.3, 1.7, 1.0]
    order = TrainingOrder(3, 2, seed=0, weights=weights, last_step=2000 * 2)
    counts = Counter(ticket.row for batch in order for ticket in batch)
    for row, weight in enumerate(weights):
        assert abs(counts[row] / 2000 - weight) < 0.04


@quick
@given(sizes, batch_sizes, worlds, accumulations)
def test_the_load_is_even(size, batch_size, world, accumulation):
    streams = on_all(size, batch_size, 0, world, accumulation, 0, 4)
    for step in range(4):
        loads = [len(s[step * accumulation + micro]) for s in streams for micro in range(accumulation)]
        assert max(loads) - min(loads) <= 1


def test_the_order_changes_with_epoch_and_seed():
    order = TrainingOrder(50, 50, seed=1, last_step=2)
    first, second = ([ticket.row for ticket in batch] for batch in order)
    other = [ticket.row for ticket in next(iter(TrainingOrder(50, 50, seed=2, last_step=1)))]
    assert first != list(range(50))
    assert first != second
    assert first != other


def test_a_filler_stands_for_a_process_without_an_example():
    """Three rows, one step over four processes: the fourth gets an example that does not count."""
    streams = on_all(3, 8, 0, 4, 1, 0, 1)
    assert [[ticket.counts for ticket in stream[0]] for stream in streams] == [[True], [True], [True], [False]]


def test_steps_per_epoch_round_up():
    assert [TrainingOrder(n, 4, 0).steps_per_epoch for n in (1, 4, 5, 8, 9)] == [1, 1, 2, 2, 3]


lengths = st.lists(st.floats(0, 100), max_size=40)


@quick
@given(lengths, batch_sizes, worlds)
def test_evaluation_covers_each_row_once_over_all_processes(lengths, batch_size, world):
    batches = list(chain(*(evaluation_order(lengths, batch_size, rank, world) for rank in range(world))))
    tickets = list(chain(*batches))
    assert sorted(ticket.row for ticket in tickets) == list(range(len(lengths)))
    assert all(ticket == Ticket(ticket.row, epoch=0, counts=True) for ticket in tickets)
    assert all(0 < len(batch) <= batch_size for batch in batches)


@quick
@given(lengths, batch_sizes)
def test_evaluation_batches_hold_neighbours_in_length(lengths, batch_size):
    assume(len(lengths) > 1)
    seen = [lengths[ticket.row] for batch in evaluation_order(lengths, batch_size) for ticket in batch]
    assert seen == sorted(lengths)


def test_no_rows_no_batches():
    assert evaluation_order([], 4) == []
