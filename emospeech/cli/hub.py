"""Commands that give a trained run away: as a model folder, to the Hugging Face Hub."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.cli.options import quiet
from emospeech.runtime.errors import UserError

Run = Annotated[Path, typer.Argument(help="The folder of a finished run.")]
Whole = Annotated[
    bool, typer.Option("--whole", help="Copy pre-trained encoders into it, too; else those of the Hub are named.")
]
Onnx = Annotated[bool, typer.Option("--onnx", help="Also ONNX graphs, each checked against PyTorch.")]
Licence = Annotated[
    str | None,
    typer.Option("--licence", "--license", help="Of the model, in the Hub's word: apache-2.0, cc-by-nc-4.0 …"),
]
Language = Annotated[
    list[str] | None, typer.Option("--language", help="ISO 639-1, as es; may be repeated. Else its corpora's.")
]
LICENCE, LANGUAGE = re.compile(r"[a-z0-9][a-z0-9.+-]*"), re.compile(r"[a-z]{2,3}")


def export(
    run: Run,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The model folder to write.")],
    whole: Whole = False,
    onnx: Onnx = False,
    licence: Licence = None,
    language: Language = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a run as a model folder of the Hugging Face Hub: weights, config, model card.

    It loads with emospeech.load, and predict, evaluate, submit and serve take it as they take a run. No path of this
    machine, no transcript, and no id or speaker of a clip is in it.
    """
    quiet()
    wishes = _wishes(whole, onnx, licence, language)
    from emospeech.experiments import exporting

    for line in exporting.export(run, folder, exporting.Wishes(**wishes), overwrite):
        typer.echo(line)


def push(
    run: Run,
    repository: Annotated[str, typer.Argument(metavar="REPO", help="owner/name on the Hub; made if there is none.")],
    private: Annotated[bool, typer.Option("--private", help="Make it a private one.")] = False,
    revision: Annotated[str | None, typer.Option(help="The branch to push to; made if there is none.")] = None,
    whole: Whole = False,
    onnx: Onnx = False,
    licence: Licence = None,
    language: Language = None,
    dirty: Annotated[
        bool, typer.Option("--dirty", help="Also a run of code that was changed and not committed.")
    ] = False,
) -> None:
    """Push a run to the Hugging Face Hub, in one commit, as emospeech export writes it.

    The token is that of `hf auth login`, or HF_TOKEN.
    """
    quiet()
    wishes = _wishes(whole, onnx, licence, language)
    from emospeech.experiments import exporting

    for line in exporting.push(run, exporting.Wishes(**wishes, repository=repository), private, revision, dirty):
        typer.echo(line)


def _wishes(whole: bool, onnx: bool, licence: str | None, language: list[str] | None) -> dict[str, Any]:
    """
    Raises:
        UserError: if a licence or language cannot be one.
    """
    if licence is not None and not LICENCE.fullmatch(licence):
        raise UserError(f"--licence {licence}: give the Hub's word for it, as apache-2.0, cc-by-nc-4.0, mit or other")
    wrong = [one for one in language or [] if not LANGUAGE.fullmatch(one)]
    if wrong:
        raise UserError(f"--language {wrong[0]}: give the language's ISO 639-1 code, as es")
    return {"whole": whole, "onnx": onnx, "licence": licence, "languages": tuple(language or ())}
