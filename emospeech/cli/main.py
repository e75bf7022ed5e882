"""`emospeech`: the commands, and what a failure looks like from outside.

Exit codes: 0 done, 1 the work failed or was stopped, 2 the user's input is wrong; 143 and 138 after a scheduler's
SIGTERM and SIGUSR1, so that a job knows that there is more to do. Heavy packages load inside the commands, so that
`--help` answers at once.
"""

import os
import signal
import sys
import threading
import traceback

import typer

from emospeech.cli import augment, data, experiment, hub, output, serving, shown, store, transcribe
from emospeech.cli import run as run_commands
from emospeech.runtime import distributed, interrupt
from emospeech.runtime.errors import Futile, Interrupted, UserError, WorkError

SCHEDULERS = (signal.SIGTERM, signal.SIGUSR1)

app = typer.Typer(
    name="emospeech",
    help="Speech and text emotion recognition: from raw corpora to a checked leaderboard file.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(run_commands.demo)
app.command("transcribe")(transcribe.transcribe)
app.command("augment")(augment.augment)
app.command("prefetch")(store.prefetch)
app.command("extract")(store.extract)
app.command("train")(run_commands.train)
app.command("evaluate")(run_commands.evaluate)
app.command("predict")(run_commands.predict)
app.command("soup")(run_commands.soup)
app.command("serve")(serving.serve)
app.command("attention")(run_commands.attention)
app.command("submit")(output.submit)
app.command("score")(output.score)
app.command("compare")(output.compare)
app.command("leaderboard")(output.leaderboard)
app.command("report")(shown.report)
app.command("ensemble")(output.ensemble)
app.command("export")(hub.export)
app.command("push")(hub.push)
app.command("benchmark")(experiment.benchmark)
app.command("ablate")(experiment.ablate)
app.command("tune")(experiment.tune)
app.add_typer(store.app, name="cache", help="The feature store.")
app.add_typer(data.app, name="data", help="Corpora and manifests.")


def _version(wanted: bool) -> None:
    if wanted:
        from emospeech import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(version: bool = typer.Option(False, "--version", callback=_version, is_eager=True)) -> None:
    """Options before the command."""


def run() -> None:
    """The console script."""
    code = main(sys.argv[1:])
    if code and distributed.world_size() > 1:  # others may still wait for this one: no orderly end, which may hang
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _as_interrupt(number: int, frame: object) -> None:
    if interrupt.noted():  # told twice: the first has led to an end already
        return
    interrupt.note(number)
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    interrupt.forget()
    handles_signals = threading.current_thread() is threading.main_thread()
    if handles_signals:
        for number in SCHEDULERS:
            signal.signal(number, _as_interrupt)  # training asks for a stop of its own, more gently
    code, why = _outcome(arguments)
    # a launcher ends all processes with the first that ends: each keeps the code that it has found; but one that fails
    # before they have met speaks only if it is not ended
    alone = code and not distributed.is_main() and not distributed.joined()
    _answer(handles_signals, signal.SIG_DFL if alone else signal.SIG_IGN)
    if code:
        code = distributed.end_together(code, why, _tell)
    else:
        distributed.finish()
    _answer(handles_signals, signal.SIG_DFL)
    return code


def _answer(handles_signals: bool, way: signal.Handlers) -> None:
    if handles_signals:
        for number in SCHEDULERS:
            signal.signal(number, way)


def _tell(why: str) -> None:
    if why:
        print(why, file=sys.stderr, flush=True)


def _outcome(arguments: list[str]) -> tuple[int, str]:
    """The exit code, and why it is not 0, where that is not told already."""
    try:
        app(args=arguments, prog_name="emospeech")
    except SystemExit as end:  # typer's own end: 0, or 2 for a usage error
        return (end.code if end.code in (0, 2) else interrupt.exit_code()), ""  # 130 is typer's for a stop
    except UserError as error:
        return 2, f"error: {error}"
    except WorkError as error:
        return 1, f"failed: {error}"
    except Futile as stop:
        return 1, f"failed: {stop}"
    except Interrupted as stop:
        return interrupt.exit_code(), str(stop)
    except KeyboardInterrupt:
        return interrupt.exit_code(), "stopped"
    except OSError as error:  # a full disk, a folder without rights
        return 1, f"failed: {error}"
    except Exception:
        if distributed.world_size() == 1:
            raise
        return 1, traceback.format_exc().rstrip()
    return 0, ""


if __name__ == "__main__":
    run()
