"""Commands that make and score what leaves the house."""

from pathlib import Path
from typing import Annotated

import typer

from emospeech.cli.options import AudioFolder, Json, OnBadAudio, check_policy, give_scores, quiet
from emospeech.runtime.files import refuse_existing


def submit(
    run: Annotated[Path, typer.Argument(help="A run folder, or a predictions file.")],
    test: Annotated[Path, typer.Option("--test", help="The challenge's test table.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The submission to write.")],
    audio: AudioFolder = None,
    on_bad_audio: OnBadAudio = "fail",
) -> None:
    """Write the challenge's file, id,label, checked against the test table."""
    quiet()
    check_policy(on_bad_audio)
    refuse_existing(output, "remove it first, or give another -o")
    from emospeech.experiments import inference
    from emospeech.outputs import submission

    table, predictions, labels = inference.predict_table(run, test, audio, on_bad_audio)
    submission.write(predictions, table["id"].tolist(), labels, output)
    typer.echo(f"{len(table)} rows, checked against {test.name}: {output}")


def score(
    submission_file: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="A CSV with id,label.")],
    gold: Annotated[Path, typer.Argument(help="The true labels: a CSV with id,label.")],
    json: Json = None,
) -> None:
    """Macro-F1 of a submission, as the organisers score it, with its interval."""
    if json:
        refuse_existing(json)
    from emospeech.experiments.run import scores_of
    from emospeech.outputs import submission

    truth, chosen = submission.aligned(submission.read(submission_file), submission.read(gold), str(submission_file))
    labels = submission.label_order(truth, chosen)
    give_scores(scores_of(truth, chosen, labels), json)
