"""`emospeech`: the commands, and what a failure looks like from outside.

Exit codes: 0 done, 1 the work failed or was stopped, 2 the user's input is wrong. Heavy packages load inside the
commands, so that `--help` answers at once.
"""

import signal
import sys
import threading
import time

import typer

from emospeech.cli import augment, data, experiment, output, store, transcribe
from emospeech.cli import run as run_commands
from emospeech.runtime import distributed
from emospeech.runtime.console import complain
from emospeech.runtime.errors import Interrupted, UserError, WorkError

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
app.command("extract")(store.extract)
app.command("train")(run_commands.train)
app.command("evaluate")(run_commands.evaluate)
app.command("predict")(run_commands.predict)
app.command("attention")(run_commands.attention)
app.command("submit")(output.submit)
app.command("score")(output.score)
app.command("benchmark")(experiment.benchmark)
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
    sys.exit(main(sys.argv[1:]))


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    """Run one command; the exit code."""
    handles_signals = threading.current_thread() is threading.main_thread()
    if handles_signals:
        signal.signal(signal.SIGTERM, _as_interrupt)  # training asks for a stop of its own, more gently
    code = _outcome(arguments)
    if handles_signals:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if code == 0:
        distributed.finish()
    # A launcher ends all processes with the first that ends: let the main one speak.
    if code and not distributed.is_main():
        time.sleep(3)
    return code


def _outcome(arguments: list[str]) -> int:
    try:
        app(args=arguments, prog_name="emospeech")
    except SystemExit as end:  # typer's own end: 0, or 2 for a usage error
        return end.code if end.code in (0, 2) else 1  # 130 is Ctrl-C
    except UserError as error:
        complain(f"error: {error}")
        return 2
    except WorkError as error:
        complain(f"failed: {error}")
        return 1
    except Interrupted as stop:
        complain(str(stop))
        return 1
    except KeyboardInterrupt:
        complain("stopped")
        return 1
    except OSError as error:  # a full disk, a folder without rights
        complain(f"failed: {error}")
        return 1
    return 0


if __name__ == "__main__":
    run()
