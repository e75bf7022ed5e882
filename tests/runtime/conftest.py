"""Other processes."""

import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def other():
    """Start a script in another process and wait for its first line; it is killed in the end."""
    started = []

    def other(script: str, *arguments: object) -> subprocess.Popen:
        command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline()
        return process

    yield other
    for process in started:
        process.kill()
        process.communicate()
