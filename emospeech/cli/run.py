"""Commands that train a recipe or use a trained run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.cli.options import (
    AudioFolder,
    Figure,
    Json,
    OnBadAudio,
    check_policy,
    give_scores,
    quiet,
    refuse_outputs,
)
from emospeech.runtime.console import say
from emospeech.runtime.distributed import is_main
from emospeech.runtime.files import refuse_existing, write_text


def demo(
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the runs of an earlier demo.")] = False,
) -> None:
    """The whole road on a small corpus that it makes itself, offline, on a CPU."""
    quiet()
    from emospeech.experiments import demo as road

    for line in road.run(overwrite):
        if is_main():
            typer.echo(line)


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML file, such as configs/xlsr_roberta.yaml.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value …, as data.root=… text=null train.seed=[1,2,3]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run, or several.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing runs of this name.")] = False,
) -> None:
    """Train a recipe into runs/<name>/, and score it.

    With several seeds, as train.seed=[1,2,3], it trains once for each, into runs/<name>/seed_<n>/, and tells the
    mean and standard deviation of their scores.
    """
    quiet()
    from emospeech.config import Recipe
    from emospeech.experiments import run as experiment
    from emospeech.experiments import seeds
    from emospeech.systems.build import load_seeds

    asked = load_seeds(recipe, overrides or [])
    if isinstance(asked, Recipe):
        lines = experiment.report(experiment.run(asked, resume=resume, overwrite=overwrite))
    else:
        lines = seeds.run(asked, resume=resume, overwrite=overwrite)
    for line in lines:
        if is_main():
            typer.echo(line)


def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    manifest: Annotated[
        Path, typer.Argument(help="A CSV with id, label and what the run needs: audio, transcription.")
    ],
    audio: AudioFolder = None,
    on_bad_audio: OnBadAudio = "fail",
    json: Json = None,
    figure: Figure = None,
) -> None:
    """Score a run on a labelled manifest.

    Where run and manifest tell speakers or recordings (group), the clips of those that the run has not heard are scored
    by themselves, too. ECE, the expected calibration error, is that of its probabilities as they are, and after the
    temperature that fits its dev predictions.
    """
    quiet()
    check_policy(on_bad_audio)
    refuse_outputs(json, figure)
    from emospeech.experiments import inference
    from emospeech.experiments.scoring import calibrated

    system, rows = _load(run, [manifest], audio)
    seen = inference.seen_in_training(run, rows)
    if seen:
        say(f"warning: {len(seen)} of these {len(rows)} rows trained or steered the run, so the score flatters it")
    scores = inference.evaluate(system, rows, on_bad_audio, run)
    give_scores(scores, json)
    if figure:
        calibrated.draw(scores, f"{run.name} on {manifest.name}, {scores['count']} clips", figure)


def predict(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    sources: Annotated[list[Path], typer.Argument(help="One manifest (CSV), or audio files.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The predictions file to write.")],
    audio: AudioFolder = None,
    on_bad_audio: OnBadAudio = "fail",
) -> None:
    """Predict labels and probabilities: id, label, one p_<class> a class."""
    quiet()
    check_policy(on_bad_audio)
    refuse_existing(output)
    from emospeech.experiments import inference

    system, rows = _load(run, sources, audio)
    predictions = inference.predict(system, rows, on_bad_audio)
    write_text(output, predictions.to_csv(index=False, lineterminator="\n"))
    typer.echo(f"{len(predictions)} predictions: {output}")


def soup(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN…", help="Run folders of networks, or a folder of several seeds.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The run folder to write.")],
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Best on dev first, each only if dev macro-F1 does not fall by it.")
    ] = False,
) -> None:
    """Average the weights of networks into one, which costs no more to ask than one of them.

    They must be alike: the same parts, classes and encoders. soup.json in the run folder tells of what it was made.
    """
    quiet()
    from emospeech.experiments.joined import soup as soups

    for line in soups.make(runs, output, greedy):
        typer.echo(line)


def attention(
    run: Annotated[Path, typer.Argument(help="A run folder, of a network with attention over spectrograms.")],
    sources: Annotated[list[Path], typer.Argument(help="One manifest (CSV), or audio files.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The folder for the figures, one a clip.")],
    audio: AudioFolder = None,
    on_bad_audio: OnBadAudio = "fail",
) -> None:
    """Draw what a deep-spectrum network looks at: its attention maps over the spectrogram of each clip."""
    quiet()
    check_policy(on_bad_audio)
    from emospeech.experiments import attention as looking

    system, rows = _load(run, sources, audio)
    figures = looking.draw(system, rows, output, on_bad_audio)
    typer.echo(f"{len(figures)} figures: {output}")


def _load(run: Path, sources: list[Path], audio: Path | None) -> tuple[Any, Any]:
    """Rows first: a wrong table shows before a large model is read."""
    from emospeech.experiments import inference
    from emospeech.systems import build

    rows = inference.read_rows(sources, audio)
    return build.load(run), rows
