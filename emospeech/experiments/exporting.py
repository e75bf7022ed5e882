"""A finished run, exported as a model folder or pushed to the Hub: what is known of it, gathered and checked."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.config import Recipe
from emospeech.corpora import CORPORA
from emospeech.data import table
from emospeech.data.origins import KNOWN_BY
from emospeech.experiments.scoring import calibrated
from emospeech.experiments.scoring.trained_on import COLUMNS
from emospeech.outputs.hub import card, folder, remote
from emospeech.outputs.hub.facts import REPOSITORY, Facts
from emospeech.outputs.hub.onnx import write as onnx
from emospeech.runtime.errors import UserError
from emospeech.runtime.files import replacing_folder
from emospeech.runtime.runs import RunFolder
from emospeech.systems import build
from emospeech.systems.base import MAIN_TASK, System
from emospeech.systems.saved import read_config

APART = {  # data.split.disjoint, in words
    "auto": "recording, else speaker, where the corpus tells them",
    "group": "recording",
    "speaker": "speaker",
    "none": "clip alone",
}
SOUP = "Its weights are the mean of those of several runs (a model soup), of which the recipe is one."


@dataclass(frozen=True)
class Wishes:
    """What is asked of an export."""

    whole: bool = False  # copies of encoders that have a Hub id, too
    onnx: bool = False
    licence: str | None = None  # the Hub's word for it, as apache-2.0
    languages: Sequence[str] = ()  # ISO 639-1; none: those of the corpora
    repository: str = REPOSITORY  # where it will be


def export(run: Path, output: Path, wishes: Wishes, overwrite: bool = False) -> Iterator[str]:
    """Write a run as a model folder; lines for a person.

    Raises:
        UserError: if the run is not finished, or damaged, or the folder may not be written.
        WorkError: if ONNX was asked for and nothing of it could be kept.
    """
    source = finished(run)
    folder.refuse(output, overwrite)
    system = _loaded(source, wishes)
    with replacing_folder(output) as temporary:
        notes = list(fill(temporary, source, system, wishes))
    yield from notes
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    yield f"exported: {output} ({size / 1e6:.1f} MB); it loads with emospeech.load({str(output)!r})"


def push(
    run: Path, wishes: Wishes, private: bool = False, revision: str | None = None, dirty: bool = False
) -> Iterator[str]:
    """Put a run into the repository of the Hub that `wishes` names, in one commit; lines for a person.

    Args:
        dirty: also a run of code that was changed and not committed.

    Raises:
        UserError: if the run is not finished, nobody is logged in, or the account may not.
        WorkError: if the Hub cannot be reached.
    """
    remote.check_repository(wishes.repository)
    source = finished(run)
    if not dirty:
        _refuse_dirty(source)
    remote.require_login()
    system = _loaded(source, wishes)
    with tempfile.TemporaryDirectory(prefix="emospeech_") as place:
        into = Path(place) / source.path.resolve().name
        into.mkdir()
        yield from fill(into, source, system, wishes)
        address = remote.push(into, wishes.repository, private, revision, f"{source.path.resolve().name}, by emospeech")
    yield f"pushed: {address}"
    yield f"it loads with emospeech.load({wishes.repository!r})"


def _refuse_dirty(source: RunFolder) -> None:
    """
    Raises:
        UserError: if the code that trained it is in no commit.
    """
    commits = [commit for one in _starts(source) if (commit := one.get("commit")) and commit.endswith("+")]
    if commits:
        raise UserError(
            f"{source.path} was trained by code that no commit has ({commits[0]}: there were changes), so nobody can "
            "train it again; commit and train it anew, or push it all the same with --dirty"
        )


def _starts(source: RunFolder) -> list[dict[str, Any]]:
    """Environments in which it was begun and went on."""
    if not source.environment.exists():
        return []
    found: list[dict[str, Any]] = json.loads(source.environment.read_text(encoding="utf-8"))
    return found


def finished(run: Path) -> RunFolder:
    """
    Raises:
        UserError: if there is no finished run.
    """
    source = RunFolder(run)
    if not run.is_dir():
        raise UserError(f"no run folder {run}")
    if folder.is_export(run):
        raise UserError(f"{run} is an exported model already; copy it, or name the run that it was made from")
    if not source.started:
        inside = sorted(path.parent for path in run.glob("*/scores.json"))
        hint = f"; it holds several: {', '.join(map(str, inside[:4]))}" if inside else ""
        raise UserError(f"{run} is no run folder: it has no {source.config.name}{hint}")
    if not source.finished:
        raise UserError(f"{run} is not finished: finish it with emospeech train … --resume, then export it")
    return source


def _loaded(source: RunFolder, wishes: Wishes) -> System:
    """The run's system; before that, and before any work, whether what is asked of it can be done.

    Raises:
        UserError: if it cannot, or the run is damaged.
    """
    if wishes.onnx:
        onnx.require()
    system = build.load(source.path)
    if wishes.onnx:
        onnx.require(system)
    return system


def fill(into: Path, source: RunFolder, system: System, wishes: Wishes) -> Iterator[str]:
    """All files of an export, into an empty folder; notes on what could not be done."""
    fitted = calibrated.fitted(source, system.tasks[MAIN_TASK])
    told = None if fitted is None else {"temperature": fitted.temperature, "fitted_to": fitted.to}
    written = folder.write(into, source.model, system, told, wishes.whole)
    yield from (f"note: {note}" for note in written.notes)
    facts = gathered(source, system, written, fitted, wishes)
    if wishes.onnx:
        kept = onnx.write(into, system)
        facts = replace(facts, onnx=[f"{onnx.FOLDER}/{one.name}" for one in kept if one.told is not None])
        yield from (_told(one) for one in kept)
    (into / "README.md").write_text(card.render(facts), encoding="utf-8")


def _told(kept: onnx.Kept) -> str:
    if kept.told is None:
        return f"note: {kept.why_not}; it is left out"
    return f"{onnx.FOLDER}/{kept.name}: within {kept.difference:.1e} of PyTorch's logits"


def gathered(
    source: RunFolder, system: System, written: folder.Written, fitted: calibrated.Fitted | None, wishes: Wishes
) -> Facts:
    """What a card tells."""
    recipe = read_config(source.model).recipe
    scores = json.loads(source.scores.read_text(encoding="utf-8"))
    starts = _starts(source)
    corpora = {part.corpus: CORPORA[part.corpus] for part in recipe.data.parts}
    split = table.read(source.split, ["id", "split"], "a run's split") if source.split.exists() else None
    return Facts(
        name=recipe.name,
        written=written,
        tasks=system.tasks,
        hears=system.needs_audio,
        reads=system.needs_text,
        may_lack=system.may_lack,
        scores=scores,
        clips={} if split is None else _counts(split),
        origins=_origins(source, ("train", "dev") if recipe.data.refit is not None else ("train",)),
        corpora=corpora,
        languages=wishes.languages or _languages(corpora),
        split=[*_protocol(recipe), *([SOUP] if (source.path / "soup.json").exists() else [])],
        environment=starts[0] if starts else {},
        temperature=None if fitted is None else fitted.temperature,
        fitted_to=calibrated.DEV if fitted is None else fitted.to,
        refit=recipe.data.refit is not None,
        licence=wishes.licence,
        repository=wishes.repository,
    )


def _counts(split: pd.DataFrame) -> dict[str, int]:
    found = split["split"].value_counts()
    return {part: int(found[part]) for part in ("train", "dev", "test") if part in found}


def _origins(source: RunFolder, parts: Sequence[str]) -> dict[str, int]:
    if not source.origins.is_file():
        return {}
    kept = table.read(source.origins, ["part", *COLUMNS], "a list of whom a run has heard")
    trained = kept[kept["part"].isin(parts)].replace("", None)
    return {what: int(trained[["corpus", name]].dropna(subset=[name]).drop_duplicates().shape[0])
            for name, what in KNOWN_BY.items()}  # fmt: skip


def _languages(corpora: Mapping[str, Any]) -> list[str]:
    told = [one.strip() for corpus in corpora.values() for one in corpus.language.split(",")]
    return [one for one in dict.fromkeys(told) if one != "any"]


def _protocol(recipe: Recipe) -> Iterator[str]:
    """Who trained, steered and tested, in sentences."""
    for part in recipe.data.parts:
        split, rule = part.split, "the corpus's own parts where it has them, else a stratified draw"
        if part.only_trains:
            rule = "all its labelled rows train"
        elif split.file is not None:
            rule = "a split in a file" + (f", fold {split.fold}" if split.fold is not None else "")
        elif split.train_file or split.dev_file:
            rule = "files of ids"
        elif split.dev_speakers or split.test_speakers:
            rule = f"named speakers: {len(split.dev_speakers)} steer, {len(split.test_speakers)} test"
        yield f"Split of `{part.corpus}`: {rule}; what is drawn is disjoint by {APART[split.disjoint]}."
    yield from _steered(recipe)


def _steered(recipe: Recipe) -> Iterator[str]:
    """What dev was for."""
    best = recipe.system == "neural" and recipe.train.keep == "best"
    if recipe.data.refit is not None:
        chose = "chose how long the model trained" if best else "chose nothing"
        yield (
            f"Dev {chose}. The model was then trained afresh on train and dev together; dev's score and the "
            "temperature are of the model before that, and no score of dev is of the model that is here."
        )
    elif recipe.system == "neural":
        kept = "chose the weights that are kept" if best else "chose nothing: the last step's are kept"
        yield f"Dev {kept}; the temperature is fitted to it, and its own score may flatter the model."
    else:
        yield "Dev chose nothing; the temperature is fitted to it."
