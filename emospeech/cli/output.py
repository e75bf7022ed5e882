"""Commands that make and score what leaves the house."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from emospeech.cli.options import AudioFolder, Json, OnBadAudio, check_policy, give_scores, quiet
from emospeech.outputs.formats import FORMATS, TASKS, zip_beside
from emospeech.runtime.errors import UserError, faults, gather
from emospeech.runtime.files import as_json, refuse_existing, write_all, write_json, write_text

TYPED = {"label": "RUN", "task_1": "--task-1", "task_2": "--task-2"}  # how a task's run is given
WHAT = "A run folder, or a predictions file"


def submit(
    test: Annotated[Path, typer.Option("--test", help="The challenge's test table.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The submission to write, a CSV.")],
    run: Annotated[Path | None, typer.Argument(help=f"{WHAT}.")] = None,
    form: Annotated[
        str, typer.Option("--format", help="label: id,label of RUN; results: EmoSPeech 2024's id,task_1,task_2.")
    ] = "label",
    task_1: Annotated[Path | None, typer.Option(help=f"{WHAT}, for task 1: emotion from text alone.")] = None,
    task_2: Annotated[Path | None, typer.Option(help=f"{WHAT}, for task 2: from speech and text.")] = None,
    with_zip: Annotated[bool, typer.Option("--zip", help="Also the zip that the upload page takes.")] = False,
    audio: AudioFolder = None,
    on_bad_audio: OnBadAudio = "fail",
) -> None:
    """Write the challenge's file, checked against the test table.

    A JSON of the same name tells where it comes from: recipe, commit, rows that trained, scores on dev.
    """
    quiet()
    if form not in FORMATS:
        raise UserError(f"unknown --format {form!r}; known: {', '.join(FORMATS)}")
    from emospeech.experiments import inference, origin
    from emospeech.outputs import submission

    chosen = FORMATS[form]
    checks: list[Callable[[], Any]] = [
        partial(_runs, form, {"label": run, "task_1": task_1, "task_2": task_2}),
        partial(submission.refuse_outputs, output, chosen, with_zip),
        partial(check_policy, on_bad_audio),
    ]
    runs = gather("nothing can be written yet", checks)[0]
    table, predictions, labels = inference.predict_table(runs, test, audio, on_bad_audio, chosen.text_alone)
    told = origin.of_submission(runs, test)
    submission.write(predictions, table["id"].tolist(), labels, output, chosen, with_zip, told)
    written = f"{output}, {zip_beside(output)}" if with_zip else str(output)
    typer.echo(f"{len(table)} rows, checked against {test.name}: {written}")


def _runs(form: str, given: Mapping[str, Path | None]) -> dict[str, Path]:
    """Task -> run, for the tasks of a format.

    Raises:
        UserError: if one is missing, or one is given that the format does not take.
    """
    wanted = FORMATS[form].tasks
    missing = [TYPED[task] for task in wanted if given[task] is None]
    unwanted = [TYPED[task] for task, run in given.items() if run is not None and task not in wanted]
    found = [f"{name} is missing" for name in missing] + [
        f"{name} is not one of them; leave it out" for name in unwanted
    ]
    if found:
        raise faults(f"--format {form} takes {' and '.join(TYPED[task] for task in wanted)}", found)
    return {task: run for task in wanted if (run := given[task]) is not None}


def score(
    submission_file: Annotated[
        Path, typer.Argument(metavar="SUBMISSION", help="A CSV with id,label, or id,task_1,task_2.")
    ],
    gold: Annotated[Path, typer.Argument(help="The true labels: a CSV with id,label.")],
    column: Annotated[str, typer.Option(help=f"The submission's column to score: {', '.join(TASKS)}.")] = "label",
    json: Json = None,
) -> None:
    """Macro-F1 of a submission, as the organisers score it, with its interval."""
    if column not in TASKS:
        raise UserError(f"unknown --column {column!r}; known: {', '.join(TASKS)}")
    if json:
        refuse_existing(json)
    from emospeech.experiments.scoring.values import scores_of
    from emospeech.outputs import compared, submission

    if column == "label":  # else one table may hold both
        submission.require_different([submission_file, gold])
    answers = submission.read(submission_file, column)
    truth, chosen = submission.aligned(answers, submission.read_gold(gold), str(submission_file))
    compared.note_if_few(truth)
    labels = submission.label_order(truth, chosen)
    give_scores(scores_of(truth, chosen, labels), json)


def compare(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="PREDICTIONS… GOLD", help="CSVs with id,label: first the one to compare with, gold last."
        ),
    ],
    metric: Annotated[str, typer.Option(help="macro_f1, weighted_f1, uar or accuracy.")] = "macro_f1",
    by: Annotated[
        str | None, typer.Option(help="A column of GOLD, as speaker: its clips are drawn, and change sides, together.")
    ] = None,
    json: Json = None,
) -> None:
    """Is one system better than another? Intervals and paired tests of predictions of the same clips.

    The difference to the first file has the interval of a paired bootstrap; p is that of approximate randomisation,
    as it is and corrected (Holm) over all files; McNemar's, uncorrected, is of the number of clips that are right, and
    there is none with --by.
    """
    if json:
        refuse_existing(json)
    from emospeech.outputs import compared

    found = compared.compare(files[-1], files[:-1], metric, by)
    for line in compared.lines(found):
        typer.echo(line)
    if json:
        write_json(json, found.as_dict())


def ensemble(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="MEMBER…",
            help="Predictions (a CSV: id, p_<class>), or a folder with models: a run, seeds, a benchmark's system.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The predictions to write, a CSV.")],
    how: Annotated[
        str, typer.Option(help="mean, rank_mean, majority; fitted: greedy, stacking, balanced_stacking.")
    ] = "mean",
    rule: Annotated[str, typer.Option(help="none, prior or offsets: how classes are chosen, for macro-F1.")] = "none",
    out_of_fold: Annotated[
        list[Path] | None, typer.Option(help="Of labelled rows, a file a system in the same order, once each.")
    ] = None,
    gold: Annotated[Path | None, typer.Option(help="The labels of those rows: a CSV with id,label.")] = None,
    by: Annotated[
        str | None,
        typer.Option(help="A column of --gold, as speaker: its rows share a fold; else folds are the files' own."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of folds and stackers.")] = 0,
    on: Annotated[
        list[Path] | None, typer.Option(help="What folders are to answer: one manifest (CSV), or audio files.")
    ] = None,
    audio: AudioFolder = None,
    on_bad_audio: Annotated[str | None, typer.Option(help="As of predict: fail (the default) or silence.")] = None,
) -> None:
    """Make several systems one; what is fitted for it is fitted to out-of-fold predictions alone.

    Of a folder of several seeds each is a member; so is each fold of a benchmark's system, or where something is fitted
    their mean, whose out-of-fold predictions the folder holds.

    With --out-of-fold and --gold it prints what each system and the ensemble are worth there, the ensemble fitted to
    other folds than it is scored on; probabilities then are calibrated by a temperature. OUTPUT.json beside the
    predictions tells how they came about, OUTPUT_reliability.png what the temperature does to them.
    """
    quiet()
    check_policy(on_bad_audio or "fail")
    beside, picture = output.with_suffix(".json"), output.with_name(f"{output.stem}_reliability.png")
    for path in (output, beside, *([picture] if gold else [])):
        refuse_existing(path)
    from emospeech import figures
    from emospeech.data import table
    from emospeech.experiments.joined import ensemble as joined
    from emospeech.figures import calibration
    from emospeech.outputs import combined

    asked = combined.Asked(how, rule, (), tuple(out_of_fold or ()), gold, by, seed)
    rows = joined.On(tuple(on or ()), audio, on_bad_audio or "fail") if on or audio or on_bad_audio else None
    done = joined.run(asked, files, rows)
    for line in done.lines:
        typer.echo(line)
    write_all({output: table.as_csv(done.predictions).encode(), beside: as_json(done.record).encode()})
    if done.stages:
        title = f"{how} of {len(files)} members, out of fold"
        figures.save(calibration.reliability(done.stages, title), picture)
    typer.echo(f"{len(done.predictions)} rows: {output}")


def leaderboard(
    runs: Annotated[Path, typer.Argument(help="A folder of runs, and of benchmarks of the same recipes.")] = Path(
        "runs"
    ),
    base: Annotated[str | None, typer.Option(help="The run that the others are told by; else the oldest.")] = None,
    submissions: Annotated[Path, typer.Option(help="A folder of submissions.")] = Path("submissions"),
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The folder of leaderboard.csv, .md, .html; else that of the runs."),
    ] = None,
    sort: Annotated[str, typer.Option(help="dev, test, disjoint (speakers or videos apart) or name.")] = "dev",
) -> None:
    """All finished runs beside each other: what each changes, its scores, what was submitted of it.

    Written as CSV, Markdown and a page to sort; files of these names are of this command, and made anew.
    """
    from emospeech.experiments.leaderboard import entries, tables

    found = tables.ordered(entries.read(runs, base, submissions), sort)
    for line in tables.lines(found):
        typer.echo(line)
    folder = output or runs
    for name, text in tables.files(found).items():
        write_text(folder / name, text)
    typer.echo(f"{len(found)} runs: {folder / 'leaderboard.html'}")
