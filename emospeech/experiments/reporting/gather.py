"""All that a report tells of a run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from emospeech.data.audit import audit
from emospeech.data.audit.report import Report as Audit
from emospeech.experiments import inference
from emospeech.experiments.reporting import clips, facts, parts, private
from emospeech.experiments.reporting.sources import Sources, predictions, read
from emospeech.experiments.scoring import calibrated
from emospeech.outputs.report.content import Part, Report, Shown
from emospeech.runtime.console import say
from emospeech.runtime.errors import UserError
from emospeech.systems import build
from emospeech.systems.base import System

MOST_CLIPS = 60  # that are shown by themselves


@dataclass(frozen=True)
class Other:
    """Labelled rows that a report is to be about, in place of the run's own dev and test."""

    name: str
    rows: pd.DataFrame


@dataclass(frozen=True)
class Told:
    """A part, and what it was made of."""

    part: Part
    predictions: pd.DataFrame | None
    manifest: pd.DataFrame | None  # of its rows


def gather(
    run: Path, count: int, other: Other | None = None, sound: bool = True, anonymous: bool = False
) -> Report:  # fmt: skip
    """
    Args:
        count: of clips shown by themselves, at most `MOST_CLIPS`.
        sound: whether these can be heard.
        anonymous: scores and figures alone.

    Raises:
        UserError: if the run cannot be read, or not be asked about the other rows.
    """
    if not 0 <= count <= MOST_CLIPS:
        raise UserError(f"--clips {count}: a report shows 0 to {MOST_CLIPS} clips by themselves")
    sources = read(run)
    report = _whole(sources, 0 if anonymous else count, other, sound)
    if anonymous:
        report = private.anonymous(report, sources.recipe, private.from_hub(sources.folder.model))
    else:
        holds = private.held(report, sources.recipe, None if other is None else other.name)
        report = dataclasses.replace(report, holds=holds)
    return private.shortened(report, private.folders(run, sources.recipe))


def _whole(sources: Sources, count: int, other: Other | None, sound: bool) -> Report:
    run = sources.folder.path
    system = _system(sources, needed=other is not None)
    say(f"reporting on {run}")
    told = [_own(name, sources) for name in sources.scores] if other is None else [_other(other, system, sources)]
    shown, notes = _shown(told, system, count, sources, sound)
    return Report(
        name=run.resolve().name,
        summary=_summary(sources, told, other),
        facts=facts.facts(sources.recipe),
        data=facts.data(sources),
        parts=tuple(one.part for one in told),
        history=sources.attempt("the learning curves", partial(facts.history, sources.folder.metrics)) or [],
        layers=sources.attempt("the layer weights", partial(facts.layers, sources.folder.model, sources.recipe)) or (),
        audit=_audited(sources, other),
        shown=shown,
        recipe=sources.attempt("the recipe's text", lambda: sources.folder.config.read_text(encoding="utf-8")) or "",
        environment=sources.attempt("its environment", partial(facts.environment, sources.folder.environment)) or (),
        notes=tuple(notes),
        missing=tuple(sources.missing),  # last: what stands above adds to it
    )


def _system(sources: Sources, needed: bool) -> System | None:
    """The model, where it has an attention to ask for, or is to predict."""
    recipe = sources.recipe
    if needed:
        return build.load(sources.folder.path)
    if recipe is None or recipe.system != "neural" or sources.manifest is None:
        return None
    return sources.attempt("attention, as the model cannot be loaded", lambda: build.load(sources.folder.path))


def _own(name: str, sources: Sources) -> Told:
    """A part of the run's own."""
    found = sources.attempt(f"the clips of {name}", partial(predictions, sources.folder, name))
    if found is None:
        sources.missing.append(f"the clips of {name}: no {sources.folder.predictions(name).name}")
    labels = sources.scores[name]["labels"]
    truth = pd.Series(dtype=object) if sources.split is None else sources.truth(name)
    by = sources.attempt("the temperature", lambda: calibrated.fitted(sources.folder, labels))
    made = parts.part(name, sources.scores[name], found, truth, sources.manifest, by)
    return Told(made, found, sources.manifest)


def _other(other: Other, system: System | None, sources: Sources) -> Told:
    assert system is not None
    seen = inference.seen_in_training(sources.folder.path, other.rows)
    if seen:
        share = f"{len(seen)} of these {len(other.rows)} clips"
        sources.missing.append(f"{private.UNFAIR} {other.name}: {share} trained or steered the run, which flatters it")
    found = inference.evaluated(system, other.rows, run=sources.folder.path)
    truth = found.rows.set_index("id")["label"]
    by = calibrated.fitted(sources.folder, found.scores["labels"])
    made = parts.part(other.name, found.scores, found.predictions, truth, found.rows, by)
    return Told(made, found.predictions, found.rows)


def _summary(sources: Sources, told: list[Told], other: Other | None) -> tuple[str, ...]:
    own = facts.summary(sources)
    if other is None:
        return own
    scores: Mapping[str, Any] = told[0].part.scores
    return (f"This report is about {other.name}: {scores['count']} clips, {facts.heard(scores)}.", *own)


def _shown(
    told: list[Told], system: System | None, count: int, sources: Sources, sound: bool
) -> tuple[tuple[Shown, ...], list[str]]:
    """Clips of dev, or of what the report is about; of test only where there is nothing else."""
    able = [one for one in told if one.predictions is not None and one.part.clips["p"].notna().any()]
    if not able or not count:
        return (), []
    one = able[0]
    assert one.predictions is not None
    shown, notes = clips.shown(one.part, one.predictions, one.manifest, system, count, sound)
    if one.part.name == "dev" and len(able) > 1:
        notes.insert(0, "These clips are of dev: who changes a system after looking at test has no test any more.")
    if system is None and sources.recipe is not None and sources.recipe.system != "neural":
        notes.append("A classical system has no attention over time: transcripts and waveforms are unmarked.")
    return shown, notes


def _audited(sources: Sources, other: Other | None) -> Audit | None:
    """What the audit finds in the run's rows without listening to them."""
    if sources.manifest is None:
        return None
    whole = {"run": sources.manifest}
    if other is not None:
        whole[other.name] = other.rows.assign(split=pd.Series(pd.NA, index=other.rows.index, dtype="string"))
    return sources.attempt("the audit", lambda: audit(whole, with_audio=False))
