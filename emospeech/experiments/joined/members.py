"""What a folder holds that can answer rows: one model, one for each seed, or one for each fold of a benchmark."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emospeech.experiments.protocols.units import PREDICTIONS, RECORD
from emospeech.experiments.seeds import SUMMARY
from emospeech.runtime.errors import UserError, some
from emospeech.systems import saved

MODEL = "model"


@dataclass(frozen=True)
class Found:
    """The models of a folder."""

    path: Path
    models: tuple[Path, ...]  # run folders, or model folders, that `systems.build.load` takes
    out_of_fold: Path | None = None  # of a benchmark's system: what its models have said of rows new to each


def found(path: Path) -> Found:
    """The models in a run folder, in a folder of several seeds, or in the folder of a benchmark's system.

    Raises:
        UserError: if there is none, or not all of them are there.
    """
    if not path.is_dir():
        raise UserError(f"no run folder {path}")
    if (path / MODEL).is_dir() or (path / saved.CONFIG).is_file():
        return Found(path, (path,))
    if folds := _folds(path):
        return Found(path, _whole(path, folds, "keep them with benchmark.keep_models=true"), _predictions(path))
    if seeds := _seeds(path):
        return Found(path, _whole(path, seeds, "train what is missing with --resume"))
    if systems := sorted({record.parents[1] for record in path.glob(f"*/*/**/{RECORD}")}):
        below = [one.parent if one.name.startswith("seed_") else one for one in systems]
        raise UserError(f"{path} holds a benchmark; name one of its systems: {some(list(dict.fromkeys(below)), 6)}")
    if runs := sorted(folder.parent for folder in path.glob(f"*/{MODEL}")):
        raise UserError(f"{path} holds several runs; name each: {some(runs, 6)}")
    raise UserError(f"{path} holds no trained model: no {MODEL}/ in it. Has its training finished?")


def _folds(path: Path) -> list[Path]:
    """Of a benchmark's system, below its seeds where those are named."""
    return sorted(record.parent for pattern in ("*", "seed_*/*") for record in path.glob(f"{pattern}/{RECORD}"))


def _predictions(path: Path) -> Path:
    if not (path / PREDICTIONS).is_file():
        raise UserError(f"{path} has no {PREDICTIONS}: not all of its folds are done; go on with --resume")
    return path / PREDICTIONS


def _seeds(path: Path) -> list[Path]:
    """The runs that are summed up there; of an unfinished command all that were begun."""
    summary = path / SUMMARY
    if not summary.is_file():
        begun = [config.parent for config in path.glob("seed_*/config.yaml")]
        return sorted(begun, key=lambda run: (len(run.name), run.name))
    try:
        return [path / one["run"] for one in json.loads(summary.read_text(encoding="utf-8"))["seeds"]]
    except (ValueError, LookupError, TypeError):
        raise UserError(f"{summary} is damaged; make it anew with emospeech train … --resume") from None


def _whole(path: Path, runs: Sequence[Path], remedy: str) -> tuple[Path, ...]:
    """The runs, if each has its model."""
    lacking = [run.relative_to(path) for run in runs if not (run / MODEL).is_dir()]
    if lacking:
        raise UserError(f"{path}: {len(lacking)} of {len(runs)} have no {MODEL}/: {some(lacking)}; {remedy}")
    return tuple(runs)
