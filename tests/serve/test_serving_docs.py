"""`docs/serving.md` does what it says: its lines run against a server, its tables are those of the code."""

import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from emospeech.cli.serving import serve
from emospeech.serve.http.metrics import Metrics
from emospeech.serve.http.problems import CODES
from emospeech.serve.http.settings import Limits

from .small_runs import trained

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
SHOWN = "localhost:8000"
# a training may not have begun when it is looked at
LATER = {"started", "ended", "message", "progress", "scores"}


def section(title):
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def table(title):
    """Cells of a section's table, row by row, without its head."""
    rows = [line.strip("|").split("|") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows[2:]]


def test_every_code_stands_with_its_status():
    assert {code: int(status) for code, status, _ in table("Errors")} == dict(CODES)


def test_every_limit_stands_with_its_default():
    told = {option.removeprefix("--").replace("-", "_"): float(value) for option, value, _ in table("Limits")}
    assert told == asdict(Limits())


def test_the_command_has_the_same_defaults():
    defaults = {name: one.default for name, one in inspect.signature(serve).parameters.items()}
    assert {name: defaults[name] for name in asdict(Limits())} == asdict(Limits())


def test_every_metric_stands_with_its_labels():
    told = {name: tuple(filter(None, labels.split(", "))) for name, labels, _ in table("Metrics")}
    found = {}
    for metric in vars(Metrics()).values():
        if hasattr(metric, "_labelnames"):
            name = metric._name + ("_total" if metric._type == "counter" else "")
            found[name] = tuple(metric._labelnames)
    assert told == found


def test_options_of_the_page_are_those_of_the_command():
    known = {f"--{name.replace('_', '-')}" for name in inspect.signature(serve).parameters}
    lines = [line for line in PAGE.splitlines() if "emospeech serve " in line]
    used = {word for line in lines for word in re.findall(r"--[a-z-]+", line.partition("emospeech serve")[2])}
    assert used <= known | {"--model"}  # of `emospeech transcribe`, on the same line


def test_how_much_it_bears_is_told_in_numbers():
    rows = table("How much it bears")
    assert len(rows) >= 4
    assert all(re.search(r"\d", cell) for row in rows[1:] for cell in row)


def test_the_proxies_hold_what_comes_slowly():
    """A body that trickles in takes a place of the server's; and half a head, a connection."""
    nginx, caddy = (re.search(rf"```{name}\n(.*?)```", PAGE, re.DOTALL)[1] for name in ("nginx", "caddy"))
    assert "proxy_request_buffering on;" in nginx
    for line in ("client_header_timeout", "limit_conn_zone", "limit_conn"):
        assert re.search(rf"^ *{line} .*;", nginx, re.MULTILINE), line
    assert "request_buffers 26MB" in caddy


# ---------------------------------------------------------------------- against a server


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a server as the page starts it, and a folder to work in."""
    folder = tmp_path_factory.mktemp("serving")
    runs = trained(folder / "runs", "demo", "demo_speech", "demo_text")
    (folder / "recipes").mkdir()
    shutil.copy(runs[0] / "config.yaml", folder / "recipes" / "demo.yaml")
    words = [*map(str, runs), "--port", "0", "--allow-train", str(folder / "recipes")]
    log = folder / "serve.log"
    with log.open("wb") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "emospeech", "serve", *words, "--runs-dir", str(folder / "trained")],
            cwd=ROOT,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield f"127.0.0.1:{port(server, log)}", folder
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(120)
    assert server.returncode in (0, -signal.SIGTERM)


def port(server, log):
    until = time.monotonic() + 300
    while time.monotonic() < until and server.poll() is None:
        text = log.read_text(encoding="utf-8")
        if "startup complete" in text:
            return re.search(r"page: http://\S+:(\d+)/", text)[1]
        time.sleep(0.2)
    pytest.fail(log.read_text(encoding="utf-8"))


def run(command, address, folder):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [part.replace(SHOWN, address) for part in command]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}{done.stderr}"
    return done.stdout


def last_json(text):
    """Of several values behind each other."""
    decoder, found = json.JSONDecoder(), None
    while text := text.strip():
        found, end = decoder.raw_decode(text)
        text = text[end:]
    return found


def assert_alike(shown, got, path=""):
    """The same keys and types; lists as their first entries; what the page shows as null may be anything."""
    if shown is None or (got is None and path.rpartition(".")[2] in LATER):
        return
    number = (int, float)
    kind = number if isinstance(shown, number) and not isinstance(shown, bool) else type(shown)
    assert isinstance(got, kind), f"{path}: the page shows {shown!r}, the server says {got!r}"
    if isinstance(shown, dict):
        assert list(shown) == list(got), path
        for key, value in shown.items():
            assert_alike(value, got[key], f"{path}.{key}")
    if isinstance(shown, list):
        assert bool(shown) == bool(got), path
        for one, other in zip(shown[:2], got, strict=False):
            assert_alike(one, other, f"{path}[]")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_every_line_of_the_page_works(served):
    address, folder = served
    blocks = re.findall(r"```sh\n(.*?)```\n(?:```json\n(.*?)```)?", PAGE, re.DOTALL)
    assert sum(bool(shown) for _, shown in blocks) > 8
    for script, shown in blocks:
        said = run(["bash", "-e", "-o", "pipefail", "-c", script], address, folder)
        if shown:
            assert_alike(json.loads(shown), last_json(said))
    for program in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        assert run([sys.executable, "-c", program], address, folder).split()[0] in LABELS


LABELS = {"neutral", "disgust", "anger", "sadness", "joy", "fear"}
