"""The queue before a model: every answer to whom it belongs, batches within bounds, nothing waits for ever."""

import threading
import time
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emospeech.serve.engine.batching import Batcher, Closed, Full


class Work:
    """Answers with the items; notes the batches, waits while it is held."""

    def __init__(self, bad=()):
        self.batches, self.bad = [], set(bad)
        self.free, self.busy = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, items):
        self.batches.append(list(items))
        self.busy.set()
        assert self.free.wait(10)
        if self.bad.intersection(items):
            raise RuntimeError(f"bad: {self.bad.intersection(items)}")
        return [("answer", item) for item in items]

    def hold(self, batcher, item=-1):
        """The worker is busy with an item of its own until `free` is set."""
        self.free.clear()
        self.busy.clear()
        first = batcher.submit(item)
        assert self.busy.wait(10)
        return first


@pytest.fixture
def make():
    made = []

    def make(work, **options):
        made.append(Batcher(work, **{"wait": 0.0, **options}))
        return made[-1]

    yield make
    for one in made:
        one.close(10)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    most=st.integers(1, 8),
    bad=st.sets(st.integers(0, 39), max_size=3),
    cancelled=st.sets(st.integers(0, 39), max_size=5),
)
def test_any_items_in_any_sizes(sizes, most, bad, cancelled):
    work = Work(bad)
    batcher = Batcher(work, most=most, wait=0.0, room=10_000, size=lambda item: 1 if item < 0 else sizes[item])
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(len(sizes))]
    cancelled = {k for k in cancelled if k < len(sizes)}
    assert all(futures[k].cancel() for k in cancelled)
    work.free.set()
    batcher.close(10)
    for k, future in enumerate(futures):
        assert future.done()
        if k in cancelled:
            assert future.cancelled()
        elif k in bad:
            with pytest.raises(RuntimeError, match="bad"):
                future.result()
        else:
            done = future.result()
            assert done.value == ("answer", k)
            assert done.waited >= 0
            assert done.worked >= 0
    for batch in work.batches:
        assert len(batch) == 1 or sum(sizes[k] for k in batch) <= most
    whole = [batch for batch in work.batches[1:] if len(batch) > 1 or batch[0] not in bad]
    tried = [k for batch in whole for k in batch]
    assert cancelled.isdisjoint(tried), "it costs nothing"
    assert [batch for batch in work.batches if batch != sorted(batch)] == [], "in the order in which they came"


def test_what_gathers_meanwhile_is_one_batch(make):
    work = Work()
    batcher = make(work, most=4)
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(6)]
    work.free.set()
    assert [future.result(5).batch for future in futures] == [4, 4, 4, 4, 2, 2]
    assert work.batches == [[-1], [0, 1, 2, 3], [4, 5]]


def test_an_idle_worker_waits_for_company(make):
    work = Work()
    batcher = make(work, most=3, wait=5.0)
    work.hold(batcher)
    before = [batcher.submit(k) for k in range(3)]
    work.free.set()
    assert [future.result(4).batch for future in before] == [3, 3, 3], "it has had company"
    began = time.monotonic()
    futures = [batcher.submit(k) for k in range(3)]
    assert [future.result(4).batch for future in futures] == [3, 3, 3]
    assert time.monotonic() - began < 4, "a full batch does not wait longer"


def test_who_asks_alone_is_answered_at_once(make):
    batcher = make(Work(), most=3, wait=60.0)
    for k in range(3):
        assert batcher.submit(k).result(5).batch == 1


def test_one_that_is_larger_than_a_batch_goes_alone(make):
    work = Work()
    batcher = make(work, most=4, size=lambda item: 9 if item == 1 else 1)
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(4)]
    work.free.set()
    assert [future.result(5).value[1] for future in futures] == [0, 1, 2, 3]
    assert work.batches[1:] == [[0], [1], [2, 3]]


def test_room_is_bounded_and_says_when_to_come_again(make):
    work = Work()
    batcher = make(work, room=3)
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(3)]
    with pytest.raises(Full, match="full") as full:
        batcher.submit(3)
    assert full.value.retry_after >= 1
    assert len(batcher) == 3
    assert futures[1].cancel()
    assert len(batcher) == 2, "who went away is not counted"
    again = batcher.submit(4)
    work.free.set()
    assert again.result(5).value == ("answer", 4)
    assert [futures[k].result(5).value[1] for k in (0, 2)] == [0, 2]
    assert [1] not in work.batches


def test_a_slow_model_asks_for_more_patience(make):
    batcher = make(lambda items: (time.sleep(0.1), items)[1], most=1, room=40)
    futures = [batcher.submit(k) for k in range(40)]
    futures[6].result(5)
    full = None
    while full is None:
        try:
            batcher.submit(99)
        except Full as found:
            full = found
    assert 1.5 < full.retry_after < 0.2 * 40 + 1
    for future in futures:
        future.cancel()


def test_a_batch_of_which_all_went_away(make):
    work = Work()
    batcher = make(work)
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(5)]
    assert all(future.cancel() for future in futures)
    work.free.set()
    assert batcher.submit(9).result(5).value == ("answer", 9)
    assert work.batches == [[-1], [9]]


def test_items_that_cannot_be_compared(make):
    """Arrays, as waveforms are: who goes away is told from who waits by who it is."""
    work = Work()
    batcher = make(work, most=9)
    work.hold(batcher)
    work.bad = set()
    items = [{"waveform": np.zeros(4)} for _ in range(3)]
    futures = [batcher.submit(item) for item in items]
    assert futures[1].cancel()
    futures.append(batcher.submit(items[1]))
    assert len(batcher) == 3
    batcher._work = lambda found: list(map(id, found))
    work.free.set()
    assert [futures[k].result(5).value for k in (0, 2, 3)] == [id(items[k]) for k in (0, 2, 1)]


def test_what_went_away_is_let_go_of_at_once(make):
    work = Work()
    batcher = make(work)
    work.hold(batcher)
    item = type("Clip", (), {})()
    seen = weakref.ref(item)
    future = batcher.submit(item)
    del item
    assert seen() is not None
    future.cancel()
    assert future.cancelled()
    assert seen() is None, "though the worker is still busy"
    work.free.set()


@pytest.mark.parametrize("answers", [lambda items: [], lambda items: [*items, 1], lambda items: 5])
def test_a_wrong_count_of_answers_does_not_end_the_worker(make, answers):
    batcher = make(answers)
    for _ in range(2):
        with pytest.raises((ValueError, TypeError)):
            batcher.submit(1).result(5)
        assert batcher.alive


def test_closing_answers_what_waits_and_takes_nothing_more(make):
    work = Work()
    batcher = make(work)
    work.hold(batcher)
    futures = [batcher.submit(k) for k in range(3)]
    closing = threading.Thread(target=batcher.close)
    closing.start()
    while batcher.alive:
        time.sleep(0.001)
    with pytest.raises(Closed):
        batcher.submit(7)
    work.free.set()
    closing.join(5)
    assert not closing.is_alive()
    assert [future.result(0).value[1] for future in futures] == [0, 1, 2]


def test_closing_gives_up_after_its_time(make):
    work = Work()
    batcher = make(work)
    work.hold(batcher)
    late = batcher.submit(1)
    batcher.close(0.05)
    assert not late.done()
    work.free.set()
    assert late.result(5).value == ("answer", 1)


def test_many_threads_that_ask_and_go_away(make):
    batcher = make(lambda items: [item * 2 for item in items], most=5, wait=0.001, room=7)
    count = {"answered": 0, "full": 0, "gone": 0}
    lock = threading.Lock()

    def ask(thread):
        for k in range(200):
            item = 1000 * thread + k
            try:
                future = batcher.submit(item)
            except Full:
                outcome = "full"
            else:
                if k % 7 == 0 and future.cancel():
                    outcome = "gone"
                    with pytest.raises(CancelledError):
                        future.result()
                else:
                    assert future.result(20).value == 2 * item
                    outcome = "answered"
            with lock:
                count[outcome] += 1

    with ThreadPoolExecutor(24) as pool:
        done = wait([pool.submit(ask, k) for k in range(24)], timeout=60)
    assert not done.not_done
    for each in done.done:
        each.result()
    assert sum(count.values()) == 24 * 200
    assert min(count.values()) > 0
    assert len(batcher) == 0


@pytest.mark.parametrize("options", [{"most": 0}, {"room": 0}, {"wait": -1.0}])
def test_bounds_that_make_no_sense(options):
    with pytest.raises(ValueError, match="should be"):
        Batcher(lambda items: items, **options)
