"""Options that several commands share, and what each command does first."""

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.runtime.errors import UserError
from emospeech.runtime.files import refuse_existing, write_json

Json = Annotated[Path | None, typer.Option("--json", help="Also write the scores to this file.")]
Figure = Annotated[
    Path | None,
    typer.Option(
        "--reliability", help="Also draw how often it is right when it is how sure: a reliability diagram, as .png."
    ),
]
FIGURES = (".png", ".pdf", ".svg")
AudioFolder = Annotated[
    Path | None, typer.Option("--audio", help="Folder with the audio, named by the ids, for a table that names none.")
]
OnBadAudio = Annotated[str, typer.Option(help="Unusable clips: fail, or predict them from silence (silence).")]


def check_policy(on_bad_audio: str) -> None:
    """
    Raises:
        UserError: if it is neither `fail` nor `silence`.
    """
    if on_bad_audio not in ("fail", "silence"):
        raise UserError(f"--on-bad-audio {on_bad_audio}: choose fail or silence (every row must get a prediction)")


def refuse_outputs(json: Path | None, figure: Path | None) -> None:
    """
    Raises:
        UserError: if one exists, or the figure is of no kind that can be drawn.
    """
    for path in (json, figure):
        if path:
            refuse_existing(path)
    if figure and figure.suffix.lower() not in FIGURES:
        raise UserError(f"--reliability {figure}: name a file that ends in {', '.join(FIGURES)}")


def give_scores(scores: dict[str, Any], json: Path | None) -> None:
    """Print scores, overall and by class, and keep them where `--json` was given."""
    from emospeech.experiments.scoring.values import below, summary

    typer.echo(summary("all", scores))
    for name, f1, count in zip(scores["labels"], scores["f1"], scores["support"], strict=True):
        typer.echo(f"      {name:<10} F1 {f1:.4f}   {count} clips")
    for line in below(scores):
        typer.echo(line)
    if json:
        write_json(json, scores)


def quiet() -> None:
    """Libraries' own bars and chatter would drown ours; their warnings stay. Before they are imported."""
    # WavLM's attention, inside transformers; nothing that a user could mend
    warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask and attn_mask")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
