"""Units off one list: each done once, by whoever comes first; what a dead process had in hand is done by another."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from emospeech.encoders.store.keys import digest
from emospeech.experiments.protocols import work
from emospeech.runtime import locks
from emospeech.runtime.errors import UserError, WorkError
from emospeech.runtime.locks import locked


@dataclass(frozen=True)
class Mark:
    """Work that leaves a line in a file, and may take a while."""

    name: str
    folder: Path
    seconds: float = 0.0
    fails: bool = False

    @property
    def done(self):
        return (self.folder / f"{self.name}.done").exists()

    def run(self):
        with (self.folder / "log").open("a") as log:
            log.write(f"{self.name} {os.getpid()}\n")
        time.sleep(self.seconds)
        if self.fails:
            raise UserError(f"{self.name} cannot be done")
        (self.folder / f"{self.name}.done").touch()


def log(folder):
    """Name and process of each piece of work that was begun, in order."""
    return [tuple(line.split()) for line in (folder / "log").read_text().splitlines()]


def until_begun(folder):
    """A piece of work is under way, and says so: a file that is there may still be empty."""
    while not (folder / "log").exists() or not log(folder):
        time.sleep(0.01)


def marks(folder, count=6, **more):
    return [Mark(f"u{k}", folder, **more) for k in range(count)]


def test_what_is_done_is_left(tmp_path):
    units = marks(tmp_path)
    (tmp_path / "u2.done").touch()
    work.work_off(units, tmp_path)
    assert [name for name, _ in log(tmp_path)] == ["u0", "u1", "u3", "u4", "u5"]
    work.work_off(units, tmp_path)
    assert len(log(tmp_path)) == 5


def test_each_begins_with_its_own_share(tmp_path):
    work.work_off(marks(tmp_path), tmp_path, (1, 2))
    assert [name for name, _ in log(tmp_path)] == ["u1", "u3", "u5", "u0", "u2", "u4"]


@pytest.mark.parametrize("share", [(0, 2), (0, 1)])
def test_processes_share_a_list_without_doing_anything_twice(tmp_path, share):
    """Both begin at the same end where they have the same share: claims alone keep them apart."""
    units = marks(tmp_path, 8, seconds=0.15)
    context = multiprocessing.get_context("fork")
    others = [
        context.Process(target=work.work_off, args=(units, tmp_path, (k * (share[1] - 1), share[1]))) for k in (0, 1)
    ]
    for other in others:
        other.start()
    for other in others:
        other.join()
    found = log(tmp_path)
    assert sorted(name for name, _ in found) == [unit.name for unit in units]
    assert len({process for _, process in found}) == 2


def test_somebody_elses_claim_is_waited_for(tmp_path):
    slow, quick = Mark("slow", tmp_path, seconds=1.0), Mark("quick", tmp_path)
    other = multiprocessing.get_context("fork").Process(target=work.work_off, args=([slow], tmp_path))
    other.start()
    until_begun(tmp_path)
    work.work_off([slow, quick], tmp_path)
    other.join()
    assert slow.done, "returns once all is done, whoever did it"
    assert [name for name, _ in log(tmp_path)] == ["slow", "quick"]


def test_who_does_a_share_leaves_somebody_elses_claim(tmp_path):
    units = [Mark(name, tmp_path) for name in "abc"]
    (tmp_path / work.CLAIMS).mkdir()
    with locked(tmp_path / work.CLAIMS / f"{digest(['b'])[:16]}.lock"):
        work.work_off(units, tmp_path, stay=False)
    assert [unit.done for unit in units] == [True, False, True]
    assert work.standing(units) == "2 of 3 units are done"
    with pytest.raises(WorkError, match=r"1 of 3 units are missing; give the same command again to do them:\n  - b$"):
        work.require_all(units, tmp_path / "logs")
    (tmp_path / "logs").mkdir()
    with pytest.raises(WorkError, match=r"1 of 3 units are missing; look into .*/logs, and give the same command"):
        work.require_all(units, tmp_path / "logs")
    work.work_off(units, tmp_path, stay=False)
    work.require_all(units, tmp_path / "logs")
    many = [Mark(f"u{k}", tmp_path) for k in range(work.TOLD + 2)]
    with pytest.raises(WorkError, match=rf"{len(many)} of {len(many)} units are missing(.|\n)*  … and 2 more$"):
        work.require_all(many, tmp_path / "none")


def test_the_claim_of_a_killed_process_ends_with_it(tmp_path):
    unit = Mark("u", tmp_path, seconds=0.5)
    other = multiprocessing.get_context("fork").Process(target=work.work_off, args=([unit], tmp_path))
    other.start()
    until_begun(tmp_path)
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    assert not unit.done
    work.work_off([unit], tmp_path)
    assert unit.done
    assert len(log(tmp_path)) == 2


def test_work_that_fails_ends_it_with_its_own_words(tmp_path):
    with pytest.raises(UserError, match="u cannot be done"):
        work.work_off([Mark("u", tmp_path, fails=True)], tmp_path)


@pytest.mark.parametrize("stay", [True, False])
def test_what_a_helper_fails_with_is_told(tmp_path, stay):
    """Its unit was somebody's when the main process came by; whoever asked must learn of it."""
    unit = Mark("u0", tmp_path, seconds=0.5, fails=True)
    other = multiprocessing.get_context("fork").Process(target=_failing, args=([unit], tmp_path))
    other.start()
    until_begun(tmp_path)
    work.work_off([unit], tmp_path, (0, 2), stay=False)
    other.join()
    with pytest.raises(UserError, match="u0 cannot be done"):
        work.shared_out([unit], tmp_path, workers=1, stay=stay)


def _failing(units, folder):
    with contextlib.suppress(UserError):
        work.work_off(units, folder)


def test_the_parts_of_workers_are_the_parts_of_their_tasks(tmp_path, monkeypatch):
    """Where nothing can be claimed: what two workers of the second of three tasks do is what it does alone."""
    seen = []
    monkeypatch.setattr(work, "work_off", lambda units, folder, share=(0, 1), stay=True: seen.append(share))
    for name, value in {"ID": "1", "MIN": "0", "STEP": "1", "COUNT": "3"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    for worker in range(2):
        work._worker([], tmp_path, 2, False, worker)
    own = {k for number, count in seen for k in range(number, 24, count)}
    assert own == set(range(1, 24, 3))


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    """Nobody can tell what others have in hand, so each keeps to its part; all parts together are the whole."""

    def refuse(stream, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    units = marks(tmp_path)
    work.work_off(units, tmp_path, (1, 2))
    assert [unit.name for unit in units if unit.done] == ["u1", "u3", "u5"]
    units[1].folder.joinpath("u1.done").unlink()
    work.work_off(units, tmp_path, (0, 2))
    assert [unit.name for unit in work.left(units)] == ["u1"], "whatever is done already, the parts stay what they are"
    work.shared_out(units, tmp_path, workers=1)
    assert work.left(units) == []


# -- helpers: processes of the same command ------------------------------------------------------------------------

HELPED = """
import sys
import time
from pathlib import Path
sys.path.insert(0, {here!r})
from test_work import help_off, marks
from emospeech.encoders.store.keys import digest
from emospeech.runtime.locks import locked
from emospeech.experiments.protocols import work

if __name__ == "__main__":
    folder, how = Path(sys.argv[1]), sys.argv[2]
    units = marks(folder, 6, seconds=0.3)
    with work.helped(2, help_off, units, folder, how):
        if how != "alone":
            while not (folder / "helped").exists():
                time.sleep(0.005)
        work.work_off(units, folder, (0, 2))
"""


def help_off(units, folder, how, number):
    """What a helper does: its share; or it dies, in one way or another."""
    (folder / "helped").touch()
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "fails":
        raise WorkError("nothing works here")
    work.work_off(units, folder, (number, 2))


@pytest.mark.parametrize(
    ("how", "processes"),
    [
        pytest.param("dies", 1, marks=pytest.mark.slow),
        pytest.param("works", 2, marks=pytest.mark.slow),
        pytest.param("fails", 1, marks=pytest.mark.slow),
    ],
)
def test_helpers_do_their_share_and_may_fail(tmp_path, how, processes):
    script = tmp_path / "helped.py"
    script.write_text(HELPED.format(here=str(Path(__file__).parent)))
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), how], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    found = log(tmp_path)
    assert sorted(name for name, _ in found) == [f"u{k}" for k in range(6)]
    assert len({process for _, process in found}) == processes
    assert ("note: a helping process stopped: nothing works here" in done.stderr) == (how == "fails")


def test_alone_without_helpers(tmp_path):
    before = threading.active_count()
    with work.helped(1, help_off):
        assert threading.active_count() == before


@pytest.mark.parametrize(
    ("variables", "share"),
    [
        ({}, (0, 1)),
        ({"ID": "2", "MIN": "0", "STEP": "1", "COUNT": "4"}, (2, 4)),
        ({"ID": "3", "MIN": "1", "STEP": "1", "COUNT": "4"}, (2, 4)),
        ({"ID": "9", "MIN": "1", "STEP": "4", "COUNT": "3"}, (2, 3)),
        ({"ID": "17", "MIN": "1", "STEP": "1", "COUNT": "3"}, (1, 3)),  # --array=1,9,17
        ({"ID": "2"}, (0, 1)),
    ],
)
def test_the_share_of_a_slurm_array(monkeypatch, variables, share):
    for name in ("ID", "MIN", "STEP", "COUNT"):
        monkeypatch.delenv(f"SLURM_ARRAY_TASK_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert work.array_share() == share
