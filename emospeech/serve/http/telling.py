"""The routes that tell of the server: models, limits, health, metrics."""

from fastapi import APIRouter, Response

from emospeech import __version__
from emospeech.serve.engine.served import ServedModel
from emospeech.serve.http import schemas
from emospeech.serve.http.predicting import problems
from emospeech.serve.http.problems import Problem
from emospeech.serve.http.state import Server
from emospeech.systems.attention import attends
from emospeech.systems.base import MAIN_TASK


def card(model: ServedModel, default: bool) -> schemas.ModelCard:
    return schemas.ModelCard(
        name=model.name,
        version=model.version,
        labels=list(model.labels),
        tasks={task: list(labels) for task, labels in model.tasks.items() if task != MAIN_TASK},
        hears=model.system.needs_audio,
        reads=model.system.needs_text,
        needs_audio=model.needs_audio,
        needs_text=model.needs_text,
        transcribes=model.whisper is not None,
        temperature=model.temperature,
        attends=attends(model.system),
        default=default,
    )


def router(server: Server) -> APIRouter:
    routes = APIRouter(tags=["server"])

    @routes.get("/v1/models", response_model=schemas.Models, responses=problems(401), summary="What is served")
    def models() -> schemas.Models:
        return schemas.Models(models=[card(one, default=k == 0) for k, one in enumerate(server.models)])

    @routes.get("/v1/limits", response_model=schemas.LimitsAnswer, responses=problems(401), summary="What it takes")
    def limits() -> schemas.LimitsAnswer:
        return schemas.LimitsAnswer(
            **{name: getattr(server.limits, name) for name in schemas.LimitsAnswer.model_fields}
        )

    @routes.get("/healthz", response_model=schemas.Health, summary="The process lives")
    def healthy() -> schemas.Health:
        return schemas.Health(status="ok", emospeech=__version__)

    @routes.get("/readyz", response_model=schemas.Health, responses=problems(503), summary="It answers questions")
    def ready() -> schemas.Health:
        if not server.ready:
            raise Problem("not_ready", "a model does not answer", 5)
        return schemas.Health(status="ready", emospeech=__version__)

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **problems(401)},
        summary="For Prometheus",
    )
    def metrics() -> Response:
        return Response(server.metrics.text(), media_type=server.metrics.media_type)

    return routes
