"""Work ahead of its use."""

import threading

import pytest

from emospeech.runtime.ahead import in_order


def test_results_keep_the_order_of_the_jobs_whichever_ends_first():
    second_is_done = threading.Event()

    def first() -> str:
        assert second_is_done.wait(10)
        return "first"

    def second() -> str:
        second_is_done.set()
        return "second"

    assert list(in_order([first, second], threads=2, depth=2)) == ["first", "second"]


def test_no_more_jobs_are_taken_than_may_wait():
    taken: list[int] = []

    def jobs():
        for k in range(100):
            taken.append(k)
            yield lambda k=k: k

    results = in_order(jobs(), threads=1, depth=3)
    assert next(results) == 0
    assert taken == [0, 1, 2, 3]
    results.close()


def test_an_error_comes_where_its_result_would_have():
    def fails() -> int:
        raise ValueError("no")

    results = in_order([lambda: 1, fails], threads=1, depth=4)
    assert next(results) == 1
    with pytest.raises(ValueError, match="no"):
        next(results)
