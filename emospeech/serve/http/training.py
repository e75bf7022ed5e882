"""The routes that train, where the server was started with them: the recipes of one folder, as background jobs."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from emospeech import config
from emospeech.runtime.errors import UserError
from emospeech.serve.http.jobs import Busy, Job, Jobs
from emospeech.serve.http.predicting import problems
from emospeech.serve.http.problems import Problem
from emospeech.systems.build import load_recipe

# What a client may change. Not data, folders or encoders: these name files of the server's machine.
CHANGEABLE = re.compile(r"(train|model|classical)(\.[a-z][a-z0-9_]*)+")
FIXED = ("classical.features", "train.trackers", "train.workers")
MISSING = "???"  # OmegaConf's word for a value to come
Scalar = bool | int | float | str | None


class TrainRequest(BaseModel):
    """A training to begin."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"recipe": "demo", "name": "mine", "overrides": {"train.seed": 2}}]},
    )
    recipe: str = Field(max_length=200, description="One of GET /v1/train.")
    name: str = Field(max_length=64, description="Of the run; the model is served under it afterwards.")
    overrides: dict[str, Scalar] = Field(
        default_factory=dict, max_length=50, description="Keys under train, model and classical, with their values."
    )
    resume: bool = Field(False, description="Go on with a run of this name that was stopped.")


class TrainJob(BaseModel):
    id: str
    recipe: str
    name: str
    overrides: list[str]
    state: str = Field(description="queued, running, finished, failed or cancelled.")
    created: str
    started: str | None
    ended: str | None
    message: str | None
    progress: dict[str, Any] | None = Field(description="The last validation: step, epoch, dev_macro_f1 …")
    scores: dict[str, Any] | None = Field(description="Of a finished one, as in the run's scores.json.")
    log: list[str] = Field(description="The last lines that it said.")


class RecipeCard(BaseModel):
    name: str
    corpora: list[str]


class Trainings(BaseModel):
    recipes: list[RecipeCard]
    jobs: list[TrainJob]


def recipes_in(folder: Path) -> dict[str, Path]:
    """The recipes of a folder, by name; every one is checked now, not when somebody asks for it.

    Raises:
        UserError: if there is none, or one is faulty.
    """
    if not folder.is_dir():
        raise UserError(f"--allow-train {folder}: no such folder; give one with the recipes that may be trained")
    found = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not found:
        raise UserError(f"--allow-train {folder}: no recipes (*.yaml) in it")
    for path in found.values():
        load_recipe(path)
    return found


def router(jobs: Jobs) -> APIRouter:
    routes = APIRouter(prefix="/v1/train", tags=["train"])

    @routes.post(
        "",
        status_code=202,
        response_model=TrainJob,
        responses=problems(400, 401, 403, 404, 408, 409, 413, 422, 429),
        summary="Begin a training, in the background",
    )
    def begin(asked: TrainRequest) -> TrainJob:
        return _described(jobs, _begun(jobs, asked))

    @routes.get("", response_model=Trainings, responses=problems(401), summary="What may be trained, and all trainings")
    def listed() -> Trainings:
        return Trainings(recipes=_cards(jobs), jobs=[_described(jobs, job) for job in jobs.all()])

    @routes.get("/{id}", response_model=TrainJob, responses=problems(401, 404), summary="How a training goes")
    def status(id: str) -> TrainJob:
        return _described(jobs, _known(jobs, id))

    @routes.post(
        "/{id}/cancel",
        response_model=TrainJob,
        responses=problems(401, 403, 404),
        summary="Stop a training; it can be resumed",
    )
    def cancel(id: str) -> TrainJob:
        return _described(jobs, jobs.cancel(id) or _known(jobs, id))

    return routes


def _begun(jobs: Jobs, asked: TrainRequest) -> Job:
    """
    Raises:
        Problem: if it cannot begin.
    """
    if asked.recipe not in jobs.recipes:
        raise Problem("not_found", f"no recipe {asked.recipe[:80]!r}; there are {', '.join(jobs.recipes)}")
    overrides = [_override(key, value) for key, value in asked.overrides.items()]
    path = jobs.recipes[asked.recipe]
    try:
        load_recipe(path, overrides)
    except UserError as error:  # where the file lies is nobody's business
        raise Problem("invalid", str(error).replace(str(path), asked.recipe)) from None
    try:
        return jobs.submit(asked.recipe, asked.name, overrides, asked.resume)
    except UserError as error:
        raise Problem("conflict", str(error)) from None
    except Busy as busy:
        raise Problem("busy", str(busy), 60) from None


def _cards(jobs: Jobs) -> list[RecipeCard]:
    """What may be trained, on which corpora; without recipes that have been spoilt or removed meanwhile."""
    parts = {}
    for name, path in jobs.recipes.items():
        with suppress(UserError):
            parts[name] = config.load(path).data.parts
    return [RecipeCard(name=name, corpora=[part.corpus for part in own]) for name, own in parts.items()]


def _described(jobs: Jobs, job: Job) -> TrainJob:
    fields = {name: getattr(job, name) for name in TrainJob.model_fields if hasattr(job, name)}
    more = {"progress": jobs.progress(job), "scores": jobs.scores(job), "log": jobs.tail(job)}
    return TrainJob(**fields | {"overrides": list(job.overrides)} | more)


def _known(jobs: Jobs, id: str) -> Job:
    """
    Raises:
        Problem: if there is no such job.
    """
    job = jobs.get(id)
    if job is None:
        raise Problem("not_found", f"no training {id[:80]!r}")
    return job


def _override(key: str, value: Scalar) -> str:
    """
    Raises:
        Problem: if a client may not change that.
    """
    if not CHANGEABLE.fullmatch(key) or key.startswith(FIXED):
        raise Problem(
            "invalid", f"overrides: {key[:80]!r} cannot be changed here; keys begin with train., model. or classical."
        )
    if isinstance(value, str) and ("$" in value or value == MISSING):  # looked up: ${oc.env:…}; or passed over
        raise Problem("invalid", f"overrides: {key}: a value without $ is needed, and other than {MISSING}")
    return f"{key}={json.dumps(value)}"
