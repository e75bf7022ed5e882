"""Signals, ranks, and what is said by whom."""

import os
import signal
import threading

import pytest

from emospeech.runtime import console, distributed
from emospeech.runtime.errors import UserError, faults, gather, some
from emospeech.runtime.interrupt import stop_on_signal


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


# -- signals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_a_stop(number):
    before = signal.getsignal(number)
    with stop_on_signal() as stop:
        assert not stop
        os.kill(os.getpid(), number)
        assert stop
    assert signal.getsignal(number) is before


def test_a_second_ctrl_c_ends_at_once():
    def press_twice():
        with stop_on_signal() as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)  # ignored, where a script runs the tests in the background
    with pytest.raises(KeyboardInterrupt):
        press_twice()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_scheduler_may_repeat_itself():
    """Slurm sends SIGTERM to every step, and again; the checkpoint must be finished."""
    with stop_on_signal() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop


def test_handlers_are_put_back_after_an_error():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ValueError, match="inside"), stop_on_signal():
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGTERM) is before


def test_outside_the_main_thread_nothing_is_touched():
    seen = []

    def work():
        with stop_on_signal() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


# -- ranks -------------------------------------------------------------------------------------------------------


def test_one_process_alone():
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    distributed.start()
    assert distributed.on_main(lambda: [1, 2]) == [1, 2]


def test_on_main_lets_errors_through():
    def work():
        raise UserError("no such file")

    with pytest.raises(UserError, match="no such file"):
        distributed.on_main(work)


def test_ranks_come_from_the_launcher(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (1, 4, False)


# -- words -------------------------------------------------------------------------------------------------------


def test_only_the_main_process_speaks(monkeypatch, capsys):
    console.say("one")
    monkeypatch.setenv("RANK", "1")
    console.say("two")
    assert capsys.readouterr() == ("", "one\n")


def test_progress_in_a_log_is_a_line_now_and_then(monkeypatch, capsys):
    clock = iter(range(0, 1000, 9))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(clock)))
    assert list(console.track("abcdefg", "reading", 7)) == list("abcdefg")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["reading: 3/7, 0.6 min left", "reading: 6/7, 0.1 min left"]


def test_progress_of_a_resumed_run_starts_where_it_was(monkeypatch, capsys):
    clock = iter([0.0, 60.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(clock))
    with console.progress("training", total=100, start=90) as bar:
        bar(5, note="loss 0.5")
    assert capsys.readouterr().err == "training: 95/100, 1.0 min left loss 0.5\n"


def test_progress_off_the_main_process_is_silent(monkeypatch, capsys):
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setattr(console._LogBar, "EVERY", 0.0)
    with console.progress("training", 2) as bar:
        bar()
        bar(advance=1, note="x")
    assert capsys.readouterr().err == ""


def test_some():
    assert some([]) == ""
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(range(5), limit=2) == "0, 1 and 3 more"


def test_faults():
    assert str(faults("t:", ["a", "b"])) == "t:\n  - a\n  - b"
    assert str(faults("t:", ["a", "b", "c"], limit=1)) == "t:\n  - a\n  … and 2 more"
    assert isinstance(faults("t:", ["a"]), UserError)


def test_gather():
    def fail(message):
        raise UserError(message)

    assert gather("t", [lambda: 1, lambda: 2]) == [1, 2]
    with pytest.raises(UserError, match=r"^a$"):
        gather("t", [lambda: fail("a"), lambda: 1, lambda: fail("a")])
    with pytest.raises(UserError) as error:
        gather("t", [lambda: fail("a"), lambda: fail("b\n  - c")])
    assert str(error.value) == "t\n  - a\n  - b\n      - c"
    with pytest.raises(ZeroDivisionError):
        gather("t", [lambda: 1 / 0])
