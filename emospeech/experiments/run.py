"""One recipe, one run folder: from the corpus to a trained model with its scores."""

import json
import socket
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Recipe, as_yaml
from emospeech.data.unseen import unseen
from emospeech.experiments import rows as data_rows
from emospeech.experiments.rows import Rows, transcripts
from emospeech.experiments.rows.sound import with_usable_audio
from emospeech.experiments.scoring import calibrated, trained_on
from emospeech.experiments.scoring.values import below, of_unseen, pairs, scores_of_tasks, summary
from emospeech.metrics.scores import score
from emospeech.runtime import distributed, runs, turns
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import remove_unfinished, write_json, write_text
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import System


@dataclass(frozen=True)
class Result:
    """What a run ends with: scores by part (`dev`, and `test` where it has labels)."""

    folder: RunFolder
    scores: dict[str, dict[str, Any]]


def run(
    recipe: Recipe,
    resume: bool = False,
    overwrite: bool = False,
    outdated: Sequence[RunFolder] = (),
    like: RunFolder | None = None,
) -> Result:
    """Train what the recipe names, and score it.

    Args:
        outdated: further runs, to be emptied once this one begins.
        like: a run whose features are stored as this one's are to be.

    Raises:
        UserError: if recipe, data or run folder are not as they must be; before any long work.
        Interrupted: if asked to stop; `resume` goes on from there.
    """
    distributed.start()
    folder = RunFolder(Path(recipe.runs_dir).expanduser() / recipe.name)
    config = as_yaml(recipe)
    resume, overwrite = distributed.on_main(partial(turns.asked_anew, [folder], resume, overwrite))
    distributed.on_main(lambda: runs.refuse_or_continue(folder, config, resume, overwrite))
    if resume and distributed.on_main(lambda: folder.finished):
        return _finished(folder)
    rows = data_rows.load(recipe)
    system = build.build(transcripts.remembering(recipe, rows.train), rows.tasks)
    with turns.locked(folder, distributed.is_main()):
        # another program, or this job's former start, may have been here while the corpus was read
        resume, overwrite = distributed.on_main(partial(turns.asked_anew, [folder], resume, overwrite))
        distributed.on_main(lambda: runs.refuse_or_continue(folder, config, resume, overwrite))
        if resume and distributed.on_main(lambda: folder.finished):
            return _finished(folder)
        rows = with_usable_audio(rows, recipe, folder.bad_audio)
        distributed.on_main(lambda: _empty(outdated))
        rows = data_rows.transcribed(rows, recipe)
        distributed.on_main(lambda: _begin(recipe, config, folder, rows, system, resume))
        system.extract(rows.augmented(recipe), [rows.dev, rows.test], folder.path, like.path if like else None)
        return _in_folder(recipe, folder, rows, system)


def _finished(folder: RunFolder) -> Result:
    say(f"{folder.path} is finished; nothing is left to do")
    return Result(folder, json.loads(folder.scores.read_text(encoding="utf-8")))


def _in_folder(recipe: Recipe, folder: RunFolder, rows: Rows, system: System) -> Result:
    system.fit(rows.train, rows.dev, folder.path)
    scores = {"dev": _scored(system, rows.dev, "dev", folder, rows, rows.train)}
    scores["dev"]["trained_on"] = "train"  # not the model of a refit, which has seen dev
    if recipe.data.refit == "train+dev":
        system.fit(pd.concat([rows.train, rows.dev], ignore_index=True), None, folder.path)
    distributed.on_main(lambda: system.save(folder.model))
    if len(rows.test):
        heard = pd.concat([rows.train, rows.dev], ignore_index=True)  # dev has steered, if no more
        scores["test"] = _scored(system, rows.test, "test", folder, rows, heard)
    distributed.on_main(lambda: write_json(folder.scores, scores))
    return Result(folder, scores)


def _empty(outdated: Sequence[RunFolder]) -> None:
    for folder in outdated:
        with turns.locked(folder):
            runs.clear(folder)


def _begin(recipe: Recipe, config: str, folder: RunFolder, rows: Rows, system: System, resume: bool) -> None:
    """What a reader of the folder needs first: the recipe, the machine, and who trains, steers and tests."""
    parts = {"train": rows.train, "dev": rows.dev, "test": rows.test}
    split = pd.concat([part[["id", "label"]].assign(split=name) for name, part in parts.items()])
    text = split.to_csv(index=False, lineterminator="\n")
    remove_unfinished(folder.path)
    if not resume:
        runs.clear(folder, keep=[folder.bad_audio])
    elif folder.split.exists() and folder.split.read_text(encoding="utf-8") != text:
        raise UserError(
            f"the corpus is no longer the one that {folder.path} was started on: other rows train, steer or test than "
            f"{folder.split} says; put the corpus back, or start afresh with --overwrite or name=…"
        )
    write_text(folder.split, text)
    trained_on.keep(folder, rows.train, rows.dev)
    hardware = system.hardware()
    runs.begin(folder, config, recipe.train.seed, hardware)
    if turns.job() is not None:  # a log is read without the folder
        say(f"recipe {folder.config}:\n{textwrap.indent(config.rstrip(), '    ')}")
    say(
        f"{socket.gethostname()}{turns.told()}: {hardware['device']}, {hardware['threads']} threads for each of "
        f"{hardware['processes']} process{'es' if hardware['processes'] > 1 else ''}"
    )


def _scored(
    system: System, part: pd.DataFrame, name: str, folder: RunFolder, rows: Rows, heard: pd.DataFrame
) -> dict[str, Any]:
    """Predict a part, and write predictions and figures; scores of all of it, and of what is new to who was `heard`."""
    predictions = system.predict(part)
    truth, chosen = pairs(part, predictions)

    def keep() -> dict[str, Any] | None:
        from emospeech import figures

        write_text(folder.predictions(name), predictions.to_csv(index=False, lineterminator="\n"))
        figures.save(figures.confusion(score(truth, chosen, rows.labels)), folder.figures / f"{name}_confusion.png")
        if name == "dev" and folder.metrics.exists():
            lines = folder.metrics.read_text(encoding="utf-8").splitlines()
            figures.save(
                figures.learning_curves([json.loads(line) for line in lines]),
                folder.figures / "learning_curves.png",
            )
        return _calibrated(part, predictions, name, folder, rows.labels)

    calibration = distributed.on_main(keep)
    corpora = part["id"].str.partition("/")[0] if system.recipe.data.mixture else None
    scores = scores_of_tasks(part, predictions, rows.tasks, corpora)
    if calibration is not None:
        scores["calibration"] = calibration
    if (new := unseen(heard, part)) is not None:
        scores["unseen"] = of_unseen(new, part, predictions, rows.labels)
    return scores


def _calibrated(
    part: pd.DataFrame, predictions: pd.DataFrame, name: str, folder: RunFolder, labels: Sequence[str]
) -> dict[str, Any] | None:
    """Calibration as values, and its figure; of other rows than dev after the temperature of dev, too."""
    from emospeech import figures

    known = part["label"].notna().to_numpy(dtype=bool)
    by = None if name == "dev" else calibrated.fitted(folder, labels)
    found = calibrated.of_predictions(predictions[known], part.loc[known, "label"].tolist(), labels, by)
    if found is None:
        return None
    figures.save(calibrated.drawn(found, f"{name}, {known.sum()} clips"), folder.figures / f"{name}_reliability.png")
    return asdict(found)


def report(result: Result) -> Iterator[str]:
    """What a run ends with, as lines to print."""
    for name, scores in result.scores.items():
        yield summary(name, scores)
        yield from below(scores)
    yield f"run: {result.folder.path}"
