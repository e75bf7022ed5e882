"""A server as a user starts one, watched from outside."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0  # seconds for a server to load, or to end
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path  # stdout and stderr

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def megabytes(self) -> float:
        """Of memory that the process holds now."""
        return self._kilobytes("VmRSS") / 1024

    def most_megabytes(self) -> float:
        """That it ever held."""
        return self._kilobytes("VmHWM") / 1024

    def files(self) -> int:
        """Open file descriptors."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def cpu_seconds(self) -> float:
        """Of all its threads, since its start."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def _kilobytes(self, name: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextmanager
def serving(words: Sequence[str], port: int = 0) -> Iterator[Running]:
    """`emospeech serve WORDS --port 0` until the block ends; then it is told to end, in order.

    Raises:
        SystemExit: if it does not come up, with what it said.
    """
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "serve.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "emospeech", "serve", *words, "--port", str(port)],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
                start_new_session=True,  # Ctrl-C is for the benchmark, which then ends it
            )
        try:
            yield Running(process, _port(process, log), log)
        finally:
            _end(process)


def _port(process: "subprocess.Popen[bytes]", log: Path) -> int:
    until = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < until:
        text = log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r"page: http://\S+:(\d+)/", text)
        if found and "startup complete" in text:
            return int(found[1])
        time.sleep(0.1)
    raise SystemExit(f"the server did not come up:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(120)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
