"""A trained run on new rows: read them, check them, predict them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech import config
from emospeech.corpora import emospeech2024
from emospeech.data import audio, manifest, table, usable
from emospeech.experiments.rows import mixture, transcripts
from emospeech.experiments.rows.sound import heard_before
from emospeech.experiments.scoring import calibrated, trained_on
from emospeech.experiments.scoring.values import of_unseen, scores_of_tasks
from emospeech.labels import EMOSPEECH2024
from emospeech.outputs import submission
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError, faults, gather, some
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK, System, must_hear


def read_rows(sources: Sequence[Path], audio_folder: Path | None = None) -> pd.DataFrame:
    """One manifest (CSV), or audio files, as a manifest.

    Args:
        audio_folder: where the audio lies under the names of the ids, for tables that name no audio.

    Raises:
        UserError: if a source is missing or faulty.
    """
    if len(sources) == 1 and sources[0].suffix.lower() == ".csv":
        rows = manifest.read(sources[0])
        return with_audio(rows, audio_folder) if audio_folder is not None else rows
    tables = [path for path in sources if path.suffix.lower() == ".csv"]
    if tables:
        raise UserError(f"give one manifest, or audio files; not both ({some(tables)} with {len(sources)} files)")
    folders = [path for path in sources if path.is_dir()]
    if folders:
        raise UserError(f"{some(folders)}: a folder; name the files in it, as {folders[0]}/*.wav")
    missing = [path for path in sources if not audio.is_file(path)]
    if missing:
        raise UserError(f"no such file: {some(missing)}")
    doubled = sorted({str(path) for path in sources if sources.count(path) > 1})
    if doubled:
        raise UserError(f"named more than once: {some(doubled)}")
    names = [path.name for path in sources]
    ids = names if len(set(names)) == len(names) else [str(path) for path in sources]
    return manifest.make(id=ids, audio=[str(path) for path in sources])


def with_audio(rows: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Rows whose audio is `folder`/`id`.

    Raises:
        UserError: if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"no audio folder {folder}")
    return rows.assign(audio=pd.Series([str(folder / name) for name in rows["id"]], dtype="string"))


def predict(system: System, rows: pd.DataFrame, on_bad_audio: str = "fail") -> pd.DataFrame:
    """Predictions for all rows, in their order.

    Raises:
        UserError: if a row lacks what the system needs; before any prediction.
    """
    return system.predict(prepared(system, rows, on_bad_audio))


def prepared(system: System, rows: pd.DataFrame, on_bad_audio: str = "fail") -> pd.DataFrame:
    """The rows as the system predicts them: without audio that cannot be heard, with transcripts.

    Raises:
        UserError: if a row lacks what the system needs.
    """
    heard = transcripts.asked(rows, system.recipe)
    if system.may_lack:
        rows = usable.blank_as_absent(rows)
        usable.require_either(rows)
    else:
        _require_modalities(system, rows, heard)
    if system.needs_audio or heard.any():
        listened = rows if system.needs_audio else rows[heard]
        bad = usable.find_bad_audio(listened, heard_before(system.recipe))
        rows = usable.without_bad_audio(rows, bad, on_bad_audio, remedy="give --on-bad-audio silence")
        if bad and system.may_lack:
            usable.require_either(rows)  # of a clip with bad audio, text is left
    rows = transcripts.of_recipe(rows, system.recipe)
    if system.may_lack:
        usable.require_either(rows)  # of a clip without audio, a transcript
    return rows


def _require_modalities(system: System, rows: pd.DataFrame, heard: pd.Series) -> None:
    """
    Args:
        heard: rows of which Whisper writes the transcript, bool (rows,).

    Raises:
        UserError: if rows lack speech or text that the system needs, both told at once.
    """
    checks: list[Callable[[], None]] = []
    remedy = "predict with a run that was trained with "
    if system.needs_text and not heard.all():
        checks.append(
            partial(usable.require_text, rows[~heard], remedy=f"{remedy}text=null; {usable.WITHOUT.format('text')}")
        )
    if system.needs_audio:
        without = f"{remedy}speech=null; {usable.WITHOUT.format('speech')}"
        checks.append(partial(usable.require_audio, rows, remedy=without))
    elif heard.any():
        provided = f"{remedy}text.transcripts=provided"
        checks.append(partial(usable.require_audio, rows[heard], remedy=provided, what=transcripts.HEARS))
    gather("these rows cannot be predicted", checks)


@dataclass(frozen=True)
class Evaluated:
    """A system on labelled rows."""

    rows: pd.DataFrame  # labels in the words of the run's space
    predictions: pd.DataFrame
    scores: dict[str, Any]  # as `scoring.scores_of_tasks` gives them, with `calibration` and `unseen`


def evaluate(system: System, rows: pd.DataFrame, on_bad_audio: str = "fail", run: Path | None = None) -> dict[str, Any]:
    """The scores of `evaluated`."""
    return evaluated(system, rows, on_bad_audio, run).scores


def evaluated(system: System, rows: pd.DataFrame, on_bad_audio: str = "fail", run: Path | None = None) -> Evaluated:
    """Predictions of labelled rows, and scores.

    A further task counts the rows whose column of its name has a label that the run knows.

    Args:
        run: the folder that the system is of, which knows whom it has heard, for scores under `unseen`, and its dev
            predictions, for a temperature.

    Raises:
        UserError: if a row has no label, or one that the system does not know.
    """
    labels = system.tasks[MAIN_TASK]
    rows = mixture.as_trained(rows, system.recipe)
    unfit = rows[~rows["label"].isin(list(labels))]
    if len(unfit):
        raise faults(
            f"{len(unfit)} of {len(rows)} rows cannot be scored; the run knows {', '.join(labels)}",
            [
                f"{usable.source_of(row)}id {row.id}: " + ("no label" if pd.isna(row.label) else f"label {row.label!r}")
                for row in unfit.itertuples()
            ],
        )
    predictions = predict(system, rows, on_bad_audio)
    scores = scores_of_tasks(_without_unknown(rows, system.tasks), predictions, system.tasks)
    by = None if run is None else calibrated.fitted(RunFolder(run), labels)
    if (calibration := calibrated.of_predictions(predictions, rows["label"].tolist(), labels, by)) is not None:
        scores["calibration"] = asdict(calibration)
    if run is not None and (new := trained_on.unseen_by(run, rows)) is not None:
        scores["unseen"] = of_unseen(new, rows, predictions, labels)
    return Evaluated(rows, predictions, scores)


def _without_unknown(rows: pd.DataFrame, tasks: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Labels of further tasks that a run does not know as NA, which is said aloud."""
    for task, labels in tasks.items():
        if task == MAIN_TASK or task not in rows:
            continue
        strange = rows[task].notna() & ~rows[task].isin(list(labels))
        if strange.any():
            words = some(sorted(set(rows[task][strange])))
            say(f"note: {strange.sum()} rows count nothing for {task}: {words}; the run knows {', '.join(labels)}")
            rows = rows.assign(**{task: rows[task].mask(strange)})
    return rows


def predict_table(
    runs: Mapping[str, Path],
    test: Path,
    audio_folder: Path | None,
    on_bad_audio: str,
    text_alone: Collection[str] = (),
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], Sequence[str]]:
    """A challenge's test table and what runs say of it; a run may be a predictions file instead.

    Args:
        runs: task -> run folder, or file.
        text_alone: the tasks that are answered without sound.

    Returns:
        the table, the predictions by task, and the labels that a submission may hold.

    Raises:
        UserError: if table, run or predictions are not as they must be, or a run was trained on the table's clips.
    """
    if audio_folder is None and (test.parent / emospeech2024.TEST_AUDIO).is_dir():
        audio_folder = test.parent / emospeech2024.TEST_AUDIO
    rows = emospeech2024.read_table(test, audio_folder)
    load = cache(build.load)  # one run may answer two tasks
    answering = gather(
        "these runs cannot answer the table",
        [partial(_predictor, task, run, rows, text_alone, load) for task, run in runs.items()],
    )
    predictors = dict(zip(runs, answering, strict=True))
    # what needs sound goes first: if the sound is bad, that shows before the rest is predicted
    order = sorted(runs, key=lambda task: task in text_alone)
    return rows, {task: predictors[task](on_bad_audio) for task in order}, EMOSPEECH2024


def _predictor(
    task: str, run: Path, rows: pd.DataFrame, text_alone: Collection[str], load: Callable[[Path], System]
) -> Callable[[str], pd.DataFrame]:
    """What gives a task's predictions, once all that can be checked before has been.

    Raises:
        UserError: if `run` cannot answer the task.
    """
    if run.is_file():
        predictions = submission.read(run)
        submission.check(predictions, rows["id"].tolist(), EMOSPEECH2024, task)
        return lambda _: predictions
    _refuse_seen(run, rows)
    system = load(run)
    if text_alone and task not in text_alone and not system.needs_audio:
        say(f"note: {task} is speech and text, but {run} reads text alone")
    if task in text_alone:
        if must_hear(system):
            raise UserError(
                f"{run} hears speech, but {task} is text alone; give a run that was trained with speech=null, "
                "or one with model.modality_dropout, which also reads alone"
            )
        rows = rows.assign(audio=pd.Series(pd.NA, index=rows.index, dtype="string"))
    return partial(predict, system, rows)


def seen_in_training(run: Path, rows: pd.DataFrame) -> list[str]:
    """Ids that the run trained on or was steered by."""
    folder = RunFolder(run)
    if not folder.split.is_file():
        return []
    used = table.read(folder.split, ["id", "split"], "a run's split")
    trained = set(used.loc[used["split"] != "test", "id"])
    if folder.config.is_file():  # in a mixture a corpus's name stands before its ids
        for part in config.load(folder.config).data.mixture:
            if part.corpus in set(rows["corpus"].dropna()):
                name = f"{part.name or part.corpus}/"
                trained |= {id.removeprefix(name) for id in trained if id.startswith(name)}
    return [id for id in rows["id"] if id in trained]


def _refuse_seen(run: Path, rows: pd.DataFrame) -> None:
    """A test table holds no clip that the run has trained on.

    Raises:
        UserError: if it does: it is the wrong table.
    """
    seen = seen_in_training(run, rows)
    if seen:
        raise UserError(
            f"{len(seen)} of the table's {len(rows)} ids are in {run}'s own training data ({some(seen)}); "
            "this is not the test table"
        )
