"""A server from its start to its end: models loaded, a socket bound, uvicorn run, all closed in order."""

import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.memory import share_arenas
from emospeech.serve.engine import served
from emospeech.serve.engine.served import ServedModel
from emospeech.serve.engine.whispering import Whisperer
from emospeech.serve.http.app import create_app
from emospeech.serve.http.guards import LOCAL, without_port
from emospeech.serve.http.jobs import Jobs
from emospeech.serve.http.listening import bound, more_files, settings
from emospeech.serve.http.settings import Limits
from emospeech.serve.http.state import Server
from emospeech.serve.http.training import recipes_in
from emospeech.serve.model import folder_of

OFF = "off"


@dataclass(frozen=True)
class Wanted:
    """What `emospeech serve` was asked for."""

    runs: Sequence[Path]  # run folders, model folders, or Hub ids
    host: str = "127.0.0.1"
    port: int = 8000  # 0: any that is free
    whisper: str | None = None  # None: as the recipe of the run says; off: none
    language: str | None = None  # that Whisper hears; None: as the recipe says
    key_file: Path | None = None
    hosts: Sequence[str] = ()  # further names that it answers under
    recipes: Path | None = None  # the folder of those that may be trained
    runs_dir: Path = Path("runs")  # of what is trained
    train_hours: float = 24.0  # that one may take
    limits: Limits = field(default_factory=Limits)


def run(wanted: Wanted) -> None:
    """Serve until a signal ends it (Ctrl-C, SIGTERM): what was asked before is answered first.

    Raises:
        UserError: if a model, a key, a recipe or the address cannot be had; before anything is served.
    """
    import uvicorn

    key = None if wanted.key_file is None else _key(wanted.key_file)
    _require_key(wanted, key)
    recipes = None if wanted.recipes is None else recipes_in(wanted.recipes)
    share_arenas()
    more_files()
    with bound(wanted.host, wanted.port) as listening:
        server = Server([_loaded(folder, wanted) for folder in wanted.runs], wanted.limits)
        jobs = None if recipes is None else _jobs(recipes, server, wanted)
        app = create_app(server, key, _hosts(wanted), jobs)
        _announce(server, listening)
        try:
            with suppress(KeyboardInterrupt):  # uvicorn raises the signal anew, once all is closed
                uvicorn.Server(settings(app, wanted.limits.timeout)).run(sockets=[listening])
        finally:
            if jobs is not None:  # a second Ctrl-C ends uvicorn without an end of its app
                jobs.close()
    say("the server is down")


def _jobs(recipes: Mapping[str, Path], server: Server, wanted: Wanted) -> Jobs:
    """Trainings whose models are served as soon as they are trained."""
    return Jobs(
        recipes,
        wanted.runs_dir,
        finished=lambda run: server.add(_loaded(run, wanted)),
        hours=wanted.train_hours,
        taken=lambda name: any(model.name == name for model in server.models),
    )


def _loaded(run: Path, wanted: Wanted) -> ServedModel:
    say(f"loading {run}")
    segment_seconds = wanted.limits.segment_seconds
    # of a Hub id the second word: its folder in the cache is called by a commit
    name = run.expanduser().resolve().name
    model = served.load(folder_of(str(run)), name, segment_seconds=segment_seconds)
    whisper = _whisper(model, wanted)
    if whisper is None:
        return model
    told = (model.temperature, model.version, whisper, segment_seconds, model.fitted_to)
    return ServedModel(model.name, model.system, *told)


def _whisper(model: ServedModel, wanted: Wanted) -> Whisperer | None:
    """What writes transcripts for a model: what was asked for, else what its own transcripts are by."""
    text = model.system.recipe.text
    if wanted.whisper == OFF or not model.system.needs_text:
        return None
    own = None if text is None or text.transcripts == "provided" else text.whisper.model
    name = wanted.whisper or own
    if name is None:
        return None
    told = None if text is None else text.whisper.language or text.whisper.default_language
    say(f"loading Whisper {name}")
    return Whisperer(name, wanted.language or told)


def _key(path: Path) -> str:
    """
    Raises:
        UserError: if the file holds none.
    """
    try:
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--api-key-file {path}: {getattr(error, 'strerror', None) or error}") from None
    if len(key) < 16 or not key.isascii() or any(sign.isspace() for sign in key):
        raise UserError(f"--api-key-file {path}: a key is one line of 16 ASCII characters or more, without spaces")
    return key


def _hosts(wanted: Wanted) -> list[str] | None:
    """The names that the server answers under; None: any, as it is open to others anyway."""
    if wanted.hosts:
        return [*LOCAL, *(name.lower() for name in map(without_port, wanted.hosts))]
    return list(LOCAL) if wanted.host in LOCAL else None


def _require_key(wanted: Wanted, key: str | None) -> None:
    """
    Raises:
        UserError: if everybody who reaches the server could begin trainings on it.
    """
    if wanted.host in LOCAL or key is not None:
        return
    if wanted.recipes is not None:
        raise UserError(
            f"--allow-train lets everybody who reaches {wanted.host} train here; give the server a key with "
            "--api-key-file"
        )
    say(f"warning: everybody who reaches {wanted.host} may ask this server; give it a key with --api-key-file")


def _announce(server: Server, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    for model in server.models:
        calibrated = "" if model.temperature is None else f", temperature {model.temperature:.2f}"
        say(f"model {model.name}, version {model.version}{calibrated}: {', '.join(model.labels)}")
    say(f"page: http://{shown}:{port}/   API: http://{shown}:{port}/v1/predict   Ctrl-C ends it")
