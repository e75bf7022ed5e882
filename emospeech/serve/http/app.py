"""The app: routes over a server, behind its guards."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from emospeech import __version__
from emospeech.runtime.memory import give_back_freed_memory
from emospeech.serve.http import examples, predicting, problems, telling, training
from emospeech.serve.http.guards import Guards
from emospeech.serve.http.jobs import Jobs
from emospeech.serve.http.predicting import problems as problem_responses
from emospeech.serve.http.schemas import ProblemDetails
from emospeech.serve.http.state import Server
from emospeech.serve.page import STATIC

QUIET_SECONDS = 5.0
INSTEAD = ("HTTPValidationError", "ValidationError")  # FastAPI's schemas of what is never sent here
ABOUT = (
    "Emotion recognition from speech and text. Probabilities are a model's, not a person's feelings. "
    "Audio that is sent is held in memory until it is answered, and is kept nowhere."
)


def create_app(
    server: Server, key: str | None = None, hosts: Sequence[str] | None = None, jobs: Jobs | None = None
) -> Guards:
    """An ASGI app.

    Args:
        key: that clients must send; None: none.
        hosts: the names that it answers under; None: any.
        jobs: what `/v1/train` begins; None: there is no such route.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        tidying = asyncio.create_task(_tidied(server))
        yield
        tidying.cancel()
        if jobs is not None:
            await anyio.to_thread.run_sync(jobs.close)
        await anyio.to_thread.run_sync(server.close, server.limits.timeout)

    # FastAPI's own pages of docs take scripts from elsewhere
    app = FastAPI(
        title="emospeech",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # a redirect would go to whatever host a client names
    )
    problems.install(app, lambda code: server.metrics.problems.labels(code).inc())
    app.include_router(predicting.router(server))
    if jobs is not None:
        app.include_router(training.router(jobs))
    app.include_router(examples.router())
    app.include_router(telling.router(server))
    _with_page(app)
    _with_problems(app)
    return Guards(app, server.limits, server.metrics, key, hosts)


async def _tidied(server: Server) -> None:
    """When nothing has been asked for a while after something was, memory goes back to the system."""
    before = given_back = server.answered
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        if server.answered == before != given_back and server.idle:
            await anyio.to_thread.run_sync(give_back_freed_memory)
            given_back = before
        before = server.answered


def _with_page(app: FastAPI) -> None:
    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    app.mount("/page", StaticFiles(directory=STATIC), name="page")


def _with_problems(app: FastAPI) -> None:
    """Problems in OpenAPI: their schema, in the place of FastAPI's own for what is invalid."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = make()
            named = schema["components"]["schemas"]
            named["ProblemDetails"] = ProblemDetails.model_json_schema()
            for name in INSTEAD:
                named.pop(name, None)
            for methods in schema["paths"].values():
                for told in methods.values():
                    if "422" in told["responses"]:
                        told["responses"]["422"] = problem_responses(422)[422]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
